"""From a cell to its record: open the server, measure, ask the gate."""

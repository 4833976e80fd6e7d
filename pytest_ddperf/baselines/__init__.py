"""Which baseline applies to a cell, and the recording of new ones."""

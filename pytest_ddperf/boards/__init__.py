"""The board around a measurement: the user's commands, clocks and telemetry."""

"""The measuring loop, its clocks, and passes under load. Pure: calls and clocks are injected."""

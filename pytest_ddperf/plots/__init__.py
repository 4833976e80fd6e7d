"""The report's figures, drawn from data."""

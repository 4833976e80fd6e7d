"""Figures of the report, drawn from results."""

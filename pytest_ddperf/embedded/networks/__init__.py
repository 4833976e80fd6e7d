"""The networks that the embedded server runs, built in code, and their costs."""

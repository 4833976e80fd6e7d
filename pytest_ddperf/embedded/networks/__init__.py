"""The networks that the embedded server runs, built in code, and what they cost."""

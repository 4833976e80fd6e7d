"""Finding the baseline that applies to a cell, and recording new ones."""

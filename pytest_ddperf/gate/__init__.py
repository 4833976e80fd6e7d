"""Samples and a baseline in, a verdict out. Pure, standard library only."""

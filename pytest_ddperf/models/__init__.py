"""Checks of a model folder: files that DeepDetect needs, files that are missing, and the cost of the network."""

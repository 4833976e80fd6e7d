"""A folder with a network: what DeepDetect needs of it, what of it is missing, and what the network costs."""

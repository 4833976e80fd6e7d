"""Fetching, decoding and resizing of images for the embedded server."""

"""Descriptions drawn by matplotlib: the only package that imports it."""

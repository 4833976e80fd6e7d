"""Runs on disk: write, read, query."""

"""Caffe's text format, and the layer sizes and cost of a Caffe network."""

"""Caffe's text format, and the sizes and costs of a network's layers."""

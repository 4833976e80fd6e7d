"""Conversion of a network's output tensors to DeepDetect's predictions."""

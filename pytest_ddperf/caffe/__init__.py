"""Caffe's networks, as prototxt files describe them: layers, their sizes and weights. Pure."""

"""ONNX Runtime sessions, and the embedded server's artificial slowdown and delay."""

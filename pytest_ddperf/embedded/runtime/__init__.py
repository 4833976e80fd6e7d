"""ONNX Runtime sessions, and the artificial slowdown and delay of the embedded server."""

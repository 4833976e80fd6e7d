"""A real inference server with DeepDetect's REST API, on ONNX Runtime; a process of its own."""

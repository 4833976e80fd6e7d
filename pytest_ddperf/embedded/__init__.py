"""An inference server with DeepDetect's REST API, based on ONNX Runtime. It runs in its own process."""

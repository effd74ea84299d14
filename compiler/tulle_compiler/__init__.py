"""From ONNX to per-PE programs."""

"""From a network to verified files for a phone: ONNX, rewrites, TNN, artifact, verification."""

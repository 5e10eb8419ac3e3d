"""Model files: find, fetch, convert (GGUF to the ONNX Runtime GenAI folder format), verify.

`store.ModelStore` is the way in. Nothing here runs a model beyond the one forward pass that proves a conversion.
"""

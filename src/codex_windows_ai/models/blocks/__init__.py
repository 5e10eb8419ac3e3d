"""The blocks that decoders are made of, each written once: the weights it needs, and the ONNX nodes that compute it.

`decoder.Decoder` puts them together as a `spec.DecoderSpec` says.
"""

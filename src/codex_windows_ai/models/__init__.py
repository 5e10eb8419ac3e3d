"""Models: what they are, and how a file becomes a folder that the engine runs.

`store.ModelStore` is the way in, `folder.ModelFolder` what comes out. `spec` says what a decoder is, layer by layer;
`blocks` builds it; `families` read it from `gguf` files; `convert` writes it. Nothing here runs a model beyond the
passes that calibrate and prove a conversion.
"""

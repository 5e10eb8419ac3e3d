"""Turns a GGUF file into a model folder: weights at 8 bits, two graphs over them, and the proof that both answer alike.

`convert.convert` is the way in.
"""

"""The families of models that can be converted, one short file each; `registry` lists them.

A family reads a file's metadata into a `DecoderSpec` and says where the weights lie; the blocks do the rest.
"""

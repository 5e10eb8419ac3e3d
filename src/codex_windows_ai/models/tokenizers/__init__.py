"""Tokenizers inside model files, written out in the format of https://github.com/huggingface/tokenizers."""

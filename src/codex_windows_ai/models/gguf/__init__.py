"""GGUF files: the format (`file`), common keys of the metadata (`hyperparameters`), where weights lie (`layout`)."""

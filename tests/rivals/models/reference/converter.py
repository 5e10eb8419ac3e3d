"""llama.cpp's own converter, run in this process; its source is on the path."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from pathlib import Path


def convert(folder: Path, target: Path, pre_tokenizer: str) -> None:
    """Writes the model in `folder` as a GGUF file of float32.

    The converter knows a vocabulary by a hash of how it cuts one text, so a small one is told instead.
    """
    converter = importlib.import_module("convert_hf_to_gguf")
    importlib.import_module("conversion.base").TextModel.get_vocab_base_pre = lambda self, tokenizer: pre_tokenizer
    arguments = sys.argv
    sys.argv = ["convert_hf_to_gguf.py", str(folder), "--outtype", "f32", "--outfile", str(target)]
    architecture = json.loads((folder / "config.json").read_text(encoding="utf-8"))["architectures"][0]
    if architecture.startswith("Qwen3_5"):  # whose blocks that only draft transformers does not save
        sys.argv.append("--no-mtp")
    try:
        converter.main()
    finally:
        sys.argv = arguments
        logging.getLogger().setLevel(logging.WARNING)

"""Byte-level BPE (`tokenizer.ggml.model` is `gpt2`): GPT-2's descendants, Llama 3, Qwen, gpt-oss, Mistral since Tekken.

Text is cut into pieces by a pre-tokenizer, and each piece's bytes are merged by the file's own list of merges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_windows_ai.errors import UnsupportedModelError
from codex_windows_ai.models.contents import shown
from codex_windows_ai.models.families.registry import known_models
from codex_windows_ai.models.tokenizers.merges import read_merges
from codex_windows_ai.models.tokenizers.pre_tokenizers import PRE_TOKENIZERS, PreTokenizer, find_pre_tokenizer
from codex_windows_ai.models.tokenizers.scheme import Part, Scheme, byte_pairs

if TYPE_CHECKING:
    from codex_windows_ai.models.gguf.file import GgufFile
    from codex_windows_ai.models.tokenizers.vocabulary import Vocabulary

BYTE_LEVEL: Part = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def read_pre_tokenizer(file: GgufFile) -> PreTokenizer:
    """The rules by which the file's model cuts text. Raises UnsupportedModelError: they are not known here."""
    name = file.text("tokenizer.ggml.pre", "default")
    rules = find_pre_tokenizer(name)
    if rules is None:
        raise UnsupportedModelError(
            f"{file.path} cuts text by the rules {shown(name)}; supported are {', '.join(sorted(PRE_TOKENIZERS))}.",
            hint=f"Use a GGUF file of {known_models('or')}, or a model folder in the ONNX Runtime GenAI format. If you "
            "know that these rules are one of the supported ones under another name, make a copy that says so: "
            "`gguf-new-metadata --pre-tokenizer NAME FILE COPY` (it comes with this program).",
        )
    return rules


def byte_level_scheme(file: GgufFile, vocabulary: Vocabulary, pre: PreTokenizer) -> Scheme:
    """Byte-level BPE by those rules. Raises ModelFileError: the list of merges is missing or broken."""
    cuts = [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        for pattern in pre.patterns
    ]
    return Scheme(
        normalizer={"type": pre.normalizer} if pre.normalizer else None,
        pre_tokenizer={"type": "Sequence", "pretokenizers": [*cuts, BYTE_LEVEL]},
        model=byte_pairs(vocabulary.numbers, read_merges(file), whole_words_first=pre.whole_words_first),
        decoder=BYTE_LEVEL,
        tokenizer_class=pre.tokenizer_class,
        begins_with_bos=pre.begins_with_bos,
    )

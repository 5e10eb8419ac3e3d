"""SentencePiece vocabularies: with scores (`tokenizer.ggml.model` is `llama`), or with merges (`gemma4`).

Llama 2, Mistral 7B, Phi-3 and Gemma 1 to 3 have scores. Spaces are written as U+2581, text is not cut before it is
merged, and what has no token becomes tokens of its bytes.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.tokenizers.merges import merges_by_score, read_merges
from codex_windows_ai.models.tokenizers.scheme import Part, Scheme, byte_pairs
from codex_windows_ai.models.tokenizers.vocabulary import TokenKind, Vocabulary

if TYPE_CHECKING:
    from codex_windows_ai.models.gguf.file import GgufFile

SPACE = "▁"
DEFAULT_BOS, DEFAULT_EOS = 1, 2
"""SentencePiece's own numbers, where the metadata has none."""

_DROPS_BLANKS = "phi3"
"""The architecture of the only SentencePiece models (Phi-3, Phi-3.5) whose own tokenizers do so; files do not say."""

_DECODER: list[Part] = [
    {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
    {"type": "ByteFallback"},
    {"type": "Fuse"},
]
_STRIP_PREFIX: Part = {"type": "Strip", "content": " ", "start": 1, "stop": 0}


def with_plain_spaces(vocabulary: Vocabulary) -> Vocabulary:
    """The vocabulary, where user-defined tokens have spaces as text has them: they are found before it is rewritten."""
    texts = [
        text.replace(SPACE, " ") if kind == TokenKind.USER_DEFINED else text
        for text, kind in zip(vocabulary.texts, vocabulary.kinds, strict=True)
    ]
    return Vocabulary(texts, vocabulary.kinds, {text: number for number, text in enumerate(texts)})


def scored_scheme(file: GgufFile, vocabulary: Vocabulary) -> Scheme:
    """The tokenizer of a vocabulary with scores.

    Raises ModelFileError: scores or bytes are missing. UnsupportedModelError: it rewrites text in a way not known here.
    """
    if file.flag("tokenizer.ggml.remove_extra_whitespaces", default=False):
        raise UnsupportedModelError(f"{file.path} removes repeated spaces from texts, which is not supported.")
    merges = merges_by_score(vocabulary, _scores(file, vocabulary))
    return _scheme(file, vocabulary, merges, prefixes_space=file.flag("tokenizer.ggml.add_space_prefix", default=True))


def merged_scheme(file: GgufFile, vocabulary: Vocabulary) -> Scheme:
    """The tokenizer of a vocabulary of the same form with a list of merges, as Gemma 4 has it, which wants its BOS.

    Raises ModelFileError: merges or bytes are missing.
    """
    return replace(_scheme(file, vocabulary, read_merges(file), prefixes_space=False), insists_on_bos=True)


def _scheme(file: GgufFile, vocabulary: Vocabulary, merges: list[list[str]], *, prefixes_space: bool) -> Scheme:
    missing = [byte for byte in range(256) if f"<0x{byte:02X}>" not in vocabulary.numbers]
    if missing:
        raise ModelFileError(
            f"{file.path} lacks {len(missing)} of the 256 tokens for bytes, such as <0x{missing[0]:02X}>."
        )
    escape: Part = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    prefix: Part = {"type": "Prepend", "prepend": SPACE}
    return Scheme(
        normalizer={"type": "Sequence", "normalizers": [prefix, escape]} if prefixes_space else escape,
        pre_tokenizer=None,
        model=byte_pairs(vocabulary.numbers, merges, byte_fallback=True),
        decoder={"type": "Sequence", "decoders": [*_DECODER, _STRIP_PREFIX] if prefixes_space else _DECODER},
        tokenizer_class="PreTrainedTokenizerFast",
        begins_with_bos=True,
        prefixes_space=prefixes_space,
        drops_blanks_behind_tokens=file.architecture == _DROPS_BLANKS,
    )


def _scores(file: GgufFile, vocabulary: Vocabulary) -> list[float]:
    scores = file.metadata.get("tokenizer.ggml.scores")
    if not isinstance(scores, list) or not all(
        isinstance(score, (int, float)) and math.isfinite(score) for score in scores
    ):
        raise ModelFileError(f"{file.path}: the metadata lacks the list of numbers `tokenizer.ggml.scores`.")
    if len(scores) != len(vocabulary.texts):
        raise ModelFileError(f"{file.path} has {len(vocabulary.texts)} tokens, but {len(scores)} scores.")
    return [float(score) for score in scores]

"""How one kind of tokenizer turns text into tokens: its parts of `tokenizer.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Part = dict[str, Any]
"""One component of `tokenizer.json`."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """The components of a tokenizer, and what else its kind decides."""

    normalizer: Part | None
    pre_tokenizer: Part | None
    model: Part
    decoder: Part
    tokenizer_class: str
    begins_with_bos: bool
    """Whether a token that begins a text is put first where the metadata does not say."""
    insists_on_bos: bool = False
    """Whether it is put first even where the metadata says no, which some files do by mistake."""
    prefixes_space: bool = False
    """Whether a text is read as though a space stood before it."""
    drops_blanks_behind_tokens: bool = False
    """Whether white space behind special tokens is dropped, but for those that begin or end a whole text."""

    def drops_blanks(self, token: str) -> bool:
        """Whether white space behind that special token is dropped."""
        return self.drops_blanks_behind_tokens and token not in ("<s>", "<unk>", "<|endoftext|>")


def byte_pairs(
    vocabulary: dict[str, int],
    merges: list[list[str]],
    *,
    whole_words_first: bool = False,
    byte_fallback: bool = False,
) -> Part:
    """The model of `tokenizer.json` that merges pairs, the earliest in `merges` first.

    With `byte_fallback`, characters that are no tokens become the tokens `<0x00>` to `<0xFF>` of their bytes.
    """
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": byte_fallback,
        "ignore_merges": whole_words_first,
        "vocab": vocabulary,
        "merges": merges,
    }

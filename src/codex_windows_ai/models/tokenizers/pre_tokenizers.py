"""How text is cut into pieces before byte pairs are merged: one entry for each name that GGUF files use.

A file names only the pre-tokenizer (`tokenizer.ggml.pre`). Names and flags are those of llama.cpp
(src/llama-vocab.cpp, read at commit 00ad355e), the expressions those of the models' own tokenizer files: llama.cpp
rewrites some for its engine, which knows no capital letters and no marks.
"""

from __future__ import annotations

from dataclasses import dataclass

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"


def _words(digits: str, word: str = r"\p{L}", letters: str = r"\p{L}") -> str:
    """Llama 3's and Qwen's rules (first OpenAI's cl100k): words and what stands before them, numbers, signs, spaces."""
    return (
        rf"{_CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?{word}+|\p{{N}}{digits}"
        rf"| ?[^\s{letters}\p{{N}}]+[\r\n]*|{_SPACES}"
    )


def _cased_words(digits: str, contraction: str = "") -> str:
    """The rules of OpenAI's o200k and their descendants: a capital begins a word within a word."""
    upper, lower = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
    before = r"[^\r\n\p{L}\p{N}]?"
    return (
        f"{before}{upper}*{lower}+{contraction}|{before}{upper}+{lower}*{contraction}"
        rf"|\p{{N}}{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"
    )


@dataclass(frozen=True, slots=True)
class PreTokenizer:
    """How text is cut before merging: each pattern cuts the pieces the one before left."""

    patterns: tuple[str, ...]
    normalizer: str | None = None
    whole_words_first: bool = False
    """A piece that is itself in the vocabulary is taken whole, whatever the merges say."""
    begins_with_bos: bool = False
    """Whether a beginning-of-sequence token is put first when the metadata does not say."""
    has_bos: bool = True
    """Whether such a token exists, whatever the metadata says."""
    tokenizer_class: str = "GPT2Tokenizer"


_FAST = "PreTrainedTokenizerFast"

PRE_TOKENIZERS = {
    "default": PreTokenizer((r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")),
    "gpt-2": PreTokenizer((_GPT2,)),
    "smollm": PreTokenizer((r"\p{N}", _GPT2)),
    "llama-bpe": PreTokenizer((_words("{1,3}"),), whole_words_first=True, begins_with_bos=True, tokenizer_class=_FAST),
    "smaug-bpe": PreTokenizer((_words("{1,3}"),), tokenizer_class=_FAST),
    "glm4": PreTokenizer((_words("{1,3}"),), has_bos=False, tokenizer_class=_FAST),
    "qwen2": PreTokenizer((_words(""),), normalizer="NFC", tokenizer_class="Qwen2Tokenizer"),
    "qwen35": PreTokenizer(
        (_words("", r"[\p{L}\p{M}]", r"\p{L}\p{M}"),), normalizer="NFC", tokenizer_class="Qwen2Tokenizer"
    ),
    "gpt-4o": PreTokenizer((_cased_words("{1,3}", f"{_CONTRACTION}?"),), whole_words_first=True, tokenizer_class=_FAST),
    "tekken": PreTokenizer((_cased_words(""),), whole_words_first=True, begins_with_bos=True, tokenizer_class=_FAST),
}

_SAME_RULES = {
    "gpt-2": "phi-2 jina-es jina-de jina-v2-es jina-v2-de gigachat a.x-4.0 mellum modern-bert exaone4 mpt olmo jais "
    "trillion granite-docling",
    "smollm": "starcoder refact command-r codeshell exaone minerva-7b mellum2",
    "llama-bpe": "llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
    "smaug-bpe": "dbrx",
    "glm4": "chatglm-bpe",
    "qwen2": "deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2",
    "gpt-4o": "llama4 kanana2 talkie",
}
SYNONYMS = {other: name for name, others in _SAME_RULES.items() for other in others.split()}
"""Names for which llama.cpp has the very expressions, flags and all, of one above."""


def find_pre_tokenizer(name: str) -> PreTokenizer | None:
    """The rules of that name; None: they are not known here."""
    return PRE_TOKENIZERS.get(SYNONYMS.get(name, name))

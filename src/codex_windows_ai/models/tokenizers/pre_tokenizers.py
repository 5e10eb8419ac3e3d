"""How text is cut into pieces before byte pairs are merged: one entry for each name that GGUF files use.

A file names only the pre-tokenizer (`tokenizer.ggml.pre`); the rules that each name stands for are those of llama.cpp
(src/llama-vocab.cpp, read at commit 00ad355e) and of the models' own tokenizer files.
"""

from __future__ import annotations

from dataclasses import dataclass

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
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
    tokenizer_class: str = "GPT2Tokenizer"


PRE_TOKENIZERS = {
    "default": PreTokenizer((r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")),
    "gpt-2": PreTokenizer((_GPT2,)),
    "smollm": PreTokenizer((r"\p{N}", _GPT2)),
    "llama-bpe": PreTokenizer(
        (_LLAMA3 % "{1,3}",),
        whole_words_first=True,
        begins_with_bos=True,
        tokenizer_class="PreTrainedTokenizerFast",
    ),
    "smaug-bpe": PreTokenizer((_LLAMA3 % "{1,3}",), tokenizer_class="PreTrainedTokenizerFast"),
    "qwen2": PreTokenizer((_LLAMA3 % "",), normalizer="NFC", tokenizer_class="Qwen2Tokenizer"),
}

_SAME_RULES = {
    "gpt-2": "phi-2 jina-es jina-de jina-v2-es jina-v2-de gigachat a.x-4.0 mellum modern-bert exaone4 mpt olmo jais "
    "trillion granite-docling",
    "smollm": "starcoder refact command-r codeshell exaone minerva-7b mellum2",
    "llama-bpe": "llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
    "smaug-bpe": "dbrx glm4 chatglm-bpe",
    "qwen2": "deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2",
}
SYNONYMS = {other: name for name, others in _SAME_RULES.items() for other in others.split()}
"""Names for which llama.cpp has the very expressions, flags and all, of one above."""


def find_pre_tokenizer(name: str) -> PreTokenizer | None:
    """The rules of that name; None: they are not known here."""
    return PRE_TOKENIZERS.get(SYNONYMS.get(name, name))

"""Turns the tokenizer inside a GGUF file into `tokenizer.json` and its companions.

`tokenizer.json` is the format of https://github.com/huggingface/tokenizers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codex_windows_ai.errors import UnsupportedModelError
from codex_windows_ai.models.contents import shown
from codex_windows_ai.models.families.registry import known_models
from codex_windows_ai.models.tokenizers.byte_level import BYTE_LEVEL, byte_level_scheme, read_pre_tokenizer
from codex_windows_ai.models.tokenizers.scheme import Part, Scheme
from codex_windows_ai.models.tokenizers.sentence_piece import (
    DEFAULT_BOS,
    DEFAULT_EOS,
    merged_scheme,
    scored_scheme,
    with_plain_spaces,
)
from codex_windows_ai.models.tokenizers.special_tokens import SpecialTokens, read_special_tokens, with_ends_of_turns
from codex_windows_ai.models.tokenizers.vocabulary import TokenKind, Vocabulary, read_vocabulary

if TYPE_CHECKING:
    from codex_windows_ai.models.gguf.file import GgufFile

_BYTE_LEVEL, _SCORED, _MERGED = "gpt2", "llama", "gemma4"
_SPECIAL = (TokenKind.CONTROL, TokenKind.UNKNOWN)


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """The contents of a model folder's tokenizer files, and what else the tokenizer says of the model."""

    tokenizer: dict[str, Any]
    configuration: dict[str, Any]
    chat_template: str | None
    special: SpecialTokens


def read_tokenizer(file: GgufFile) -> TokenizerFiles:
    """Reads the tokenizer.

    Raises UnsupportedModelError: another kind of tokenizer or pre-tokenizer. ModelFileError: its lists do not fit.
    """
    kind = _kind(file)
    if kind == _BYTE_LEVEL:
        pre = read_pre_tokenizer(file)
        vocabulary = with_ends_of_turns(read_vocabulary(file))
        special = read_special_tokens(file, vocabulary, has_bos=pre.has_bos)
        scheme = byte_level_scheme(file, vocabulary, pre)
    else:
        vocabulary = with_ends_of_turns(with_plain_spaces(read_vocabulary(file)))
        special = read_special_tokens(file, vocabulary, bos=DEFAULT_BOS, eos=DEFAULT_EOS)
        scheme = (scored_scheme if kind == _SCORED else merged_scheme)(file, vocabulary)
    add_bos = _adds_bos(file, scheme) and special.bos is not None
    texts = vocabulary.texts
    return TokenizerFiles(
        tokenizer={
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": _added_tokens(vocabulary, scheme),
            "normalizer": scheme.normalizer,
            "pre_tokenizer": scheme.pre_tokenizer,
            "post_processor": _post_processor(texts, special.bos if add_bos else None),
            "decoder": scheme.decoder,
            "model": scheme.model,
        },
        configuration={
            "tokenizer_class": scheme.tokenizer_class,
            "add_bos_token": add_bos,
            "add_prefix_space": scheme.prefixes_space,
            "bos_token": None if special.bos is None else texts[special.bos],
            "eos_token": texts[special.end[0]],
            "pad_token": texts[special.padding],
            "clean_up_tokenization_spaces": False,
            "model_max_length": file.integer(f"{file.architecture}.context_length"),
        },
        chat_template=file.text("tokenizer.chat_template", "") or None,
        special=special,
    )


def _kind(file: GgufFile) -> str:
    """`gpt2`, `llama` or `gemma4`; Ollama writes the last as `llama` with its name in the other field."""
    kind = file.text("tokenizer.ggml.model")
    if kind not in (_BYTE_LEVEL, _SCORED, _MERGED):
        raise UnsupportedModelError(
            f"{file.path} has a tokenizer of the kind {shown(kind)}; supported are `{_BYTE_LEVEL}` (byte-level BPE), "
            f"`{_SCORED}` (SentencePiece) and `{_MERGED}`.",
            hint=f"{known_models('and')} have such a tokenizer; T5, BERT and RWKV have not.",
        )
    return _MERGED if file.text("tokenizer.ggml.pre", "default") == _MERGED else kind


def _adds_bos(file: GgufFile, scheme: Scheme) -> bool:
    if scheme.insists_on_bos:
        return True
    return file.flag("tokenizer.ggml.add_bos_token", default=scheme.begins_with_bos)


def _added_tokens(vocabulary: Vocabulary, scheme: Scheme) -> list[Part]:
    """The tokens that are found before text is cut: special ones where they are obeyed, user-defined ones anywhere."""
    return [
        {
            "id": number,
            "content": vocabulary.texts[number],
            "single_word": False,
            "lstrip": False,
            "rstrip": scheme.drops_blanks(vocabulary.texts[number]),
            "normalized": False,
            "special": kind in _SPECIAL,
        }
        for number, kind in enumerate(vocabulary.kinds)
        if kind in (*_SPECIAL, TokenKind.USER_DEFINED) and not vocabulary.pads_only(number)
    ]


def _post_processor(texts: list[str], bos: int | None) -> Part:
    if bos is None:
        return BYTE_LEVEL
    text = texts[bos]
    first = {"SpecialToken": {"id": text, "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [first, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [first, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {text: {"id": text, "ids": [bos], "tokens": [text]}},
    }

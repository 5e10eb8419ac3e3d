"""Turns the byte-level BPE tokenizer inside a GGUF file into `tokenizer.json` and its companions.

`tokenizer.json` is the format of https://github.com/huggingface/tokenizers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.contents import shown
from codex_windows_ai.models.families.registry import known_models
from codex_windows_ai.models.tokenizers.pre_tokenizers import PRE_TOKENIZERS, PreTokenizer, find_pre_tokenizer

if TYPE_CHECKING:
    from codex_windows_ai.models.gguf.file import GgufFile

SUPPORTED_TOKENIZER = "gpt2"
END_OF_TURN_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|eom_id|>")
"""Control tokens that end an answer whatever the metadata says, as llama.cpp has it."""

_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4  # values of tokenizer.ggml.token_type


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids of the tokens with a meaning; an answer ends at any of `end`."""

    bos: int | None
    end: tuple[int, ...]
    padding: int


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
    pre = _pre_tokenizer(file)
    tokens, kinds = file.texts("tokenizer.ggml.tokens"), file.integers("tokenizer.ggml.token_type")
    if kinds and len(kinds) != len(tokens):
        raise ModelFileError(f"{file.path} has {len(tokens)} tokens, but {len(kinds)} token types.")
    vocabulary = {token: number for number, token in enumerate(tokens)}
    if len(vocabulary) != len(tokens):
        raise ModelFileError(f"{file.path} has {len(tokens) - len(vocabulary)} tokens twice in its vocabulary.")
    kinds = _with_ends_of_turns(kinds or [_NORMAL] * len(tokens), vocabulary)
    special = _special_tokens(file, vocabulary)
    add_bos = _add_bos(file, pre) and special.bos is not None
    return TokenizerFiles(
        tokenizer={
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": _added_tokens(tokens, kinds),
            "normalizer": {"type": pre.normalizer} if pre.normalizer else None,
            "pre_tokenizer": _pre_tokenizer_steps(pre),
            "post_processor": _post_processor(tokens, special.bos if add_bos else None),
            "decoder": _byte_level(),
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": pre.whole_words_first,
                "vocab": vocabulary,
                "merges": _merges(file),
            },
        },
        configuration={
            "tokenizer_class": pre.tokenizer_class,
            "add_bos_token": add_bos,
            "add_prefix_space": False,
            "bos_token": None if special.bos is None else tokens[special.bos],
            "eos_token": tokens[special.end[0]],
            "pad_token": tokens[special.padding],
            "clean_up_tokenization_spaces": False,
            "model_max_length": file.integer(f"{file.architecture}.context_length"),
        },
        chat_template=file.text("tokenizer.chat_template", "") or None,
        special=special,
    )


def _pre_tokenizer(file: GgufFile) -> PreTokenizer:
    kind = file.text("tokenizer.ggml.model")
    if kind != SUPPORTED_TOKENIZER:
        raise UnsupportedModelError(
            f"{file.path} has a tokenizer of the kind {shown(kind)}; "
            f"supported is `{SUPPORTED_TOKENIZER}` (byte-level BPE).",
            hint=f"{known_models('and')} have such a tokenizer; Llama 2 and Gemma have not.",
        )
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


def _with_ends_of_turns(kinds: list[int], vocabulary: dict[str, int]) -> list[int]:
    """The kinds of tokens, where files lose them: what ends a turn is a control token, as llama.cpp has it, too."""
    ends = {vocabulary[token] for token in END_OF_TURN_TOKENS if token in vocabulary}
    return [_CONTROL if number in ends else kind for number, kind in enumerate(kinds)]


def _special_tokens(file: GgufFile, vocabulary: dict[str, int]) -> SpecialTokens:
    def identifier(role: str) -> int | None:
        number = file.integer(f"tokenizer.ggml.{role}_token_id", -1)
        if number >= len(vocabulary):
            raise ModelFileError(f"{file.path}: the {role} token {number} is outside the vocabulary.")
        return None if number < 0 else number

    declared = [number for role in ("eos", "eot", "eom") if (number := identifier(role)) is not None]
    known = [vocabulary[token] for token in END_OF_TURN_TOKENS if token in vocabulary]
    end = tuple(dict.fromkeys(declared + known))
    if not end:
        raise ModelFileError(f"{file.path} names no token that ends an answer (`tokenizer.ggml.eos_token_id`).")
    padding = identifier("padding")
    return SpecialTokens(identifier("bos"), end, end[0] if padding is None else padding)


def _add_bos(file: GgufFile, pre: PreTokenizer) -> bool:
    value = file.metadata.get("tokenizer.ggml.add_bos_token", pre.begins_with_bos)
    if not isinstance(value, bool):
        raise ModelFileError(f"{file.path}: `tokenizer.ggml.add_bos_token` must be true or false.")
    return value


def _added_tokens(tokens: list[str], kinds: list[int]) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "content": tokens[number],
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": kind == _CONTROL,
        }
        for number, kind in enumerate(kinds)
        if kind in (_CONTROL, _USER_DEFINED)
    ]


def _merges(file: GgufFile) -> list[list[str]]:
    merges = [merge.split(" ") for merge in file.texts("tokenizer.ggml.merges")]
    for merge in merges:
        if len(merge) != 2:
            raise ModelFileError(f"{file.path}: the merge {shown(' '.join(merge))} is not two tokens.")
    return merges


def _byte_level() -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def _pre_tokenizer_steps(pre: PreTokenizer) -> dict[str, Any]:
    cuts = [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        for pattern in pre.patterns
    ]
    return {"type": "Sequence", "pretokenizers": [*cuts, _byte_level()]}


def _post_processor(tokens: list[str], bos: int | None) -> dict[str, Any]:
    if bos is None:
        return _byte_level()
    text = tokens[bos]
    first = {"SpecialToken": {"id": text, "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [first, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [first, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {text: {"id": text, "ids": [bos], "tokens": [text]}},
    }

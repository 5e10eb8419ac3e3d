"""Tokens with a meaning: what begins a text, what ends an answer, what fills up a batch.

Metadata names some of them. Ends of turns are also known by their texts, as in llama.cpp (src/llama-vocab.cpp):
files name one end, and models write others as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models.tokenizers.vocabulary import TokenKind, Vocabulary

if TYPE_CHECKING:
    from codex_windows_ai.models.gguf.file import GgufFile

END_OF_TURN_TOKENS = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<turn|>",
    "<end_of_utterance>",
    "<｜end▁of▁sentence｜>",  # noqa: RUF001  # DeepSeek writes it so
)
"""Control tokens that end an answer whatever the metadata says: no text holds them by chance."""

_ENDS_IF_CONTROL = ("</s>", "<eos>", "<EOT>", "[EOT]", "[EOS]")
"""Tokens that end an answer only as control tokens: Gemma 3 has `</s>` for HTML, Qwen2 as ordinary text."""

_ENDS_IF_MARKED = (
    "<|tool_response>",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<reponame>",
)
"""Tokens that end an answer where they are no ordinary text: the host goes on from there, or another file begins."""

_OPENS_ANOTHER_TURN = ("<|user|>", "<|observation|>")
"""What GLM writes after its turn; it has both."""

_ENDS_A_MESSAGE = "<|end|>"
_ENDS_A_TURN_OF_MESSAGES = ("<|return|>", "<|call|>")
"""Where these exist, a turn has several messages (OpenAI's Harmony), and `<|end|>` ends one of them."""


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids of the tokens with a meaning; an answer ends at any of `end`."""

    bos: int | None
    end: tuple[int, ...]
    padding: int


def with_ends_of_turns(vocabulary: Vocabulary) -> Vocabulary:
    """The vocabulary, where what ends a turn is a control token: files lose that, and text must not end an answer."""
    return vocabulary.changed(dict.fromkeys(_known_ends(vocabulary), TokenKind.CONTROL))


def read_special_tokens(
    file: GgufFile,
    vocabulary: Vocabulary,
    *,
    bos: int | None = None,
    eos: int | None = None,
    has_bos: bool = True,
) -> SpecialTokens:
    """The tokens with a meaning; `bos` and `eos` are what the kind of tokenizer has where a file names none.

    Without `has_bos`, nothing begins a text, whatever the file names.

    Raises ModelFileError: an id is outside the vocabulary, or nothing ends an answer.
    """

    def identifier(role: str, default: int | None = None) -> int | None:
        number = file.integer(f"tokenizer.ggml.{role}_token_id", -1 if default is None else default)
        if number >= len(vocabulary.texts):
            raise ModelFileError(f"{file.path}: the {role} token {number} is outside the vocabulary.")
        return None if number < 0 else number

    declared = [
        number for number in (identifier("eos", eos), identifier("eot"), identifier("eom")) if number is not None
    ]
    end = tuple(dict.fromkeys(declared + _known_ends(vocabulary)))
    if not end:
        raise ModelFileError(f"{file.path} names no token that ends an answer (`tokenizer.ggml.eos_token_id`).")
    padding = identifier("padding")
    return SpecialTokens(identifier("bos", bos) if has_bos else None, end, end[0] if padding is None else padding)


def _known_ends(vocabulary: Vocabulary) -> list[int]:
    """Numbers of the tokens that end an answer by their texts."""
    ends = [text for text in END_OF_TURN_TOKENS if text in vocabulary.numbers]
    ends += [text for text in _ENDS_IF_CONTROL if vocabulary.kind_of(text) == TokenKind.CONTROL]
    ends += [text for text in _ENDS_IF_MARKED if _is_marked(vocabulary, text)]
    if all(_is_marked(vocabulary, text) for text in _OPENS_ANOTHER_TURN):
        ends += _OPENS_ANOTHER_TURN
    if all(text in vocabulary.numbers for text in _ENDS_A_TURN_OF_MESSAGES) and _ENDS_A_MESSAGE in ends:
        ends.remove(_ENDS_A_MESSAGE)
    return [vocabulary.numbers[text] for text in ends]


def _is_marked(vocabulary: Vocabulary, text: str) -> bool:
    return vocabulary.kind_of(text) in (TokenKind.CONTROL, TokenKind.USER_DEFINED)

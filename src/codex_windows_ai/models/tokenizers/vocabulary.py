"""The tokens of a model file: their texts, kinds and numbers, as GGUF files list them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models.contents import shown

if TYPE_CHECKING:
    from codex_windows_ai.models.gguf.file import GgufFile


class TokenKind(IntEnum):
    """Values of `tokenizer.ggml.token_type`, which are SentencePiece's."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    """One token wherever its text stands, before anything is merged."""
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Texts and kinds of all tokens, in the order of their numbers; each text stands once."""

    texts: list[str]
    kinds: list[int]
    numbers: dict[str, int]

    def kind_of(self, text: str) -> int | None:
        """The kind of the token with that text; None where there is none."""
        number = self.numbers.get(text)
        return None if number is None else self.kinds[number]

    def changed(self, kinds: dict[int, TokenKind]) -> Vocabulary:
        """The same tokens, where the numbered ones are of other kinds."""
        return Vocabulary(self.texts, [kinds.get(number, kind) for number, kind in enumerate(self.kinds)], self.numbers)

    def pads_only(self, number: int) -> bool:
        """Whether a token has a row of the embedding and nothing else: converters write `[PAD7]` as number 7."""
        return self.texts[number] == f"[PAD{number}]"


def read_vocabulary(file: GgufFile) -> Vocabulary:
    """The tokens of a file; without kinds, all are normal. One without text has `[EMPTY_7]`, as in llama.cpp.

    Raises ModelFileError: its lists do not fit, or a text stands twice, so that nothing tells which token it is.
    """
    texts = [text or f"[EMPTY_{number}]" for number, text in enumerate(file.texts("tokenizer.ggml.tokens"))]
    kinds = file.integers("tokenizer.ggml.token_type")
    if kinds and len(kinds) != len(texts):
        raise ModelFileError(f"{file.path} has {len(texts)} tokens, but {len(kinds)} token types.")
    numbers = {text: number for number, text in enumerate(texts)}
    if len(numbers) != len(texts):
        first = next(text for number, text in enumerate(texts) if numbers[text] != number)
        raise ModelFileError(
            f"{file.path} has {len(texts) - len(numbers)} tokens twice in its vocabulary, such as {shown(first)}."
        )
    return Vocabulary(texts, kinds or [TokenKind.NORMAL] * len(texts), numbers)

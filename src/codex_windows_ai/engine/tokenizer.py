"""Text to token ids and back, from a model folder's `tokenizer.json`.

Two properties the doors rely on: text is data, so special-token text inside it is never obeyed;
and bytes come out exactly as the model wrote them, however tokens cut through a character.

Nobody waits for somebody else's text: the library works on it without the interpreter's lock, in pieces, and a prompt
that cannot fit is left as soon as that is certain.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from tokenizers import AddedToken
from tokenizers import Tokenizer as HuggingFaceTokenizer

from codex_windows_ai.engine.spelling import Spelling, byte_level, find_spelling, parts, sentence_piece
from codex_windows_ai.errors import (
    ContextLengthExceededError,
    InvalidRequestError,
    ModelFileError,
    UnsupportedModelError,
)

PIECE = 1 << 16
"""Characters that are encoded, or looked through, in one go; pieces end where `_CUT` allows it next."""

_LONGEST_PIECE = 1 << 18
# Where no pattern that models cut text by has a token that crosses: a space begins a piece of text, and so does the
# end of a line behind a letter or digit. Then text is cut there, whatever stands around it, and pieces of it have the
# tokens that the whole has. A run of `_LONGEST_PIECE` without such a place is cut anyway; it fits into windows of a
# hundred thousand tokens only where it repeats one character.
_CUT = re.compile(r"(?<=\S)(?= )|(?<=[A-Za-z0-9])(?=\n)")
# SentencePiece's tokens go on behind signs (Gemma's `> </`), but not behind words.
_BETWEEN_WORDS = re.compile(r"(?<=\w)(?= \w)")

_BLANKS = re.compile(r"\s*")
_NORMAL_FORMS = {"NFC", "NFD", "NFKC", "NFKD"}
_COMPOSED = 4
"""Characters, or bytes of one, that a normal form makes one byte of at most."""

_MOST_GAPS = 4
"""Ids for each token: some tokenizers leave a few out."""


_ANY = "a"


class Tokenizer:
    """A BPE tokenizer, for a model whose `window` holds that many tokens; None is no limit.

    Its tokens are bytes as GPT-2 spells them, or text and single bytes as SentencePiece does.

    Raises ModelFileError: `tokenizer.json` is missing or does not parse.
    Raises UnsupportedModelError: the tokens are of another kind.
    """

    def __init__(self, file: Path, *, window: int | None = None) -> None:
        self._file = file
        self._window = window
        try:
            description = cast("dict[str, Any]", json.loads(file.read_text(encoding="utf-8")))
            self._tokenizer = HuggingFaceTokenizer.from_file(str(file))
        except FileNotFoundError as error:
            raise ModelFileError(f"The model folder has no {file.name}: {file}") from error
        except Exception as error:  # the library raises bare Exception for a file it cannot read
            raise ModelFileError(f"{file} is not a readable tokenizer: {error}") from error
        self._spelling = _spelling(file, description)
        # Ordinary text must not be able to name a special token; `encode_prompt` places those itself.
        self._tokenizer.encode_special_tokens = True
        added = cast("list[dict[str, Any]]", description.get("added_tokens") or [])
        special = [token for token in added if token.get("special") and token["content"]]  # an empty one is everywhere
        self.special_ids: dict[str, int] = {str(token["content"]): int(token["id"]) for token in special}
        self._drop_blanks = {str(token["content"]) for token in special if token.get("rstrip")}
        self.vocabulary_size = self._tokenizer.get_vocab_size(with_added_tokens=True)
        normalizers = parts(description.get("normalizer"), "normalizers")
        self._prefixes_space = any(part.get("type") == "Prepend" for part in normalizers)
        self._shortens = {str(part.get("type")) for part in normalizers if not _keeps_length(part)}

    @cached_property
    def special_pattern(self) -> re.Pattern[str]:
        """Matches any special token's text, the longest first."""
        names = sorted(self.special_ids, key=len, reverse=True)
        return re.compile("|".join(re.escape(name) for name in names) or r"(?!)")

    def id_of(self, token: str) -> int | None:
        """The id of one entry of the vocabulary, by its text; None where there is none."""
        return self._tokenizer.token_to_id(token)

    def add_token(self, token: str, *, control: bool) -> None:
        """Takes an entry of the vocabulary as one token whatever merges say: a control token, or one found in any text.

        Not while others encode.
        """
        number = self.id_of(token)
        if number is None:
            raise ValueError(f"{token!r} is not in the vocabulary.")
        self._tokenizer.add_tokens(  # pyright: ignore[reportUnknownMemberType]
            [AddedToken(token, special=control, normalized=False)]
        )
        if control:
            self.special_ids[token] = number
        for derived in ("special_pattern", "token_bytes"):  # what was computed without it
            self.__dict__.pop(derived, None)

    @cached_property
    def leading_ids(self) -> tuple[int, ...]:
        """What the tokenizer's own post-processor puts before a text: none, or the token that begins a sequence."""
        text, framed = self.encode_text(_ANY), self._tokenizer.encode(_ANY).ids
        starts = range(len(framed) - len(text) + 1)
        return tuple(framed[: next((n for n in starts if framed[n : n + len(text)] == text), 0)])

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes each token id stands for; special tokens stand for their own text."""
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        size = max(vocabulary.values(), default=0) + 1
        if size > _MOST_GAPS * len(vocabulary):
            raise ModelFileError(f"{self._file} has {len(vocabulary)} tokens, and one of them has the id {size - 1}.")
        table = [b""] * size
        for token, token_id in vocabulary.items():
            table[token_id] = token.encode() if token in self.special_ids else self._spelling(token)
        return table

    def bytes_of(self, token_id: int) -> bytes:
        """The bytes of one token; none for the ids that only pad a model's output."""
        return self.token_bytes[token_id] if token_id < len(self.token_bytes) else b""

    def encode_text(self, text: str) -> list[int]:
        """Token ids of ordinary text: special-token text in it becomes ordinary tokens.

        Raises InvalidRequestError: it holds half a surrogate pair, which is no character.
        """
        return [token for piece in self._encoded(text) for token in piece]

    def _encoded(self, text: str) -> Iterator[list[int]]:
        """Token ids of ordinary text, some at a time."""
        try:
            for piece in self._pieces(text):
                # Of the library's ways to encode, those for batches alone let go of the interpreter's lock.
                yield self._tokenizer.encode_batch_fast([piece], add_special_tokens=False)[0].ids
        except TypeError as error:  # what the library says of a string that UTF-8 cannot write
            raise InvalidRequestError(
                "The text is not valid Unicode: it holds a lone surrogate.",
                hint="A JSON escape such as \\ud83d must be followed by its other half.",
            ) from error

    def _pieces(self, text: str) -> Iterator[str]:
        if self._spelling is byte_level:
            return _cut(text)
        return _cut_between_words(text, skipped=int(self._prefixes_space))

    def encode_prompt(self, prompt: str, protected: Sequence[str] = ()) -> list[int]:
        """Token ids of a rendered prompt, in which special tokens are obeyed.

        `protected[n]` is put back as ordinary text wherever `protect` left its mark n.

        Raises ContextLengthExceededError: it leaves no room in the window; found out before the rest is encoded.
        """
        self.check_length(prompt)
        ids: list[int] = []
        position = 0
        for match in _matches(self.special_pattern, prompt):
            self._append_text(ids, _unprotect(prompt[position : match.start()], protected))
            ids.append(self.special_ids[match.group()])
            position = match.end()
            if match.group() in self._drop_blanks:
                position = cast("re.Match[str]", _BLANKS.match(prompt, position)).end()
        self._append_text(ids, _unprotect(prompt[position:], protected))
        return ids

    def _append_text(self, ids: list[int], text: str) -> None:
        for piece in self._encoded(text):
            ids += piece
            if self._window is not None and len(ids) >= self._window:
                raise self._too_long(len(ids))

    def check_length(self, *texts: str) -> None:
        """Refuses what is too long for certain, by its length alone.

        Raises ContextLengthExceededError: were all tokens the longest one, the texts would fill the window.
        """
        if self._window is not None and (tokens := sum(map(self.fewest_tokens, texts))) >= self._window:
            raise self._too_long(tokens)

    def fewest_tokens(self, text: str) -> int:
        """How many tokens a text has at least, by its length alone."""
        if not self._shortens or (self._shortens <= _NORMAL_FORMS and text.isascii()):
            return len(text) // self._longest_token
        return len(text) // (_COMPOSED * self._longest_token) if self._shortens <= _NORMAL_FORMS else 0

    @cached_property
    def _longest_token(self) -> int:
        """Bytes of the longest one."""
        return max(map(len, self.token_bytes))

    def _too_long(self, tokens: int) -> ContextLengthExceededError:
        return ContextLengthExceededError(prompt_tokens=tokens, context_length=self._window or 0, counted=False)

    def protect(self, text: str, protected: list[str]) -> str:
        """Replaces special-token text by a mark that no template obeys, and keeps it in `protected`."""
        kept: list[str] = []
        position = 0
        for match in _matches(self._protected_pattern, text):
            kept += (text[position : match.start()], f"{_MARK_BEGIN}{len(protected)}{_MARK_END}")
            protected.append(match.group())
            position = match.end()
        return "".join([*kept, text[position:]]) if kept else text

    @cached_property
    def _protected_pattern(self) -> re.Pattern[str]:
        return re.compile(f"{_MARK.pattern}|{self.special_pattern.pattern}")


def _spelling(file: Path, description: dict[str, Any]) -> Spelling:
    """How the tokenizer writes bytes. Raises UnsupportedModelError: in a way, or with a step, not known here."""
    spelling = find_spelling(description.get("decoder"))
    before = {str(part.get("type")) for part in parts(description.get("pre_tokenizer"), "pretokenizers")}
    if spelling is None or (spelling is sentence_piece and not before <= {"Split"}):
        kinds = sorted(str(part.get("type")) for part in parts(description.get("decoder"), "decoders"))
        raise UnsupportedModelError(
            f"{file} has a tokenizer with the decoder {', '.join(kinds) or 'none'} and the pre-tokenizer "
            f"{', '.join(sorted(before)) or 'none'}; supported are byte-level BPE, and BPE that falls back to bytes.",
            hint="Use a model with such a tokenizer, such as Llama 3, Qwen2.5, SmolLM2 or Gemma 3.",
        )
    return spelling


def _keeps_length(normalizer: dict[str, Any]) -> bool:
    """Whether a text has at least as many characters behind this step as before."""
    if normalizer.get("type") == "Replace":
        replaced = cast("dict[str, str]", normalizer.get("pattern") or {}).get("String")
        return replaced is not None and len(replaced) <= len(str(normalizer.get("content")))
    return normalizer.get("type") == "Prepend"


# Noncharacters: never assigned, so text that really holds them is rarer than rare, and still protected.
_MARK_BEGIN, _MARK_END = "\ufdd0", "\ufdd1"
_MARK = re.compile(f"{_MARK_BEGIN}[0-9]{{1,18}}{_MARK_END}")
_LONGEST_MARK = 1 << 10  # or special token


def _unprotect(text: str, protected: Sequence[str]) -> str:
    def put_back(match: re.Match[str]) -> str:
        number = int(match.group()[1:-1])
        # A template can put together what looks like a mark but never was one.
        return protected[number] if number < len(protected) else match.group()

    return _MARK.sub(put_back, text) if protected else text


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """As `finditer`, which holds the interpreter's lock until it finds something."""
    position = 0
    while position < len(text):
        end = position + PIECE
        match = pattern.search(text, position, end + _LONGEST_MARK)
        if match is None or match.start() >= end:
            position = end
        else:
            yield match
            position = match.end()


def _cut(text: str) -> Iterator[str]:
    """The text in pieces that have the tokens of the whole; see `_CUT`."""
    position = 0
    while position < len(text):
        cut = _CUT.search(text, position + PIECE, position + _LONGEST_PIECE) if len(text) > position + PIECE else None
        end = cut.start() if cut else position + _LONGEST_PIECE
        yield text[position:end]
        position = end


def _cut_between_words(text: str, *, skipped: int) -> Iterator[str]:
    """The same for SentencePiece, which may write the space that begins a piece by itself: then it is `skipped`."""
    position = 0
    while position < len(text):
        cut = _BETWEEN_WORDS.search(text, position + PIECE)
        end = cut.start() if cut else len(text)
        yield text[position:end]
        position = end + skipped if cut else end


class Detokenizer:
    """Turns one sequence's tokens into text as they come, never splitting a character."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> str:
        """The characters completed by this token; bytes of an unfinished one are kept back."""
        return self.push_bytes(self._tokenizer.bytes_of(token_id))

    def push_bytes(self, data: bytes) -> str:
        """The characters completed by these bytes of a token."""
        return self._decoder.decode(data)

    def finish(self) -> str:
        """What was kept back: U+FFFD where the model stopped inside a character."""
        return self._decoder.decode(b"", final=True)

"""What bytes a token's text in `tokenizer.json` stands for: GPT-2 and SentencePiece each have a way to write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

Spelling = Callable[[str], bytes]
"""The bytes of a token by its text."""

Component = dict[str, Any] | None
"""A part of `tokenizer.json`."""

_SPACE = "▁"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def _byte_level_alphabet() -> dict[str, int]:
    """The 256 printable characters that byte-level BPE writes bytes as (GPT-2, arXiv section 2.2).

    Printable Latin-1 stands for itself; the other bytes follow from U+0100 in order.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


_ALPHABET = _byte_level_alphabet()


def byte_level(token: str) -> bytes:
    """One character a byte; a token with other characters is text as it stands."""
    if any(character not in _ALPHABET for character in token):
        return token.encode()
    return bytes(_ALPHABET[character] for character in token)


def sentence_piece(token: str) -> bytes:
    """Text with U+2581 for spaces, or one byte in the form `<0x0A>`."""
    byte = _BYTE.fullmatch(token)
    return bytes([int(byte[1], 16)]) if byte else token.replace(_SPACE, " ").encode()


def find_spelling(decoder: Component) -> Spelling | None:
    """How the tokens are written that this decoder reads; None: in no known way."""
    kinds = {str(part.get("type")) for part in parts(decoder, "decoders")}
    if kinds == {"ByteLevel"}:
        return byte_level
    return sentence_piece if "ByteFallback" in kinds and kinds <= {"Replace", "ByteFallback", "Fuse", "Strip"} else None


def parts(component: Component, key: str) -> list[dict[str, Any]]:
    """What a component consists of: the parts of a sequence, or itself alone."""
    if not component:
        return []
    return cast("list[dict[str, Any]]", component[key]) if component.get("type") == "Sequence" else [component]

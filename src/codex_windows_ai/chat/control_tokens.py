"""The tokens by which a chat template says who speaks, found in the vocabulary whatever the file says of them.

Files lose the types of their tokens, or some. Then the template's `<|im_end|>` would become ordinary pieces of text,
which the model never saw at the end of a turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from codex_windows_ai.engine.tokenizer import Tokenizer

_CANDIDATE = re.compile(r"<[^<>\s\0]{1,60}>|\[/?[A-Z][A-Z_]{1,40}\]")
_MARKER = re.compile(r"<[|｜].*>|<.*[|｜]>|\[/?[A-Z_]+\]|<(?:start|end)_of_turn>|</?s>", re.DOTALL)  # noqa: RUF001
"""What nobody writes in prose: it can only be meant as a token."""

_TEXT_TOKENS = frozenset(f"<{end}{name}>" for name in ("think", "tool_call", "tool_response") for end in ("", "/"))
"""Tokens that models write and read within their text; the vocabularies that have them say so."""


@dataclass(frozen=True, slots=True)
class WrittenTokens:
    """What a template writes and the tokenizer's file does not call a control token."""

    taken: tuple[str, ...]
    """One entry of the vocabulary each; taken as control tokens."""
    missing: tuple[str, ...]
    """No entry: the model reads them as text."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """The same in words."""
        taken = f"The chat template writes {_listed(self.taken)}, which the tokenizer's file does not mark as control "
        missing = f"The chat template writes {_listed(self.missing)}, for which the tokenizer has no token: the model "
        return (
            *((taken + "tokens; they are taken as such.",) if self.taken else ()),
            *((missing + "reads it as text. The template may be another model's.",) if self.missing else ()),
        )


def take_control_tokens(texts: Iterable[str], named: Iterable[str], tokenizer: Tokenizer) -> WrittenTokens:
    """Has the tokenizer take the tokens that a template writes in `texts`; `named` are those of the configuration."""
    whole = "\0".join(texts)
    special = [name for name in named if name in whole]
    taken: list[str] = []
    missing: list[str] = []
    for name in dict.fromkeys([*_CANDIDATE.findall(whole), *special]):
        if name in tokenizer.special_ids:
            continue
        marker = bool(_MARKER.fullmatch(name)) or name in special
        number = tokenizer.id_of(name)
        if number is None:
            if marker:
                missing.append(name)
        elif marker or tokenizer.encode_text(name) != [number]:
            # What text cannot be merged into was added to the vocabulary as a token.
            tokenizer.add_token(name, control=name not in _TEXT_TOKENS)
            taken.append(name)
    return WrittenTokens(tuple(taken), tuple(missing))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)

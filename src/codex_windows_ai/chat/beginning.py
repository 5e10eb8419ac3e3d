"""The token that begins a sequence (BOS), and who puts it before a prompt."""

from __future__ import annotations

from dataclasses import dataclass

from codex_windows_ai.engine.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Beginning:
    """The token, None where the model has none; whether it is put before a prompt that does not begin with it."""

    token: int | None = None
    added: bool = False

    def begun(self, tokens: list[int]) -> list[int]:
        """The prompt with one such token, whoever is to write it; an empty one stays so."""
        bos, ids = self.token, list(tokens)
        if not ids or bos is None:
            return ids
        while ids[:2] == [bos, bos]:
            del ids[0]
        return [bos, *ids] if self.added and ids[0] != bos else ids


def learn_beginning(tokenizer: Tokenizer, name: str | None, *, adds: bool | None) -> Beginning:
    """The token of this `name`, or else the one that the tokenizer's post-processor puts first.

    The configuration says whether it `adds` the token, or else the post-processor. (`add_eos_token` is about texts that
    end: a prompt goes on.)
    """
    leading = tokenizer.leading_ids
    named = None if name is None else tokenizer.id_of(name)
    bos = named if named is not None else leading[0] if leading else None
    return Beginning(bos, bos is not None and (bool(leading) if adds is None else adds))

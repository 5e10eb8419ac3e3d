"""Whether an answer says the same over and over: a greedy model that began to will never stop by itself."""

from __future__ import annotations

from collections.abc import Sequence

SPAN = 512
"""So many tokens at the end are looked at: a table of like lines may be meant, and what is meant comes to an end."""

_EVERY = 32
"""Tokens after which it is looked again. The place does not depend on how tokens come: an answer ends as it did."""


def repeated(tokens: Sequence[int], said: int) -> int | None:
    """How many tokens the end of a sequence repeats, at least four times; None where it does not, or was not looked.

    The last `said` of the `tokens` are the answer's.
    """
    if said < SPAN or said % _EVERY:
        return None
    period = smallest_period(tokens[-SPAN:])
    return period if 4 * period <= SPAN else None


def smallest_period(tokens: Sequence[int]) -> int:
    """The least distance at which all tokens are the same ones again (Knuth, Morris and Pratt, 1977)."""
    borders = [0]
    """Of each beginning, the length of the longest shorter one that is its end as well."""
    for token in tokens[1:]:
        border = borders[-1]
        while border and tokens[border] != token:
            border = borders[border - 1]
        borders.append(border + (tokens[border] == token))
    return len(tokens) - borders[-1]

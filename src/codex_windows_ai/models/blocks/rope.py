"""Rotary position embedding (arXiv 2104.09864): the tables that attention turns queries and keys by."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codex_windows_ai.models.spec import DecoderSpec, RopeSpec


class RotaryTables(NamedTuple):
    """Names of the initializers with the cosines and the sines."""

    cosines: str = "cosines"
    sines: str = "sines"


def rotary_tables(spec: DecoderSpec) -> dict[RopeSpec, RotaryTables]:
    """The tables of each rotary embedding of a decoder; layers with the same embedding share them."""
    return {
        rope: RotaryTables(f"cosines.{number}", f"sines.{number}") if number else RotaryTables()
        for number, rope in enumerate(spec.ropes)
    }


def rotary_values(rope: RopeSpec, positions: range) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosines and sines, each [positions, size / 2]."""
    half = rope.size // 2
    frequencies = rope.base ** (-np.arange(half, dtype=np.float64) / half)
    if rope.divisors:
        frequencies /= np.array(rope.divisors)
    angles = np.outer(np.arange(positions.start, positions.stop, dtype=np.float64), frequencies)
    cosines, sines = rope.magnitude * np.cos(angles), rope.magnitude * np.sin(angles)
    return cosines.astype(np.float32), sines.astype(np.float32)

"""Rotary position embedding (arXiv 2104.09864): the tables that attention turns queries and keys by."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from onnx import TensorProto

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codex_windows_ai.models.blocks.graph_builder import GraphBuilder
    from codex_windows_ai.models.spec import DecoderSpec, RopeSpec


class RotaryTables(NamedTuple):
    """Names of the cosines and of the sines."""

    cosines: str = "cosines"
    sines: str = "sines"


def rotary_tables(spec: DecoderSpec) -> dict[RopeSpec, RotaryTables]:
    """The tables of each rotary embedding of a decoder; layers with the same embedding share them."""
    return {
        rope: RotaryTables(f"cosines.{number}", f"sines.{number}") if number else RotaryTables()
        for number, rope in enumerate(spec.ropes)
    }


POSITIONS = "positions_of_tables"
"""The initializer that says for how many positions there are tables."""


def build_tables(build: GraphBuilder, rope: RopeSpec, tables: RotaryTables, positions: int) -> None:
    """Cosines and sines of all positions, each [positions, size / 2] float32.

    ONNX Runtime computes them when it loads the graph, in double precision. Beside the weights of a small model they
    would be a large part of its folder.
    """
    zero, one = (build.array(name, np.array(number)) for name, number in (("zero_f64", 0.0), ("one_f64", 1.0)))
    count = build.array(POSITIONS, np.array(float(positions)))
    steps = build.once("Range", [zero, count, one], "table_positions")
    column = build.once("Unsqueeze", [steps, build.constant("axis_1", [1])], "table_rows")
    frequencies = build.array(f"{tables.cosines}.frequencies", _frequencies(rope)[None])
    angles = build.node("Mul", [column, frequencies], f"{tables.cosines}.angles")
    magnitude = build.array(f"{tables.cosines}.magnitude", np.array(rope.magnitude))
    for function, name in zip(("Cos", "Sin"), tables, strict=True):
        values = build.node(function, [angles], f"{name}.f64")
        values = build.node("Mul", [values, magnitude], f"{name}.scaled")
        build.node("Cast", [values], name, to=TensorProto.FLOAT)


def rotary_values(rope: RopeSpec, positions: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the graph computes, for the first positions."""
    angles = np.outer(np.arange(positions, dtype=np.float64), _frequencies(rope))
    cosines, sines = rope.magnitude * np.cos(angles), rope.magnitude * np.sin(angles)
    return cosines.astype(np.float32), sines.astype(np.float32)


def _frequencies(rope: RopeSpec) -> NDArray[np.float64]:
    half = rope.size // 2
    frequencies = np.float64(rope.base) ** (-np.arange(half, dtype=np.float64) / half)
    return frequencies / np.array(rope.divisors or 1.0)

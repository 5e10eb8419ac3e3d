"""Spreads what single large activations hold over their neighbours, before rows of them are rounded with one scale.

A Hadamard matrix turns each block of 32 columns; the weights' columns are turned alike, so that products stay what they
are, and the largest of a block's values is at most what all of them hold together, over the root of 32. QuaRot (arXiv
2404.00456) does so with what a gated MLP hands to its last product, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codex_windows_ai.models.blocks.graph_builder import GraphBuilder

    Array = NDArray[np.float32]

BLOCK = 32
"""Columns that are turned together. Widths are multiples of it; larger blocks are hardly better, and slower."""


def hadamard() -> Array:
    """Sylvester's, [BLOCK, BLOCK], of 1 and -1; its square is BLOCK times the identity."""
    matrix = np.ones((1, 1), np.float32)
    while len(matrix) < BLOCK:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def spread_weights(values: Array) -> Array:
    """The matrix [rows, columns] whose product with spread activations is that of `values` with plain ones."""
    turned = values.reshape(-1, BLOCK) @ (hadamard() / np.float32(BLOCK))
    return np.asarray(turned, np.float32).reshape(values.shape)


def spread(build: GraphBuilder, source: str) -> str:
    """Activations [batch, sequence, columns], spread; all matrices that read one source share it."""
    turn = build.array("hadamard", hadamard())
    apart = build.once_reshaped(source, [0, 0, -1, BLOCK], f"{source}.apart")
    turned = build.once("MatMul", [apart, turn], f"{source}.turned")
    return build.once_reshaped(turned, [0, 0, -1], f"{source}.spread")

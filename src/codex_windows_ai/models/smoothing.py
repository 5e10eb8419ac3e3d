"""Evens out activations before they are rounded to int8: SmoothQuant (arXiv 2211.10438).

The kernels round each 32 activations with one scale, so that one large channel coarsens its 31
neighbours. Dividing a norm's channels by factors and multiplying the columns of the matrices that
read it by the same factors changes nothing in exact arithmetic, and evens the channels out. Where the
output projection is the embedding, too, the graph divides embedded tokens by its factors again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from codex_windows_ai.models.reference import final_states

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codex_windows_ai.models.architecture import Architecture
    from codex_windows_ai.models.gguf_file import GgufFile

STRENGTH = 0.5
"""The part of the difference between channels that is moved to the weights; the paper's alpha."""

SAMPLE = """\
The scheduler keeps one queue for each agent and serves them in turn. When a request arrives, its prompt is
compared with the prefixes in the cache; what is already there need not be computed again.

def longest_common_prefix(first: list[int], second: list[int]) -> int:
    \"\"\"Number of leading tokens that both lists share.\"\"\"
    for index, (left, right) in enumerate(zip(first, second)):
        if left != right:
            return index
    return min(len(first), len(second))

Question: why does it rain more often on the western side of a mountain range?
Answer: moist air from the sea rises along the slope, cools down, and loses its water before it reaches the other side.
"""
"""Code and prose that the channels are measured with; which text hardly matters."""

_FLOOR = 1e-4  # of the largest channel: dead channels stay finite


def smoothing_factors(file: GgufFile, architecture: Architecture, tokens: list[int]) -> dict[str, NDArray[np.float32]]:
    """For each norm that feeds quantised matrices, by its name in the file, float32 [hidden_size] around 1."""
    factors: dict[str, NDArray[np.float32]] = {}

    def observe(name: str, values: NDArray[np.float32]) -> None:
        sizes = np.sqrt(np.mean(np.square(values, dtype=np.float64), axis=(0, 1)))
        sizes = np.maximum(sizes, max(sizes.max() * _FLOOR, np.finfo(np.float32).tiny))
        logarithms = STRENGTH * np.log(sizes)
        factors[name] = np.exp(logarithms - logarithms.mean()).astype(np.float32)

    final_states(file, architecture, np.array([tokens], np.int64), observe)
    return factors

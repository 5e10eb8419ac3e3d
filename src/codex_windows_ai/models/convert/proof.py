"""Two graphs, or two devices, are believed to compute the same when they read the same text alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MOST_DIVERGENCE = 0.02
"""Mean KL in nats a token. With the default model the two graphs, and right kernels of two devices, differ by 0.003;
wrong kernels differ by 0.05, and 4-bit weights would by 0.3."""

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
"""Code and prose to calibrate and to prove with; which text hardly matters."""


def sample_tokens(encode: Callable[[str], list[int]], count: int) -> NDArray[np.int64]:
    """`SAMPLE` in so many tokens, [1, count]; where it has fewer, it is repeated."""
    return np.resize(np.array([encode(SAMPLE)], np.int64), (1, count))


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Natural-log probabilities of `logits` [..., vocabulary]."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def divergence(expected: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Mean KL in nats of the distributions that two arrays of logits [..., vocabulary] stand for; nan of no numbers."""
    one, other = log_softmax(expected), log_softmax(found)
    return float(np.sum(np.exp(one) * (one - other), axis=-1).mean())

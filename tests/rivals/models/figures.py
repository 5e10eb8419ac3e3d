"""How far two models' answers are apart: what is asserted of it, and the table that is printed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Figures:
    """One side against the truth, position by position."""

    divergences: Values
    """Of Kullback and Leibler, in nats, from the truth to the side: [texts * positions]."""
    agreements: npt.NDArray[np.bool_]
    """Whether the likeliest token is the truth's."""

    @property
    def divergence(self) -> float:
        """The mean."""
        return float(self.divergences.mean())

    @property
    def agreement(self) -> float:
        """The mean, as a percentage."""
        return 100 * float(self.agreements.mean())

    def __str__(self) -> str:
        return f"{self.divergence:.5f} {self.agreement:5.1f}"


def compare(truth: npt.NDArray[np.float32], side: npt.NDArray[np.float32]) -> Figures:
    """Logits of [texts, positions, vocabulary] each."""
    expected, found = _log_probabilities(truth), _log_probabilities(side)
    divergences = (np.exp(expected) * (expected - found)).sum(-1)
    return Figures(divergences.ravel(), (expected.argmax(-1) == found.argmax(-1)).ravel())


def _log_probabilities(logits: npt.NDArray[np.float32]) -> Values:
    values = logits.astype(np.float64)
    values -= values.max(-1, keepdims=True)
    return values - np.log(np.exp(values).sum(-1, keepdims=True))


def excess(ours: npt.NDArray[np.generic], rival: npt.NDArray[np.generic]) -> tuple[float, float]:
    """By how much the mean of one exceeds that of the other, position by position; and its standard error."""
    difference = ours.astype(np.float64) - rival.astype(np.float64)
    return float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference)))

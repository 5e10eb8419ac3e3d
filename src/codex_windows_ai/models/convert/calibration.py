"""Evens out activations before they are rounded to int8: SmoothQuant (arXiv 2211.10438).

The kernels round each 32 activations with one scale, so that one large channel coarsens its 31
neighbours. Dividing a norm's channels by factors and multiplying the columns of the matrices that
read it by the same factors changes nothing in exact arithmetic, and evens the channels out. Where the
head is the embedding, too, the graph divides embedded tokens by its factors again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models.convert.float_pass import norm_outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codex_windows_ai.models.blocks.weights import Vector
    from codex_windows_ai.models.convert.source import SourceWeights

STRENGTH = 0.5
"""The part of the difference between channels that is moved to the weights; the paper's alpha."""

_FLOOR = 1e-4  # of the largest channel: dead channels stay finite

_STEPS_AN_OCTAVE = 32
"""Factors are as coarse as that, so that the last bits of a processor's kernels do not show in the converted model."""


class Calibration(NamedTuple):
    """What float32 makes of a sample."""

    factors: dict[Vector, NDArray[np.float32]]
    """For each norm, by its weight, smoothing factors [hidden_size] around 1."""
    final: NDArray[np.float32]
    """What the last norm hands to the head, [tokens, hidden_size]."""


def calibrate(source: SourceWeights, tokens: list[int]) -> Calibration:
    """Looks at every norm of the decoder over these tokens.

    Raises ModelFileError: the weights make something of the sample that is no number; and as `norm_outputs`.
    """
    factors: dict[Vector, NDArray[np.float32]] = {}
    values = np.empty((0, 0), np.float32)
    for norm, values in norm_outputs(source, tokens):
        if not np.isfinite(values).all():
            raise ModelFileError(
                f"{source.file.path}: what the weights compute is no number from `{norm.weight.name}` on.",
                hint="Fetch the file again.",
            )
        factors[norm.weight] = _factors(values)
    return Calibration(factors, values.reshape(len(tokens), -1))


def _factors(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """From activations [batch, sequence, hidden_size]."""
    sizes = np.sqrt(np.mean(np.square(values, dtype=np.float64), axis=(0, 1)))
    sizes = np.maximum(sizes, max(sizes.max() * _FLOOR, np.finfo(np.float32).tiny))
    logarithms = STRENGTH * np.log2(sizes)
    steps = np.rint((logarithms - logarithms.mean()) * _STEPS_AN_OCTAVE)
    return np.exp2(steps / _STEPS_AN_OCTAVE).astype(np.float32)

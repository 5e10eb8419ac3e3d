"""From logits to the next token: penalties, grammar mask, temperature, filters, one draw.

A sequence draws one uniform number a token from its own generator, so that what it says depends
on its logits and its seed alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.request import SamplingParameters

Logits = npt.NDArray[np.float32]
TokenIds = npt.NDArray[np.int64]

# How many of the likeliest tokens are looked at before all are; enough for usual top-p values.
_SHORT_LIST = 256

# Below this temperature dividing by it overflows, and no token but the likeliest has a chance.
_GREEDY_TEMPERATURE = 1e-5


def check_sampling(sampling: SamplingParameters) -> None:
    """Refuses values outside their range.

    Raises InvalidRequestError: names the parameter, the value and the range.
    """
    ranges = {
        "temperature": (0.0, 5.0),
        "top_p": (1e-6, 1.0),
        "top_k": (0, 2**31),
        "min_p": (0.0, 1.0),
        "repetition_penalty": (0.01, 10.0),
        "presence_penalty": (-2.0, 2.0),
        "frequency_penalty": (-2.0, 2.0),
    }
    for name, (low, high) in ranges.items():
        value = getattr(sampling, name)
        if not low <= value <= high:  # NaN fails every comparison and is refused too
            raise InvalidRequestError(f"`{name}` must be between {low:g} and {high:g}; given: {value}.", param=name)
    if sampling.seed is not None and not 0 <= sampling.seed < 2**64:
        raise InvalidRequestError(f"`seed` must be between 0 and 2^64 - 1; given: {sampling.seed}.", param="seed")


class Sampler:
    """Chooses the tokens of one sequence."""

    def __init__(self, sampling: SamplingParameters, vocabulary_size: int, prompt: TokenIds) -> None:
        self._sampling = sampling
        self._random = np.random.Generator(np.random.PCG64(sampling.seed))
        self._penalised = (
            sampling.repetition_penalty != 1.0 or sampling.presence_penalty != 0 or sampling.frequency_penalty != 0
        )
        if self._penalised:
            self._seen = np.zeros(vocabulary_size, dtype=bool)
            self._seen[prompt] = True
            self._counts = np.zeros(vocabulary_size, dtype=np.int32)

    def sample(self, logits: Logits, allowed: npt.NDArray[np.bool_] | None = None) -> int:
        """The next token from `logits` [vocabulary]; `allowed` [vocabulary] is a grammar's mask."""
        scores = self._penalise(logits) if self._penalised else logits
        if allowed is not None:
            scores = np.where(allowed, scores, np.float32(-np.inf))
        token = self._greedy(scores) if self._sampling.temperature < _GREEDY_TEMPERATURE else self._draw(scores)
        self._note(token)
        return token

    def skip_draw(self, token: int) -> None:
        """A token that had to come: what is chosen next is as if it had been chosen."""
        self._random.random()
        self._note(token)

    def _note(self, token: int) -> None:
        if self._penalised:
            self._seen[token] = True
            self._counts[token] += 1

    @staticmethod
    def _greedy(scores: Logits) -> int:
        return int(scores.argmax())

    def _penalise(self, logits: Logits) -> Logits:
        sampling = self._sampling
        scores = logits.copy()
        if sampling.repetition_penalty != 1.0:
            seen = scores[self._seen]
            scores[self._seen] = np.where(
                seen > 0, seen / sampling.repetition_penalty, seen * sampling.repetition_penalty
            )
        if sampling.presence_penalty or sampling.frequency_penalty:
            scores -= sampling.presence_penalty * (self._counts > 0) + sampling.frequency_penalty * self._counts
        return scores

    def _draw(self, scores: Logits) -> int:
        sampling = self._sampling
        uniform = self._random.random()
        weights = np.exp((scores - scores.max()) / np.float32(sampling.temperature), dtype=np.float32)
        if sampling.top_k == 0 and sampling.top_p == 1.0 and sampling.min_p == 0.0:
            return _inverse_cdf(weights, uniform)
        candidates = self._likeliest(weights)
        return int(candidates[_inverse_cdf(weights[candidates], uniform)])

    def _likeliest(self, weights: Logits) -> TokenIds:
        """Ids of the tokens that the filters keep, likeliest first; at least one."""
        possible = np.flatnonzero(weights)  # few under a grammar: the rest need not be sorted
        weights = weights[possible]
        total = float(weights.sum(dtype=np.float64))
        order = likeliest(weights, min(_SHORT_LIST, weights.size))
        keep = self._kept(weights[order], total)
        if keep == order.size < weights.size:  # the filters may keep more than the short list holds
            order = likeliest(weights, weights.size)
            keep = self._kept(weights[order], total)
        return possible[order[: max(keep, 1)]]

    def _kept(self, weights: Logits, total: float) -> int:
        """How many of the likeliest tokens' `weights` (descending) the filters keep."""
        sampling = self._sampling
        keep = min(sampling.top_k or weights.size, weights.size)
        if sampling.min_p > 0:
            keep = min(keep, int(np.searchsorted(-weights, -sampling.min_p * float(weights[0]), side="right")))
        if sampling.top_p < 1.0:
            cumulative = np.cumsum(weights, dtype=np.float64)
            keep = min(keep, int(np.searchsorted(cumulative, sampling.top_p * total)) + 1)
        return keep


def likeliest(weights: Logits, count: int) -> TokenIds:
    """Ids of the `count` (at least one) largest weights, descending; ties by id, whatever the partition did."""
    ids: TokenIds = np.arange(weights.size, dtype=np.int64)
    if count < weights.size:
        threshold = np.partition(weights, weights.size - count)[weights.size - count]
        ids = np.flatnonzero(weights >= threshold)
    return ids[np.lexsort((ids, -weights[ids]))][:count]


def _inverse_cdf(weights: Logits, uniform: float) -> int:
    """Index drawn in proportion to `weights` by one uniform number in [0, 1)."""
    cumulative = np.cumsum(weights, dtype=np.float64)
    index = int(np.searchsorted(cumulative, uniform * float(cumulative[-1]), side="right"))
    return min(index, weights.size - 1)


def log_softmax(logits: Logits) -> Logits:
    """Natural-log probabilities of `logits` [..., vocabulary]."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))

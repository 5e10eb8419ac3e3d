"""Whether greedy answers are those of the weights: every token beside what float32 makes of the same GGUF file."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.models.blocks.decoder import Decoder
from codex_windows_ai.models.convert.float_pass import logits
from codex_windows_ai.models.convert.proof import log_softmax
from codex_windows_ai.models.convert.source import SourceWeights
from codex_windows_ai.models.families.registry import family_of, read_spec
from codex_windows_ai.models.gguf.file import GgufFile

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Judgement:
    """An answer's tokens by the reference: how many are its own choice there, and how likely each is."""

    likeliest: tuple[bool, ...]
    logprobs: tuple[float, ...]


class FloatReference:
    """The weights of a GGUF file in float32; a pass reads them all, one layer after another."""

    def __init__(self, source: SourceWeights) -> None:
        self._source = source

    def judge(self, prompt: Sequence[int], answer: Sequence[int]) -> Judgement:
        """The tokens of an answer, each behind the prompt and the answer's own tokens before it."""
        found = logits(self._source, [*prompt, *answer])[0, len(prompt) - 1 : -1]
        table: NDArray[np.float32] = log_softmax(found)
        chosen = table[np.arange(len(answer)), list(answer)]
        return Judgement(tuple((chosen >= table.max(axis=-1)).tolist()), tuple(chosen.tolist()))


@contextmanager
def float_reference(file: Path, vocabulary_size: int) -> Generator[FloatReference]:
    """The reference for a model with so many tokens.

    Raises InvalidRequestError: the file is of another model. ModelError: it cannot be read.
    """
    with GgufFile(file) as opened:
        decoder = Decoder(read_spec(opened))
        if decoder.spec.vocabulary_size != vocabulary_size:
            raise InvalidRequestError(
                f"{file} has {decoder.spec.vocabulary_size} tokens, the measured model {vocabulary_size}.",
                hint="`--peer-model` must be the file that the measured model was converted from.",
            )
        yield FloatReference(SourceWeights(opened, family_of(opened).layout, decoder))


def agreement(judgements: Sequence[Judgement]) -> float | None:
    """The share of all tokens that the reference would have chosen, too; None of no tokens."""
    agreed = [one for judgement in judgements for one in judgement.likeliest]
    return fmean(agreed) if agreed else None


def logprob_difference(told: Sequence[Sequence[float]], judgements: Sequence[Judgement]) -> float | None:
    """How far log probabilities that a side tells are from the reference's, in nats, as a mean; None of no tokens."""
    differences = [
        abs(one - other)
        for of_side, judgement in zip(told, judgements, strict=True)
        for one, other in zip(of_side, judgement.logprobs, strict=True)
    ]
    return fmean(differences) if differences else None


def common_share(answers: Sequence[Sequence[int]], others: Sequence[Sequence[int]]) -> float | None:
    """The share of the tokens of greedy answers before the first that differs, mean of all answers; None of none.

    Two sides that compute alike part late: what follows the first difference is another text.
    """
    shares: list[float] = []
    for one, other in zip(answers, others, strict=True):
        longest = max(len(one), len(other))
        same = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
        shares.append(same / longest if longest else 1.0)
    return fmean(shares) if shares else None

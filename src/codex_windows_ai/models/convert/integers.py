"""Chooses the products that the CPU graph computes as integers: all, as long as answers stay near the file's own.

The truth are the logits of the file's weights in float32, over a sample. Where the graph with all of them is too far
from it, those matrices whose activations suffer most from one scale a row go back to MatMulNBits, as few as will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from onnx import TensorProto, helper

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models import folder
from codex_windows_ai.models.blocks.embedding import INPUT_IDS, LOGITS
from codex_windows_ai.models.convert import graph, proof
from codex_windows_ai.models.convert.float_pass import first_pass
from codex_windows_ai.models.convert.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from onnx import ModelProto

    from codex_windows_ai.models.blocks.decoder import Decoder
    from codex_windows_ai.models.convert.weights import StoredForms

    Array = NDArray[np.float32]

MOST_LOSS = 0.005
"""Mean KL in nats a token from the file's own weights."""


class Choice(NamedTuple):
    """Which matrices are multiplied as integers, and what their graph loses."""

    integers: frozenset[str]
    of: int
    """So many could be."""
    loss: float

    @property
    def remark(self) -> str:
        """For the model's user."""
        return (
            f"{len(self.integers)} of {self.of} products of its layers are computed as integers; on a sample, answers "
            f"are {self.loss:.4f} nats a token (mean KL) from those of the file's own weights"
        )


class IntegerChoice:
    """Writes the CPU graph of `decoder` beside its `weights` in the folder `target`, and measures it."""

    def __init__(self, target: Path, decoder: Decoder, forms: StoredForms, weights: Sequence[TensorProto]) -> None:
        self._file = target / folder.CPU_MODEL
        self._decoder, self._forms, self._weights = decoder, forms, weights

    def choose(self, tokens: list[int], truth: Array) -> Choice:
        """The CPU graph that is left computes as much as it may as integers.

        Raises ModelFileError: a graph does not run.
        """
        possible, dropped = sorted(self._forms.whole_rows), 0
        loss = self.loss(possible, tokens, truth)
        if loss > MOST_LOSS and possible:
            possible = self._by_noise(tokens)
            dropped = fewest(lambda count: self.loss(possible[count:], tokens, truth) <= MOST_LOSS, 1, len(possible))
            loss = self.loss(possible[dropped:], tokens, truth)  # the graph that is measured last stays
        return Choice(frozenset(possible[dropped:]), len(possible), loss)

    def loss(self, integers: Sequence[str], tokens: list[int], truth: Array) -> float:
        """What the graph with these loses; it is written to the folder."""
        model = graph.build_model(self._decoder, graph.for_cpu(self._forms, frozenset(integers)), self._weights)
        (logits,) = self._run(model, [LOGITS], tokens)
        if logits.shape != (1, *truth.shape) or not np.isfinite(logits).all():
            raise ModelFileError(f"The converted model answers with {logits.shape} values, not all of them numbers.")
        return proof.divergence(truth, logits[0])

    def _by_noise(self, tokens: list[int]) -> list[str]:
        """The matrices that can be multiplied as integers; first those whose activations lose most when rounded."""
        model = graph.build_model(self._decoder, graph.portable(self._forms), self._weights)
        sources = _sources(model, self._forms.whole_rows)
        outputs = sorted(set(sources.values()))
        model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs)
        found = self._run(model, outputs, tokens)
        noise = {name: rounding_noise(values) for name, values in zip(outputs, found, strict=True)}
        return sorted(sources, key=lambda matrix: (-noise[sources[matrix]], matrix))

    def _run(self, model: ModelProto, outputs: Sequence[str], tokens: list[int]) -> list[Array]:
        """Runs it from its place, beside the weights."""
        self._file.write_bytes(model.SerializeToString())
        feeds = {INPUT_IDS: np.array([tokens], np.int64)}
        for layer in self._decoder.layers:
            feeds |= first_pass(layer.attention.past, len(tokens))
        return Session(str(self._file), self._file.name).run(outputs, feeds)


def fewest(fits: Callable[[int], bool], low: int, high: int) -> int:
    """The least number from `low` to `high` that fits, where all above one that fits do; if none does, `high`."""
    while low < high:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle + 1
    return low


def rounding_noise(values: Array) -> float:
    """The part of a row's square that is lost when it is rounded to 8 bits with one scale; mean of all rows."""
    rows = values.reshape(-1, values.shape[-1])
    scales = np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.finfo(np.float32).tiny) / 127
    errors: Array = np.square(np.rint(rows / scales) * scales - rows).sum(axis=1)
    sizes: Array = np.square(rows).sum(axis=1)
    return float(np.sum(errors / np.maximum(sizes, np.finfo(np.float32).tiny)) / len(rows))


def _sources(model: ModelProto, matrices: frozenset[str]) -> dict[str, str]:
    """What each of the matrices is multiplied with in the portable graph, by name."""
    codes = {f"{matrix}.codes": matrix for matrix in matrices}
    products = [node for node in model.graph.node if node.op_type == "MatMulNBits"]
    return {codes[node.input[1]]: node.input[0] for node in products if node.input[1] in codes}

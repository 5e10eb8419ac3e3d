"""Which products are computed as integers, and that spreading activations changes nothing but how well they round."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from codex_windows_ai.models.blocks.decoder import Decoder
from codex_windows_ai.models.blocks.spreading import BLOCK, hadamard, spread_weights
from codex_windows_ai.models.convert import integers
from codex_windows_ai.models.convert.convert import convert
from codex_windows_ai.models.convert.float_pass import head_logits
from codex_windows_ai.models.convert.integers import fewest, rounding_noise
from codex_windows_ai.models.convert.source import SourceWeights
from codex_windows_ai.models.families.registry import family_of, read_spec
from codex_windows_ai.models.folder import CPU_MODEL
from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.precision import Precision
from codex_windows_ai.models.progress import silent
from tests.models import reference
from tests.models.synthetic import Tiny
from tests.models.test_convert import SHAPES, some_tokens


def multiplied(path: Path) -> list[str]:
    """Names of the weights that a graph multiplies as integers."""
    nodes = onnx.load(path, load_external_data=False).graph.node
    return sorted(node.input[1].removesuffix(".columns") for node in nodes if node.op_type == "MatMulIntegerToFloat")


def spread_rows(values: np.ndarray) -> np.ndarray:
    return (values.reshape(-1, BLOCK) @ hadamard()).reshape(values.shape)


def test_products_of_what_is_spread_are_those_of_what_is_not():
    random = np.random.default_rng(1)
    weights, values = random.normal(size=(5, 96)), random.normal(size=(3, 96))
    found = spread_rows(values) @ spread_weights(weights.astype(np.float32)).T
    np.testing.assert_allclose(found, values @ weights.T, rtol=1e-4, atol=1e-4)


def test_a_single_large_activation_costs_its_neighbours_less_when_it_is_spread():
    values = np.random.default_rng(2).normal(size=(4, 512)).astype(np.float32)
    values[:, 100] = 300
    assert rounding_noise(spread_rows(values)) < rounding_noise(values) / 10


@pytest.mark.parametrize("needed", range(9))
def test_no_more_products_are_dropped_than_must_be(needed: int):
    assert fewest(lambda count: count >= needed, 1, 8) == max(needed, 1)
    assert fewest(lambda count: False, 1, 8) == 8


@pytest.mark.parametrize("name", ["llama float32 tied", "llama biased everywhere", "gemma2", "granite"])
def test_the_truth_is_the_oracles(name: str, tmp_path: Path):
    tokens = some_tokens(SHAPES[name])
    with GgufFile(SHAPES[name].write(tmp_path / "tiny.gguf")) as file:
        decoder = Decoder(read_spec(file))
        final = reference.final_states(file, decoder.spec, tokens, lambda *_: None)[0]
        found = head_logits(SourceWeights(file, family_of(file).layout, decoder), final)
        np.testing.assert_allclose(found, reference.forward(file, tokens)[0], rtol=1e-4, atol=1e-4)


def test_as_many_products_are_integers_as_the_loss_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = Tiny().write(tmp_path / "tiny.gguf")
    found: dict[str, tuple[list[str], tuple[str, ...]]] = {}
    for name, most in (("all", 1.0), ("again", 1.0), ("none", -1.0)):
        monkeypatch.setattr(integers, "MOST_LOSS", most)
        target = tmp_path / name
        target.mkdir()
        remarks = convert(file, target, silent, precision=Precision.EIGHT_BITS)
        found[name] = (multiplied(target / CPU_MODEL), remarks)
    assert found["all"] == found["again"]
    assert len(found["all"][0]) == 7 * Tiny().layers
    assert found["none"][0] == []
    assert f"{7 * Tiny().layers} of {7 * Tiny().layers} products" in found["all"][1][0]
    assert f"0 of {7 * Tiny().layers} products" in found["none"][1][0]


def test_what_loses_least_stays_an_integer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Between the losses of all and of none, some are left; and their graph keeps to the bound."""
    file = Tiny().write(tmp_path / "tiny.gguf")
    losses: dict[int, float] = {}
    measure = integers.IntegerChoice.loss

    def watched(self: integers.IntegerChoice, names: Sequence[str], tokens: list[int], truth: np.ndarray) -> float:
        losses[len(names)] = measure(self, names, tokens, truth)
        return losses[len(names)]

    monkeypatch.setattr(integers.IntegerChoice, "loss", watched)
    for most in (-1.0, 1.0):
        monkeypatch.setattr(integers, "MOST_LOSS", most)
        target = tmp_path / str(most)
        target.mkdir()
        convert(file, target, silent, precision=Precision.EIGHT_BITS)
    bound = (losses[0] + losses[max(losses)]) / 2
    monkeypatch.setattr(integers, "MOST_LOSS", bound)
    target = tmp_path / "some"
    target.mkdir()
    convert(file, target, silent, precision=Precision.EIGHT_BITS)
    left = multiplied(target / CPU_MODEL)
    assert 0 < len(left) < max(losses)
    assert losses[len(left)] <= bound

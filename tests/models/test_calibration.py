"""The norms that calibration looks at, against the naive oracle's."""

from pathlib import Path

import numpy as np
import pytest

from codex_windows_ai.models.blocks.decoder import Decoder
from codex_windows_ai.models.convert.calibration import calibrate
from codex_windows_ai.models.convert.float_pass import norm_outputs
from codex_windows_ai.models.convert.source import SourceWeights
from codex_windows_ai.models.families.registry import family_of, read_spec
from codex_windows_ai.models.gguf.file import GgufFile
from tests.models import reference
from tests.models.hybrid import TinyLfm2, TinyQwen35
from tests.models.synthetic import Tiny
from tests.models.test_convert import SHAPES
from tests.models.test_hybrids import MODELS

HYBRIDS = {"qwen35": TinyQwen35(attention_at=(1, 3)), "qwen35moe": MODELS["qwen35moe"], "lfm2": TinyLfm2()}


@pytest.mark.parametrize("tiny", (SHAPES | HYBRIDS).values(), ids=(SHAPES | HYBRIDS).keys())
def test_every_norm_gives_what_the_oracles_gives(tiny: Tiny, tmp_path: Path):
    tokens = np.random.default_rng(3).integers(0, len(tiny.vocabulary()), 24).tolist()
    expected: dict[str, np.ndarray] = {}
    with GgufFile(tiny.write(tmp_path / "tiny.gguf")) as file:
        layout, decoder = family_of(file).layout, Decoder(read_spec(file))
        reference.final_states(
            file, decoder.spec, np.array([tokens]), lambda name, values: expected.update({name: values.copy()})
        )
        found = {
            layout.place(norm.weight.part, norm.weight.layer, file.tensors).tensor.removesuffix(".weight"): values
            for norm, values in norm_outputs(SourceWeights(file, layout, decoder), tokens)
        }
    assert list(found) == list(expected)
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-4)


def test_factors_even_out_and_keep_the_mean(tmp_path: Path):
    tokens = list(range(24))
    with GgufFile(Tiny().write(tmp_path / "tiny.gguf")) as file:
        source = SourceWeights(file, family_of(file).layout, Decoder(read_spec(file)))
        factors = calibrate(source, tokens).factors
        for norm, values in norm_outputs(source, tokens):
            even, before = values / factors[norm.weight], values

            def spread(activations: np.ndarray) -> float:
                return float(np.std(np.log(np.sqrt(np.mean(activations**2, axis=(0, 1))))))

            # As near as factors in steps of a 32nd of an octave come.
            assert spread(even) == pytest.approx(spread(before) / 2, rel=1e-2)
            assert np.log(factors[norm.weight]).mean() == pytest.approx(0, abs=1e-2)


def test_factors_are_too_coarse_for_the_last_bits_of_a_processors_kernels_to_show(tmp_path: Path):
    with GgufFile(Tiny().write(tmp_path / "tiny.gguf")) as file:
        source = SourceWeights(file, family_of(file).layout, Decoder(read_spec(file)))
        for factors in calibrate(source, list(range(24))).factors.values():
            steps = 32 * np.log2(factors.astype(np.float64))
            assert np.abs(steps - steps.round()).max() < 1e-4
            assert len(set(steps.round())) > 1

"""Keys and values as float16: half the memory, and nearly the same answers."""

from dataclasses import replace

import numpy as np
import pytest

from codex_windows_ai.engine.kv.half_precision import measured_loss
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.model import Model
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.models.convert.convert import convert
from codex_windows_ai.models.folder import ModelFolder, read_model_folder
from codex_windows_ai.models.progress import silent
from tests.models.test_convert import SHAPES


@pytest.fixture(scope="module", params=["llama q4_0", "qwen3", "gemma3", "gemma4 small"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    place = tmp_path_factory.mktemp("half")
    tiny = replace(SHAPES[request.param], context=256)
    (place / "model").mkdir()
    convert(tiny.write(place / "tiny.gguf"), place / "model", silent)
    return read_model_folder(place / "model")


def logits_of(model: Model, pieces: list[np.ndarray]) -> np.ndarray:
    """Of the last token, after a prompt that is read in these pieces."""
    pool = HostPool(model.spec, 1 << 24)
    pool.reserve(1, sum(piece.shape[1] for piece in pieces), kept=())
    past = 0
    for piece in pieces:
        logits = model.forward(pool, 0, piece, [past])
        past += piece.shape[1]
    return logits[0, -1]


def test_the_past_takes_half_the_memory_and_is_rounded_a_little(folder: ModelFolder):
    exact, half = Model(folder, file=folder.model_file), Model(folder, half_precision=True)
    assert half.spec.bytes_per_token * 2 == exact.spec.bytes_per_token
    tokens = np.random.default_rng(2).integers(3, 200, (1, 40))
    pieces = [tokens[:, :16], tokens[:, 16:39], tokens[:, 39:]]
    expected, found = logits_of(exact, pieces), logits_of(half, pieces)
    assert 0 < np.abs(found - expected).max() < 0.06 * np.abs(expected).max()  # int8 activations amplify it
    np.testing.assert_array_equal(logits_of(half, [tokens]), logits_of(exact, [tokens]))  # no past, no rounding


def test_the_loss_is_measured_and_small(folder: ModelFolder):
    tokenizer = Tokenizer(folder.tokenizer_file)
    assert 0 < measured_loss(Model(folder, half_precision=True), tokenizer) < 1e-3
    assert measured_loss(Model(folder, file=folder.model_file), tokenizer) == pytest.approx(0, abs=1e-9)

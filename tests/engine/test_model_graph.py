"""Which of a model's graphs the engine loads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.first_passes import rows_alike
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.model import Model, Piece
from codex_windows_ai.models.folder import ModelFolder


def test_a_processor_runs_the_graph_for_processors(tiny_model: ModelFolder) -> None:
    core = EngineCore(tiny_model)
    assert core.model.file == tiny_model.path / "model.cpu.onnx"
    assert core.model.shares_prefixes


def test_a_folder_without_a_graph_for_processors_runs_the_portable_one(tiny_model: ModelFolder) -> None:
    core = EngineCore(replace(tiny_model, cpu_model_file=tiny_model.model_file))
    assert core.model.file == tiny_model.path / "model.onnx"
    assert not core.model.shares_prefixes


def test_a_device_runs_the_portable_graph(tiny_model: ModelFolder) -> None:
    core = EngineCore(tiny_model, configure_session=lambda options: None)
    assert core.model.file == tiny_model.path / "model.onnx"


def test_a_device_gets_its_past_as_arrays_and_computes_the_same(tiny_model: ModelFolder) -> None:
    """Bit for bit: here the device is the processor, which takes the slots' own memory otherwise."""

    def found(model: Model) -> list[np.ndarray]:
        pool, lengths = HostPool(model.spec, 1 << 30), [40, 3, 17]
        pool.reserve(len(lengths), 64, kept=())
        logits = [
            model.forward(pool, slot, np.arange(length)[None] + 5, [0], keep=min(4, length))
            for slot, length in enumerate(lengths)
        ]
        logits.append(model.forward(pool, 0, np.array([[7], [8], [9]]), lengths))
        logits.append(model.forward(pool, 1, np.array([[20, 21, 22, 23, 24]]), [4], keep=5))
        return [*logits, *(layer.copy() for layer in pool.layers)]

    in_place = Model(tiny_model, file=tiny_model.model_file)
    copying = Model(tiny_model, configure_session=lambda options: None)
    for expected, got in zip(found(in_place), found(copying), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("new", [1, 2, 15, 16, 33, 126, 200])
@pytest.mark.parametrize("shared", [0, 16])
def test_a_piece_beside_those_that_decode_changes_no_bit_of_either(
    tiny_model: ModelFolder, new: int, shared: int
) -> None:
    """Rows behind histories of different lengths, which share a prefix or none, and the piece in another pool."""
    model = Model(tiny_model, threads=1)
    rows, past, piece = np.array([[7], [8], [9]]), [40, 23, 17], [n % 200 for n in range(new)]

    def read() -> tuple[HostPool, HostPool]:
        pool, other = HostPool(model.spec, 1 << 30), HostPool(model.spec, 1 << 30)
        pool.reserve(3, 64, kept=())
        other.reserve(1, 300, kept=())
        for slot, length in enumerate(past):
            model.forward(pool, slot, np.array([[*range(16), *range(30 + slot, 14 + slot + length)]]), [0])
        model.forward(other, 0, np.array([[*range(60, 90)]]), [0])
        return pool, other

    (pool, other), (together, beside) = read(), read()
    prefixes = [each.prefix_of_slot(0, shared) if shared else None for each in (pool, together)]
    expected = [
        *model.forward(pool, 0, rows, past, prefix=prefixes[0]),
        *model.forward(other, 0, np.array([piece]), [30]),
    ]
    found = model.forward(together, 0, rows, past, prefix=prefixes[1], piece=Piece(beside, 0, piece, 30))

    np.testing.assert_array_equal(found, expected)
    for one, two in ((pool, together), (other, beside)):
        for expected_layer, layer in zip(one.layers, two.layers, strict=True):
            np.testing.assert_array_equal(layer, expected_layer)
    np.testing.assert_array_equal(model.forward(together, 0, rows, past), model.forward(pool, 0, rows, past))


def test_kernels_that_add_otherwise_for_one_row_are_noticed(
    tiny_model: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(tiny_model, threads=1)
    assert rows_alike(model)
    forward = model.forward

    def other_kernel(pool: HostPool, first: int, tokens: np.ndarray, past: list[int]) -> np.ndarray:
        logits = forward(pool, first, tokens, past)
        return np.nextafter(logits, np.inf, dtype=np.float32) if len(tokens) == 1 else logits

    monkeypatch.setattr(model, "forward", other_kernel)
    assert not rows_alike(model)

"""Which of a model's graphs the engine loads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.model import Model
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

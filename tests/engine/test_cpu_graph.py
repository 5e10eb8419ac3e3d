"""Which graph the engine loads on this processor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from codex_windows_ai.engine import cpu_graph
from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.models.folder import ModelFolder


def exactness(monkeypatch: pytest.MonkeyPatch, exact: bool) -> None:
    monkeypatch.setattr(cpu_graph, "integer_products_are_exact", lambda: exact)


def test_a_processor_with_exact_integer_products_runs_the_graph_made_of_them(
    tiny_model: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    exactness(monkeypatch, True)
    assert EngineCore(tiny_model).model.file == tiny_model.path / "model.cpu.onnx"


def test_another_processor_runs_the_portable_graph(tiny_model: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    exactness(monkeypatch, False)
    assert EngineCore(tiny_model).model.file == tiny_model.path / "model.onnx"


def test_a_folder_without_a_graph_for_processors_runs_the_portable_one(
    tiny_model: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    exactness(monkeypatch, True)
    folder = replace(tiny_model, cpu_model_file=None)
    assert EngineCore(folder).model.file == tiny_model.path / "model.onnx"


def test_a_device_runs_the_portable_graph(tiny_model: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    exactness(monkeypatch, True)
    configuration = EngineConfiguration(configure_session=lambda options: None)
    assert EngineCore(tiny_model, configuration).model.file == tiny_model.path / "model.onnx"


def test_the_trial_is_the_model_it_says_it_is() -> None:
    column = numpy_helper.from_array(np.array([[127], [127]], np.int8), "b")
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["y"])],
        "g",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [1, 1])],
        [column],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    assert model.SerializeToString() == cpu_graph.LARGEST_PRODUCT


@pytest.mark.parametrize(("found", "exact"), [(2 * 255 * 127, True), (32767, False)])
def test_a_kernel_that_saturates_is_not_exact(found: int, exact: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        def __init__(self, model: bytes, providers: list[str]) -> None:
            pass

        def run(self, outputs: None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [np.array([[found]], np.int32)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    assert cpu_graph.integer_products_are_exact.__wrapped__() is exact

"""The engine on a device: believed once that device did the work."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codex_windows_ai.devices.compiled_model import compiled_model, compiles
from codex_windows_ai.devices.devices import Device, choose_device, list_devices, provider_rank, with_names_of_one
from codex_windows_ai.devices.gpu_path import find_gpu_path
from codex_windows_ai.devices.proof import require_the_same_answers
from codex_windows_ai.engine.model import Model
from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.models.folder import read_model_folder
from codex_windows_ai.protocol.request import GenerationRequest, Message
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.engine_provider import EngineProvider, kernel_shares


@pytest.fixture
def cpu() -> Device:
    """The CPU as a device of ONNX Runtime: the one that every machine has."""
    return next(device for device in list_devices() if device.kind == "cpu")


def device(kind: str, provider: str) -> Device:
    return Device(kind, provider, "", "a chip")  # pyright: ignore[reportArgumentType]


def test_a_device_that_does_the_work_answers(
    default_model: Path, cpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path))
    provider = EngineProvider(Settings(model=str(default_model)), device=cpu)
    try:
        question = Message("user", "What is the capital of France? Answer in one sentence.")
        text = "".join(delta.text for delta in provider.stream(GenerationRequest(messages=(question,))))
    finally:
        provider.close()

    assert "Paris" in text
    assert provider.source.execution_provider == "CPUExecutionProvider"
    assert provider.source.device.startswith("CPU: ")


def test_a_device_whose_work_somebody_else_did_is_refused(default_model: Path, cpu: Device) -> None:
    pretender = replace(cpu, kind="gpu", execution_provider="CUDAExecutionProvider")

    with pytest.raises(
        NotAvailableError, match=r"CUDAExecutionProvider did 0% of the work .*CPUExecutionProvider 100%"
    ):
        EngineProvider(Settings(model=str(default_model)), device=pretender)


class Refusing(Device):
    """A device that no session can be made on."""

    def configure(self, options: Any) -> None:
        raise RuntimeError("the driver is too old")


def test_a_device_that_does_not_take_the_model_is_refused_with_its_reason(default_model: Path) -> None:
    refusing = Refusing("gpu", "CUDAExecutionProvider", "", "a chip")

    with pytest.raises(NotAvailableError, match=r"CUDAExecutionProvider does not load the model: .*too old"):
        EngineProvider(Settings(model=str(default_model)), device=refusing)


class Answering:
    """A model whose passes answer what a test wants."""

    def __init__(self, model: Model, answer: Callable[[np.ndarray], np.ndarray]) -> None:
        self.threads, self.spec = model.threads, model.spec
        self._model, self._answer = model, answer

    def forward(self, *arguments: Any, **options: Any) -> np.ndarray:
        return self._answer(self._model.forward(*arguments, **options))


def fails(logits: np.ndarray) -> np.ndarray:
    raise RuntimeError("the device was removed")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda logits: -logits, "computes something else than the processor: "),
        (lambda logits: logits * np.nan, "computes something else than the processor: nan nats"),
        (fails, "failed while it read a text: the device was removed"),
    ],
)
def test_a_device_that_is_wrong_or_fails_is_refused(
    answer: Callable[[np.ndarray], np.ndarray],
    reason: str,
    default_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path))
    folder = read_model_folder(default_model)
    model: Any = Answering(Model(folder, file=folder.model_file), answer)

    with pytest.raises(NotAvailableError, match=reason):
        require_the_same_answers(model, folder, device("gpu", "CUDAExecutionProvider"))
    assert not (tmp_path / "cache").exists()


def test_where_nothing_can_be_kept_a_device_is_believed_all_the_same(
    default_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be", encoding="utf-8")
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path))
    folder = read_model_folder(default_model)

    require_the_same_answers(Model(folder, file=folder.model_file), folder, device("gpu", "AProvider"))


def test_shares_are_of_the_time_in_kernels(tmp_path: Path) -> None:
    events = [
        {"cat": "Node", "dur": 30, "args": {"provider": "A"}},
        {"cat": "Node", "dur": 10, "args": {"provider": "B"}},
        {"cat": "Session", "dur": 99, "args": {}},
        {"cat": "Node", "dur": 5, "args": {}},
    ]
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(events), encoding="utf-8")

    assert kernel_shares(file) == {"A": 0.75, "B": 0.25}


def test_a_profile_without_kernels_has_no_shares(tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text("[]", encoding="utf-8")

    assert kernel_shares(file) == {}


def test_the_best_of_a_kind_is_chosen_whatever_the_case_of_its_name() -> None:
    devices = [device("gpu", "NvTensorRTRTXExecutionProvider"), device("gpu", "DmlExecutionProvider")]

    assert choose_device("gpu", devices) is devices[0]
    assert provider_rank("gpu", "NvTensorRtRtxExecutionProvider") == 0
    assert provider_rank("gpu", "DmlExecutionProvider") < provider_rank("gpu", "NobodyExecutionProvider")


@pytest.mark.parametrize("unknown", ["AMDGPUExecutionProvider", "WinMLCGExecutionProvider", "NobodyExecutionProvider"])
def test_a_provider_that_nobody_ranked_is_the_last_choice_and_not_none(unknown: str) -> None:
    devices = [device("cpu", "CPUExecutionProvider"), device("gpu", unknown)]

    assert choose_device("gpu", devices) is devices[1]
    assert choose_device("gpu", [*devices, device("gpu", "DmlExecutionProvider")]).execution_provider.startswith("Dml")


def test_without_a_device_of_the_kind_what_there_is_is_said() -> None:
    with pytest.raises(NotAvailableError, match=r"for an NPU is installed \(there is: CPUExecutionProvider on the CPU"):
        choose_device("npu", [device("cpu", "CPUExecutionProvider")])


def test_of_several_gpus_webgpu_takes_one_and_does_not_say_which() -> None:
    first, second = (
        Device("gpu", "WebGpuExecutionProvider", "", name, luid=number, address=f"0000:0{number}:00.0")
        for number, name in enumerate(["AMD 1002:744c", "Intel 8086:46a6"])
    )
    other = device("gpu", "CUDAExecutionProvider")

    named = with_names_of_one([first, other, second])

    both = "AMD 1002:744c or Intel 8086:46a6"
    assert [each.name for each in named] == [both, "a chip", both]
    assert {(each.luid, each.address) for each in named} == {(None, None)}
    assert with_names_of_one([first, other]) == [first, other]


def test_a_library_that_is_none_is_named_with_the_reason(tmp_path: Path) -> None:
    library = tmp_path / "not_a_library.so"
    library.write_bytes(b"nothing")

    found = find_gpu_path(library)

    assert found.path is None
    assert "not_a_library could not be loaded" in found.reason


def test_a_compiled_model_is_kept_and_found_again(
    default_model: Path, cpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path))
    folder, steps = read_model_folder(default_model), list[str]()

    first = compiled_model(folder, cpu, lambda stage, done, total: steps.append(stage))
    second = compiled_model(folder, cpu, lambda stage, done, total: steps.append(stage))

    assert first == second
    assert first.is_relative_to(tmp_path / "cache" / "compiled")
    assert steps == ["compiling for CPUExecutionProvider"] * 2  # of the first call: begun and done
    assert [entry.name for entry in first.parent.parent.iterdir()] == [first.parent.name]


def test_a_model_that_cannot_be_compiled_says_why(
    default_model: Path, cpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    folder = replace(read_model_folder(default_model), model_file=broken)

    with pytest.raises(NotAvailableError, match="CPUExecutionProvider cannot compile the model: "):
        compiled_model(folder, cpu)


def test_only_some_providers_compile() -> None:
    assert compiles(device("npu", "QNNExecutionProvider"))
    assert not compiles(device("gpu", "DmlExecutionProvider"))

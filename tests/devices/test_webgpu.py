"""The engine on an execution provider for GPUs, WebGPU's, with SwiftShader in a GPU's place.

What runs is the provider's own code: its shaders, its memory, its copies. Of SwiftShader it is known that WebGPU's
attention over 32 and more new tokens is wrong there: a device that the proof of devices must refuse. Where a test wants
one that is right, the proof is done with fewer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_windows_ai.devices import proof as device_proof
from codex_windows_ai.models.folder import ModelFolder
from tests.cli.program import COMMAND
from tests.devices.software_gpu import NAME, run_with_gpu, sharp_model
from tests.served import make_home, stop_host_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="gives a program a /sys of its own")

WIDE_DIFFERENCE = 0.2  # of the largest key or value: one side rounds activations to 8 bits; another token's give 1
REFUSAL = "WebGpuExecutionProvider computes something else than the processor"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return sharp_model(tmp_path_factory, context=256)


@pytest.fixture(scope="module")
def proven_home(folder: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the device was proved, with what the engine does on it."""
    home = make_home(tmp_path_factory.mktemp("proven") / "home", folder.path)
    yield home
    stop_host_of(home)


@pytest.fixture(scope="module")
def found(folder: ModelFolder, proven_home: Path) -> Any:
    ran = run_with_gpu(proven_home, sys.executable, "-m", "tests.devices.webgpu_worker", str(folder.path))
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture
def home(folder: ModelFolder, tmp_path: Path) -> Iterator[Path]:
    home = make_home(tmp_path / "home", folder.path)
    yield home
    stop_host_of(home)


def cwai(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_with_gpu(home, *COMMAND, *arguments)


def test_keys_and_values_are_those_of_the_processor(found: Any) -> None:
    assert max(found["kernels"]["errors"]) < WIDE_DIFFERENCE
    assert found["kernels"]["unwritten"]


def test_requests_of_several_lengths_are_answered_together(found: Any) -> None:
    requests = found["requests"]

    assert requests["reasons"] == ["length"] * 8
    assert requests["output_tokens"] == [6, 7, 8, 9]
    assert all(requests["cached_tokens"])
    assert requests["failed"] == 0
    assert requests["occupancy"] > 1


def test_a_device_that_computes_what_the_processor_computes_answers(found: Any, proven_home: Path) -> None:
    assert found["provider"]["execution_provider"] == "WebGpuExecutionProvider"
    assert found["provider"]["device"] == f"GPU: {NAME}"
    assert found["provider"]["output_tokens"] == 5

    # What was proved is not proved again: now the host answers there, too, and says so.
    answered = cwai(proven_home, "exec", "--use-windows-ai", "--json", "--max-output-tokens", "3", "hello")
    assert answered.returncode == 0, answered.stderr
    answer = json.loads(answered.stdout)
    assert answer["device"] == f"GPU: {NAME}"
    assert answer["execution_provider"] == "WebGpuExecutionProvider"


def test_a_device_that_computes_something_else_is_refused_and_the_reason_is_said(home: Path) -> None:
    answered = cwai(home, "exec", "--use-windows-ai", "--max-output-tokens", "3", "hello")

    assert answered.returncode == 0
    assert "engine on CPU: " in answered.stderr
    assert f"engine:gpu ({REFUSAL}" in answered.stderr
    assert not (home / "cache" / "proven").exists()


def test_the_path_and_the_doctor_name_the_provider(home: Path) -> None:
    path = cwai(home, "gpu", "path", "--json")
    assert path.returncode == 0, path.stderr
    found = json.loads(path.stdout)["path"]
    assert (found["execution_provider"], found["source"]) == ("WebGpuExecutionProvider", "package")

    check = json.loads(cwai(home, "doctor", "--json").stdout)["checks"]["hardware.gpu"]
    assert check["summary"].endswith("the engine tries WebGpuExecutionProvider on it before the CPU")


def test_the_bound_is_the_converters() -> None:
    from codex_windows_ai.models.convert.proof import MOST_DIVERGENCE

    assert device_proof.MOST_DIVERGENCE == MOST_DIVERGENCE

"""The engine on an execution provider for GPUs, WebGPU's, with SwiftShader in a GPU's place.

What runs is the provider's own code: its shaders, its memory, its copies. Of SwiftShader it is known that WebGPU's
attention over 32 and more new tokens is wrong there: a device as the proof of devices must refuse it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.windows_ai import device_proof
from tests.models.synthetic import Tiny

SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
WIDE_DIFFERENCE = 0.2  # of the largest key or value: one side rounds activations to 8 bits; another token's give 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    scratch = tmp_path_factory.mktemp("webgpu")
    return ModelStore(scratch / "models").add(Tiny(context=256, layers=4).write(scratch / "tiny.gguf"), name="tiny")


def on_webgpu(what: str, folder: ModelFolder, home: Path) -> Any:
    assert SWIFTSHADER.is_file(), "SwiftShader is missing; `scripts/install_debian.sh chromium libvulkan1` installs it."
    ran = subprocess.run(
        [sys.executable, "-m", "tests.windows_ai.webgpu_worker", str(folder.path), what],
        env={
            **os.environ,
            "CODEX_WINDOWS_AI_HOME": str(home),
            "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER": "1",
            "VK_DRIVER_FILES": str(SWIFTSHADER),
            "VK_ICD_FILENAMES": str(SWIFTSHADER),  # the name that older loaders know
            "XDG_RUNTIME_DIR": str(home),
        },
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_keys_and_values_are_those_of_the_processor(folder: ModelFolder, tmp_path: Path) -> None:
    found = on_webgpu("kernels", folder, tmp_path)

    assert max(found["errors"]) < WIDE_DIFFERENCE
    assert found["unwritten"]


def test_a_device_that_computes_what_the_processor_computes_answers(folder: ModelFolder, tmp_path: Path) -> None:
    found = on_webgpu("right", folder, tmp_path)

    assert found["execution_provider"] == "WebGpuExecutionProvider"
    assert found["output_tokens"] == 5
    assert len(list((tmp_path / "cache" / "proven").iterdir())) == 1


def test_a_device_that_computes_something_else_is_refused(folder: ModelFolder, tmp_path: Path) -> None:
    found = on_webgpu("wrong", folder, tmp_path)

    assert "WebGpuExecutionProvider computes something else than the processor" in found["refused"]
    assert not (tmp_path / "cache" / "proven").exists()


def test_what_was_proved_is_not_proved_again(folder: ModelFolder, tmp_path: Path) -> None:
    on_webgpu("right", folder, tmp_path)

    found = on_webgpu("wrong", folder, tmp_path)

    assert "refused" not in found


def test_requests_of_several_lengths_are_answered_together(folder: ModelFolder, tmp_path: Path) -> None:
    found = on_webgpu("requests", folder, tmp_path)

    assert found["reasons"] == ["length"] * 8
    assert found["output_tokens"] == [6, 7, 8, 9]
    assert all(found["cached_tokens"])
    assert found["failed"] == 0
    assert found["occupancy"] > 1


def test_the_bound_is_the_converters() -> None:
    from codex_windows_ai.models.convert import MOST_DIVERGENCE

    assert device_proof.MOST_DIVERGENCE == MOST_DIVERGENCE

"""`bench plan` where there is a GPU: SwiftShader in its place, behind WebGPU's execution provider."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_windows_ai.bench import plan
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.store import ModelStore
from tests.cli.program import environment_with
from tests.models.synthetic import Tiny
from tests.windows_ai.test_webgpu import WITH_GPU

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="gives a program a /sys of its own")

PROOF = "24"  # tokens: SwiftShader's kernels are wrong from 32 on


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    scratch = tmp_path_factory.mktemp("plan")
    return ModelStore(scratch / "models").add(Tiny(context=1024, layers=4).write(scratch / "tiny.gguf"), name="tiny")


def measure(folder: ModelFolder, home: Path) -> Any:
    ran = subprocess.run(
        [WITH_GPU, sys.executable, "-m", "tests.bench.plan_worker", str(folder.path), PROOF],
        env=environment_with(home),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_host_answers_on_the_gpu_too_and_its_load_is_told(folder: ModelFolder, tmp_path: Path) -> None:
    found = measure(folder, tmp_path)

    figures = {result["side"]: result["figures"] for result in found["results"]}
    for side in (plan.GPU_IN_TURN, plan.GPU):
        assert figures[side]["requests_per_s"]["median"] > 0
        assert figures[side]["gpu_busy_share"]["median"] == 0.87  # what the adapter's own figure says
    assert "gpu_busy_share" not in figures[plan.HTTP]
    compared = [c["name"] for c in found["comparisons"] if c["baseline_name"] == plan.GPU_IN_TURN]
    assert compared == ["latency p50", "requests a second", "GPU busy"]
    assert any(note.startswith("The GPU is 0x1ae0 1ae0:c0de, driven by WebGpu") for note in found["notes"])

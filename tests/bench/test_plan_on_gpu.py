"""`bench plan` where there is a GPU: SwiftShader in its place, behind WebGPU's execution provider."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from codex_windows_ai.bench.workloads import plan
from tests.devices.software_gpu import NAME, run_with_gpu, sharp_model

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="gives a program a /sys of its own")


def test_the_host_answers_on_the_gpu_too_and_its_load_is_told(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = sharp_model(tmp_path_factory, context=1024)
    ran = run_with_gpu(tmp_path, sys.executable, "-m", "tests.bench.plan_worker", str(folder.path))
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)

    figures = {result["side"]: result["figures"] for result in found["results"]}
    for side in (plan.GPU_IN_TURN, plan.GPU):
        assert figures[side]["requests_per_s"]["median"] > 0
        assert figures[side]["gpu_busy_share"]["median"] == 0.87  # what the adapter's own figure says
    assert "gpu_busy_share" not in figures[plan.HTTP]
    compared = [c["name"] for c in found["comparisons"] if c["baseline_name"] == plan.GPU_IN_TURN]
    assert compared == ["latency p50", "requests a second", "GPU busy"]
    assert any(note.startswith(f"The GPU is {NAME}, driven by WebGpu") for note in found["notes"])

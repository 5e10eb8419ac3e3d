"""Whether an execution provider really runs a model."""

from __future__ import annotations

import pytest

from codex_windows_ai.hardware.inference import execution_providers, try_provider


def test_the_cpu_runs_its_own_work() -> None:
    assert "CPUExecutionProvider" in execution_providers()

    trial = try_provider("CPUExecutionProvider")

    assert (trial.executed_by, trial.error) == ("CPUExecutionProvider", None)


def test_a_provider_whose_work_the_cpu_did_is_found_out() -> None:
    absent = "CUDAExecutionProvider"
    if absent in execution_providers():
        pytest.skip("this build has CUDA")

    with pytest.warns(UserWarning, match=absent):
        trial = try_provider(absent)

    assert trial.executed_by == "CPUExecutionProvider"

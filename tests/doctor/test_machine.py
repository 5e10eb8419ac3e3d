"""Checks of the machine that this runs on."""

from __future__ import annotations

from pathlib import Path

import pytest

from codex_windows_ai.doctor.machine import machine_checks
from codex_windows_ai.doctor.report import Finding


def finding(name: str) -> Finding:
    return next(check for check in machine_checks() if check.id == name).look()


def test_the_cpu_provider_is_ok_because_it_ran_something() -> None:
    assert finding("inference.CPUExecutionProvider").details["executed_by"] == "CPUExecutionProvider"


def test_a_cache_folder_that_does_not_exist_yet_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path / "new"))

    found = finding("storage.cache")

    assert found.status == "ok"
    assert found.details["folder"] == str(tmp_path / "new" / "cache")
    assert list(tmp_path.iterdir()) == []


def test_a_cache_folder_that_cannot_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path / "file"))

    found = finding("storage.cache")

    assert found.status == "fail"
    assert str(tmp_path / "file") in found.summary
    assert "CODEX_WINDOWS_AI_HOME" in str(found.remediation)


def test_the_packages_that_answer_are_named_with_their_versions() -> None:
    packages = finding("runtime.python").details["packages"]

    assert {"codex-windows-ai", "numpy", "tokenizers"} <= packages.keys()


@pytest.mark.parametrize(
    ("integers", "mxfp4", "status", "said"),
    [
        (True, True, "ok", "MXFP4 as it is"),
        (True, False, "ok", "fitted to 4 bits"),
        (False, False, "warning", "taken apart"),
    ],
)
def test_experts_are_said_to_be_slow_where_they_are(
    integers: bool, mxfp4: bool, status: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codex_windows_ai.doctor.machine.multiplies_experts", lambda: integers)
    monkeypatch.setattr("codex_windows_ai.doctor.machine.multiplies_mxfp4", lambda: mxfp4)

    found = finding("inference.experts")

    assert (found.status, said in found.summary) == (status, True)
    assert (found.remediation is None) == (status == "ok")

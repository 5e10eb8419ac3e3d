"""What the doctor says to a state of the kernel driver; the states themselves are in tests/wine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from codex_windows_ai.doctor.windows import driver_finding, windows_checks
from codex_windows_ai.kernel.code_integrity import CodeIntegrity, Obstacle
from codex_windows_ai.kernel.service import DriverStatus

RULES = CodeIntegrity("AMD64", test_signing=True, memory_integrity=True, secure_boot=False)
FILE = Path("ai_driver.sys")


def test_a_driver_that_answers_is_well_and_says_by_whom_it_is_signed() -> None:
    found = driver_finding(DriverStatus("running", "it runs and answers", FILE, "other", 1, RULES))

    assert (found.status, found.summary) == ("ok", "it runs and answers (test-signed)")
    assert found.details["rules"]["memory_integrity"] is True
    assert found.details["image_path"] == "ai_driver.sys"


def test_no_driver_is_no_fault() -> None:
    found = driver_finding(DriverStatus("absent", "no service is installed", rules=RULES, fix="install it"))

    assert (found.status, found.remediation) == ("skipped", "install it")
    assert "everything works without it" in found.summary


def test_an_installed_driver_that_windows_would_refuse_is_a_warning_with_the_reason_and_the_fix() -> None:
    obstacle = Obstacle("it has no signature", "sign it")
    found = driver_finding(
        DriverStatus("stopped", "it is not running", FILE, None, None, RULES, (obstacle,), obstacle.fix)
    )

    assert (found.status, found.remediation) == ("warning", "sign it")
    assert found.summary == "it is not running; Windows would not load it: it has no signature"
    assert found.details["obstacles"] == ({"reason": "it has no signature", "fix": "sign it"},)


def test_a_driver_that_runs_and_does_not_answer_is_a_warning() -> None:
    found = driver_finding(DriverStatus("running", "it runs, but does not answer", FILE, "other", None, RULES, (), "x"))

    assert (found.status, found.remediation) == ("warning", "x")


def test_elsewhere_than_on_windows_it_says_what_it_would_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    (check,) = [check for check in windows_checks() if check.id == "kernel.ai_driver"]

    found = check.look()

    assert found.status == "skipped"
    assert "needs Windows" in found.summary
    assert "ai_driver.sys" in found.summary

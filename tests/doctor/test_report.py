"""The doctor's report."""

from __future__ import annotations

import pytest

from codex_windows_ai.doctor.report import Check, Finding, Status, examine
from codex_windows_ai.errors import StorageError


def found(*statuses: Status) -> list[Check]:
    return [
        Check(f"test.{number}", lambda status=status: Finding(status, "")) for number, status in enumerate(statuses)
    ]


@pytest.mark.parametrize(
    ("statuses", "overall"),
    [
        (("ok", "skipped"), "ok"),
        (("ok", "warning"), "warning"),
        (("warning", "fail", "ok"), "fail"),
        (("skipped",), "ok"),
    ],
)
def test_the_worst_check_decides_and_skipped_ones_do_not_count(statuses: tuple[Status, ...], overall: Status) -> None:
    assert examine(found(*statuses), "1.0").status == overall


def test_an_error_of_ours_fails_the_check_with_its_hint_as_the_remedy() -> None:
    def look() -> Finding:
        raise StorageError("The disk is full.", hint="Free some space.")

    (examined,) = examine([Check("storage.test", look)], "1.0").checks

    assert examined.finding == Finding("fail", "The disk is full.", {"code": "storage_error"}, "Free some space.")


def test_a_check_that_breaks_does_not_end_the_examination() -> None:
    def look() -> Finding:
        raise ZeroDivisionError("division by zero")

    first, second = examine([Check("test.broken", look), *found("ok")], "1.0").checks

    assert (first.finding.status, first.finding.summary) == ("fail", "ZeroDivisionError: division by zero")
    assert second.finding.status == "ok"


def test_the_document_has_the_keys_of_codexs_own_doctor() -> None:
    document = examine(found("ok"), "1.0").to_json()

    # From `codex doctor --json` of codex-cli 0.169.0, with our name for the version.
    assert list(document) == ["schemaVersion", "generatedAt", "overallStatus", "cwaiVersion", "checks"]
    keys = ["id", "category", "status", "summary", "details", "remediation", "durationMs"]
    assert list(document["checks"]["test.0"]) == keys
    assert document["checks"]["test.0"]["category"] == "test"

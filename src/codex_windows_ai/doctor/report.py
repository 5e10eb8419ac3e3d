"""The doctor's report, in the shape of `codex doctor --json` (read from codex-cli 0.169.0)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from codex_windows_ai.errors import WindowsAiError

__all__ = ["Check", "Finding", "Report", "Status", "examine"]

Status = Literal["ok", "warning", "fail", "skipped"]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; `remediation` is what to do about it, a command where there is one."""

    status: Status
    summary: str
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    remediation: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at; `id` is `category.name`."""

    id: str
    look: Callable[[], Finding]

    @property
    def category(self) -> str:
        """The first part of the id."""
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Examined:
    """A check with what it found and how long that took."""

    check: Check
    finding: Finding
    duration_ms: int

    def to_json(self) -> dict[str, Any]:
        """The check as an entry of the report."""
        return {
            "id": self.check.id,
            "category": self.check.category,
            "status": self.finding.status,
            "summary": self.finding.summary,
            "details": self.finding.details,
            "remediation": self.finding.remediation,
            "durationMs": self.duration_ms,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of one examination."""

    version: str
    checks: tuple[Examined, ...]

    @property
    def status(self) -> Status:
        """The worst status of any check; skipped checks do not count."""
        found = {examined.finding.status for examined in self.checks}
        return "fail" if "fail" in found else "warning" if "warning" in found else "ok"

    def to_json(self) -> dict[str, Any]:
        """The report as one JSON object."""
        return {
            "schemaVersion": SCHEMA_VERSION,
            "generatedAt": datetime.now(UTC).isoformat(timespec="seconds"),
            "overallStatus": self.status,
            "cwaiVersion": self.version,
            "checks": {examined.check.id: examined.to_json() for examined in self.checks},
        }


def examine(checks: Iterable[Check], version: str) -> Report:
    """Run every check; one that breaks is a failed check, never the end of the examination."""
    return Report(version, tuple(_examine(check) for check in checks))


def _examine(check: Check) -> Examined:
    started = time.perf_counter()
    try:
        finding = check.look()
    except WindowsAiError as error:
        finding = Finding("fail", error.message, {"code": error.code}, error.hint)
    except Exception as error:  # whatever is broken on this machine, the other checks must still run
        finding = Finding("fail", f"{type(error).__name__}: {error}", {}, "Report this, with `cwai --debug doctor`.")
    return Examined(check, finding, round((time.perf_counter() - started) * 1000))

"""`cwai doctor`: is this machine ready, and if not, which command makes it so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from codex_windows_ai.cli.output import write
from codex_windows_ai.errors import EXIT_UNHEALTHY

if TYPE_CHECKING:
    from codex_windows_ai.doctor.report import Report


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, shaped like Codex's own.")] = False,
) -> int:
    """Examine this machine.

    Says what is there, what is missing, what could leave the machine (telemetry of libraries, proxies between its own
    programs) and how to fix it; exit code 3 when something must be fixed first.
    """
    from codex_windows_ai.doctor.checks import examine_machine

    report = examine_machine()
    write(json.dumps(report.to_json(), ensure_ascii=False, indent=2) + "\n" if as_json else _text(report))
    return EXIT_UNHEALTHY if report.status == "fail" else 0


def _text(report: Report) -> str:
    lines = [f"cwai {report.version}"]
    for examined in report.checks:
        finding = examined.finding
        lines.append(f"  {finding.status:<8} {examined.check.id}: {finding.summary}")
        if finding.remediation:
            lines.append(f"           fix: {finding.remediation}")
    lines.append({"fail": "Not ready.", "warning": "Ready, with warnings.", "ok": "Ready."}.get(report.status, ""))
    return "\n".join(lines) + "\n"

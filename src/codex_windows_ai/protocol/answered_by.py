"""The key `windows_ai` of every answer: who gave it, why nobody better did, and what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.source import AnswerSource


def answered_by(
    source: AnswerSource,
    last: Delta | None = None,
    *,
    remarks: Mapping[str, Sequence[Any]] | None = None,
) -> dict[str, Any]:
    """What a client of this endpoint is told; times in milliseconds. OpenAI's usage has no word for an estimate.

    `last` is the last piece of an answer that has ended. `remarks` on what is not done as asked stand there each under
    its name, unless there are none of the name; to those that are `left_out` the source adds its own.
    """
    described: dict[str, Any] = {
        "provider": source.provider,
        "device": source.device,
        "execution_provider": source.execution_provider,
        "model": source.model,
        "transport": "http",
        "refused": [{"provider": name, "reason": reason} for name, reason in source.refused],
    }
    if last is not None and last.usage is not None:
        described["usage_estimated"] = last.usage.estimated
    if last is not None and (timings := last.timings) is not None:
        described["timings_ms"] = {
            "queue": round(timings.queue, 1),
            "prefill": round(timings.prefill, 1),
            "decode": round(timings.decode, 1),
            "total": round(timings.total, 1),
        }
        described["speculation"] = {"drafted": timings.drafted, "accepted": timings.accepted}
    if last is not None and last.repeated is not None:
        described["repeated"] = {"tokens": last.repeated}
    said = {**(remarks or {}), "left_out": [*(remarks or {}).get("left_out", ()), *source.left_out]}
    return described | {name: list(remark) for name, remark in said.items() if remark}

"""The key `windows_ai` of every answer: who gave it, why nobody better did, and what it took."""

from __future__ import annotations

from typing import Any

from codex_windows_ai.protocol.answer import Timings, Usage
from codex_windows_ai.protocol.source import AnswerSource


def answered_by(
    source: AnswerSource, timings: Timings | None = None, usage: Usage | None = None, *, transport: str = "http"
) -> dict[str, Any]:
    """What a client of this door is told; times in milliseconds. OpenAI's usage has no word for an estimate."""
    described: dict[str, Any] = {
        "provider": source.provider,
        "device": source.device,
        "execution_provider": source.execution_provider,
        "model": source.model,
        "transport": transport,
        "refused": [{"provider": name, "reason": reason} for name, reason in source.refused],
    }
    if usage is not None:
        described["usage_estimated"] = usage.estimated
    if timings is not None:
        described["timings_ms"] = {
            "queue": round(timings.queue, 1),
            "prefill": round(timings.prefill, 1),
            "decode": round(timings.decode, 1),
            "total": round(timings.total, 1),
        }
        described["speculation"] = {"drafted": timings.drafted, "accepted": timings.accepted}
    return described

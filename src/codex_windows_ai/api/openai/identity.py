"""What answers the same in the same way."""

from __future__ import annotations

import hashlib

from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.version import release


def fingerprint(source: AnswerSource) -> str:
    """The same for as long as the same program answers with the same model in the same way."""
    parts = (release(), source.provider, source.device, source.execution_provider, source.model)
    return f"fp_{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:12]}"

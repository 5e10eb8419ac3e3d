"""What every piece of an answer says of itself in the chat and completions APIs: its name, when, and by what."""

from __future__ import annotations

import hashlib
import time
import uuid
from typing import Any

from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.version import release


class Identity:
    """The identity of one answer, or of several that are asked for together; its id begins with `prefix`."""

    def __init__(self, prefix: str, model: str) -> None:
        self.source: AnswerSource | None = None
        """Who answers, once that is known."""
        self.fields: dict[str, Any] = {
            "id": f"{prefix}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }

    def answered_by(self, source: AnswerSource) -> None:
        """Says who answers, which is not known before the model is loaded."""
        self.source = source
        self.fields |= {"model": source.model, "system_fingerprint": _fingerprint(source)}


def _fingerprint(source: AnswerSource) -> str:
    """The same for as long as the same program answers with the same model in the same way."""
    parts = (release(), source.provider, source.device, source.execution_provider, source.model)
    return f"fp_{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:12]}"

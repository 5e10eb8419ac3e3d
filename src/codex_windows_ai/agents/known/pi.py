"""pi: an extension of this run registers the host as a provider."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from codex_windows_ai.agents.agent import (
    KEY_VARIABLE,
    PROVIDER,
    Agent,
    Configuration,
    HostModel,
    Lasting,
    token_command,
)

# pi keeps 16,384 tokens free before it sums a session up, which is more than a small window has: it would do so at
# once, each time. What it wants is let through where the answer's own share is reached.
_EXTENSION = """\
export default function (pi) {
  pi.registerProvider(%s, %s);
  pi.on("session_before_compact", (event) =>
    event.reason === "threshold" && event.preparation.tokensBefore < %d ? { cancel: true } : undefined);
}
"""


def provider(model: HostModel, *, key: str) -> dict[str, Any]:
    """The host as a provider; `key` is how the configuration refers to the token."""
    return {
        "baseUrl": model.openai,
        "apiKey": key,
        "api": "openai-completions",
        "models": [
            {
                "id": model.name,
                "name": f"{model.name} (on this PC)",
                "reasoning": False,
                "input": ["text"],
                "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
                "contextWindow": model.window,
                "maxTokens": model.output,
            }
        ],
    }


def configure(model: HostModel, folder: Path) -> Configuration:
    """The extension, the choice of its model, and no look-ups of updates or catalogues elsewhere."""
    extension = folder / "windows-ai.js"
    text = _EXTENSION % (
        json.dumps(PROVIDER),
        json.dumps(provider(model, key=f"${KEY_VARIABLE}")),
        model.window - model.output,
    )
    extension.write_text(text, encoding="utf-8")
    return Configuration(
        {KEY_VARIABLE: model.token, "PI_OFFLINE": "1", "PI_TELEMETRY": "0"},
        ("--extension", str(extension), "--provider", PROVIDER, "--model", model.name),
    )


def lasting(model: HostModel) -> Lasting:
    """The host as one more provider in the user's own file; the token comes of a command, which starts a host."""
    folder = Path(os.environ.get("PI_CODING_AGENT_DIR") or Path.home() / ".pi" / "agent")
    value = provider(model, key=f"!{token_command()}")
    start = f"pi --provider {PROVIDER} --model {model.name}"
    return Lasting(folder / "models.json", value, start, ("providers", PROVIDER))


PI = Agent("pi", "pi", "pi", "@earendil-works/pi-coding-agent", 1_600, configure, lasting=lasting)

"""Cline's command line: its file of providers and its global settings, each in the place of the user's for this run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from codex_windows_ai.agents.agent import Agent, Configuration, HostModel, write_json_file

_OPENAI_COMPATIBLE = "openai-compatible"


def configure(model: HostModel, folder: Path) -> Configuration:
    """The host as the OpenAI-compatible provider, the one used last; nothing is reported or updated."""
    providers = {
        "version": 1,
        "lastUsedProvider": _OPENAI_COMPATIBLE,
        "modes": {},
        "providers": {
            _OPENAI_COMPATIBLE: {
                "settings": {
                    "provider": _OPENAI_COMPATIBLE,
                    "model": model.name,
                    "apiKey": model.token,
                    "baseUrl": model.openai,
                    "maxTokens": model.output,
                    "contextWindow": model.window,
                },
                "updatedAt": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "tokenSource": "manual",
            }
        },
    }
    return Configuration(
        {
            "CLINE_PROVIDER_SETTINGS_PATH": str(write_json_file(folder / "providers.json", providers)),
            "CLINE_GLOBAL_SETTINGS_PATH": str(
                write_json_file(folder / "global-settings.json", {"telemetryOptOut": True, "autoUpdateEnabled": False})
            ),
            "CLINE_NO_AUTO_UPDATE": "1",
            # Its daemon would outlive this run with this run's configuration, and serve the user's other sessions.
            "CLINE_SESSION_BACKEND_MODE": "local",
        },
        ("--provider", _OPENAI_COMPATIBLE, "--model", model.name),
    )


CLINE = Agent("cline", "Cline", "cline", "cline", 5_900, configure)

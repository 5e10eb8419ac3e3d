"""Kilo: opencode's configuration under names of its own."""

from __future__ import annotations

from pathlib import Path

from codex_windows_ai.agents.agent import (
    KEY_VARIABLE,
    PROVIDER,
    Agent,
    Configuration,
    HostModel,
    Lasting,
    config_folder,
)
from codex_windows_ai.agents.known import opencode


def configure(model: HostModel, folder: Path) -> Configuration:
    """The provider; nothing is fetched, updated, kept elsewhere or reported."""
    return Configuration(
        {
            KEY_VARIABLE: model.token,
            "KILO_CONFIG_CONTENT": opencode.content(model),
            "KILO_TELEMETRY_LEVEL": "off",
            "KILO_DISABLE_AUTOUPDATE": "1",
            "KILO_DISABLE_MODELS_FETCH": "1",
            "KILO_DISABLE_LSP_DOWNLOAD": "1",
            "KILO_DISABLE_SESSION_INGEST": "1",
            "KILO_DISABLE_PRESENCE": "1",
        }
    )


def lasting(model: HostModel) -> Lasting:
    """The host as one more provider in the user's own file."""
    file = config_folder() / "kilo" / "kilo.json"
    value = opencode.provider(model, key=f"{{file:{model.token_file}}}")
    return Lasting(file, value, f"kilo --model {PROVIDER}/{model.name}", ("provider", PROVIDER))


KILO = Agent("kilo", "Kilo", "kilo", "@kilocode/cli", 12_800, configure, lasting=lasting)

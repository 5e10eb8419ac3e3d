"""Copilot CLI with a model of one's own: all of it by the environment."""

from __future__ import annotations

from pathlib import Path

from codex_windows_ai.agents.agent import Agent, Configuration, HostModel


def configure(model: HostModel, folder: Path) -> Configuration:
    """The host as its provider; offline, so that neither GitHub nor a collector of figures is asked."""
    return Configuration(
        {
            "COPILOT_PROVIDER_BASE_URL": model.openai,
            "COPILOT_PROVIDER_TYPE": "openai",
            "COPILOT_PROVIDER_BEARER_TOKEN": model.token,
            "COPILOT_PROVIDER_MAX_PROMPT_TOKENS": str(model.window - model.output),
            "COPILOT_PROVIDER_MAX_OUTPUT_TOKENS": str(model.output),
            "COPILOT_MODEL": model.name,
            "COPILOT_OFFLINE": "true",
            "COPILOT_AUTO_UPDATE": "false",
        },
        without=(
            "COPILOT_PROVIDER_WIRE_API",
            "COPILOT_PROVIDER_TRANSPORT",
            "COPILOT_PROVIDER_MODEL_ID",
            "COPILOT_PROVIDER_WIRE_MODEL",
            "COPILOT_PROVIDER_API_KEY",
            "COPILOT_PROVIDER_API_KEY_COMMAND",
            "COPILOT_PROVIDER_HEADERS",
        ),
    )


COPILOT = Agent("copilot", "Copilot CLI", "copilot", "@github/copilot", 12_400, configure)

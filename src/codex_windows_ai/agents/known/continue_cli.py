"""Continue's command line: a configuration of its own, which names the host's model alone."""

from __future__ import annotations

from pathlib import Path

from codex_windows_ai.agents.agent import Agent, Configuration, HostModel, write_json_file


def configure(model: HostModel, folder: Path) -> Configuration:
    """The file (JSON is YAML) has the token, because its format knows no variable; only the user may read it."""
    config = {
        "name": "This PC",
        "version": "1.0.0",
        "schema": "v1",
        "models": [
            {
                "name": f"{model.name} (on this PC)",
                "provider": "openai",
                "model": model.name,
                "apiBase": model.openai,
                "apiKey": model.token,
                "roles": ["chat", "edit", "apply"],
                "capabilities": ["tool_use"],
                "defaultCompletionOptions": {"contextLength": model.window, "maxTokens": model.output},
            }
        ],
    }
    return Configuration(
        {"CONTINUE_CLI_ENABLE_TELEMETRY": "0", "CONTINUE_METRICS_ENABLED": "0", "CONTINUE_TELEMETRY_ENABLED": "0"},
        ("--config", str(write_json_file(folder / "config.yaml", config))),
    )


CONTINUE = Agent("continue", "Continue CLI", "cn", "@continuedev/cli", 2_200, configure)

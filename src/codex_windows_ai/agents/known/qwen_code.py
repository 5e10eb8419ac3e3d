"""Qwen Code: a file of system settings, which stand above the user's own, and the environment."""

from __future__ import annotations

from pathlib import Path

from codex_windows_ai.agents.agent import Agent, Configuration, HostModel, write_json_file


def configure(model: HostModel, folder: Path) -> Configuration:
    """The host as the OpenAI-compatible service, with the model's window; nothing is reported or updated."""
    settings = {
        "security": {"auth": {"selectedType": "openai"}},
        "model": {"name": model.name, "generationConfig": {"contextWindowSize": model.window}},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {"enableAutoUpdate": False, "disableAutoUpdate": True},
    }
    return Configuration(
        {
            "OPENAI_BASE_URL": model.openai,
            "OPENAI_API_KEY": model.token,
            "OPENAI_MODEL": model.name,
            "QWEN_CODE_MAX_OUTPUT_TOKENS": str(model.output),
            "QWEN_CODE_SYSTEM_SETTINGS_PATH": str(write_json_file(folder / "settings.json", settings)),
            "QWEN_USAGE_STATISTICS_ENABLED": "false",
        },
        ("--auth-type", "openai", "--model", model.name),
    )


QWEN_CODE = Agent("qwen-code", "Qwen Code", "qwen", "@qwen-code/qwen-code", 18_600, configure)

"""Claude Code: all of it by the environment; it speaks Anthropic's API."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from codex_windows_ai.agents.agent import (
    PROVIDER,
    Agent,
    Configuration,
    HostModel,
    Lasting,
    Smaller,
    token_command,
)
from codex_windows_ai.client.proxies import around_proxies

# Every name by which it asks for a model, so that none goes to the host that the host does not serve.
_MODELS = (
    "ANTHROPIC_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "CLAUDE_CODE_SUBAGENT_MODEL",
)


def variables(model: HostModel) -> dict[str, str]:
    """All but the token. Both limits: told the window alone, it plans answers that are larger and sends nothing."""
    return {
        "ANTHROPIC_BASE_URL": model.url,
        **dict.fromkeys(_MODELS, model.name),
        "CLAUDE_CODE_MAX_CONTEXT_TOKENS": str(model.window),
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(model.output),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_AUTOUPDATER": "1",
    }


def configure(model: HostModel, folder: Path) -> Configuration:
    """The variables, and without those of the user's that lead to another service."""
    return Configuration(
        variables(model) | {"ANTHROPIC_AUTH_TOKEN": model.token},
        without=(
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_CUSTOM_HEADERS",
            "CLAUDE_CODE_USE_BEDROCK",
            "CLAUDE_CODE_USE_VERTEX",
            "CLAUDE_CODE_USE_FOUNDRY",
        ),
    )


def lasting(model: HostModel) -> Lasting:
    """A file of settings of its own, beside the user's; the token comes of a command, which starts a host."""
    folder = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")
    file = folder / f"{PROVIDER}.json"
    direct = around_proxies({}, host=urlsplit(model.url).hostname)
    value = {"apiKeyHelper": token_command(), "env": variables(model) | direct}
    return Lasting(file, value, f"claude --settings {file}")


CLAUDE_CODE = Agent(
    "claude-code",
    "Claude Code",
    "claude",
    "@anthropic-ai/claude-code",
    12_300,
    configure,
    Smaller("--bare", 1_200),
    lasting,
)

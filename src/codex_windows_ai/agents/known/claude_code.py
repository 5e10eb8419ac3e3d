"""Claude Code: all of it by the environment; it speaks Anthropic's API."""

from __future__ import annotations

from pathlib import Path

from codex_windows_ai.agents.agent import Agent, Configuration, HostModel, Smaller

# Every name by which it asks for a model, so that none goes to the host that the host does not serve.
_MODELS = (
    "ANTHROPIC_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "CLAUDE_CODE_SUBAGENT_MODEL",
)


def configure(model: HostModel, folder: Path) -> Configuration:
    """Both limits: told the window alone, it plans answers that are larger and sends nothing."""
    return Configuration(
        {
            "ANTHROPIC_BASE_URL": model.url,
            "ANTHROPIC_AUTH_TOKEN": model.token,
            **dict.fromkeys(_MODELS, model.name),
            "CLAUDE_CODE_MAX_CONTEXT_TOKENS": str(model.window),
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(model.output),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_AUTOUPDATER": "1",
        },
        without=(
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_CUSTOM_HEADERS",
            "CLAUDE_CODE_USE_BEDROCK",
            "CLAUDE_CODE_USE_VERTEX",
            "CLAUDE_CODE_USE_FOUNDRY",
        ),
    )


CLAUDE_CODE = Agent(
    "claude-code", "Claude Code", "claude", "@anthropic-ai/claude-code", 12_300, configure, Smaller("--bare", 1_300)
)

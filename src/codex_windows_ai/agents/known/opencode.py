"""opencode: a configuration in its environment, laid over the user's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from codex_windows_ai.agents.agent import (
    KEY_VARIABLE,
    PROVIDER,
    Agent,
    Configuration,
    HostModel,
    Lasting,
    config_folder,
)


def provider(model: HostModel, *, key: str) -> dict[str, Any]:
    """The host as a provider; `key` is how the configuration refers to the token."""
    return {
        "npm": "@ai-sdk/openai-compatible",
        "name": "This PC",
        "options": {"baseURL": model.openai, "apiKey": key},
        "models": {
            model.name: {
                "name": f"{model.name} (on this PC)",
                "tool_call": True,
                "limit": {"context": model.window, "output": model.output},
            }
        },
    }


def content(model: HostModel) -> str:
    """The host for answers and for titles; nothing is shared or updated."""
    chosen = f"{PROVIDER}/{model.name}"
    return json.dumps(
        {
            "provider": {PROVIDER: provider(model, key=f"{{env:{KEY_VARIABLE}}}")},
            "model": chosen,
            "small_model": chosen,
            "share": "disabled",
            "autoupdate": False,
        }
    )


def configure(model: HostModel, folder: Path) -> Configuration:
    """The provider, and no look-ups of catalogues, language servers and updates elsewhere."""
    return Configuration(
        {
            KEY_VARIABLE: model.token,
            "OPENCODE_CONFIG_CONTENT": content(model),
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        }
    )


def lasting(model: HostModel) -> Lasting:
    """The host as one more provider in the user's own file."""
    file = config_folder() / "opencode" / "opencode.json"
    start = f"opencode --model {PROVIDER}/{model.name}"
    return Lasting(file, provider(model, key=f"{{file:{model.token_file}}}"), start, ("provider", PROVIDER))


OPENCODE = Agent("opencode", "opencode", "opencode", "opencode-ai", 7_700, configure, lasting=lasting)

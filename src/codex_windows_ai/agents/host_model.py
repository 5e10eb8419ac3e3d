"""The model that an agent is told of: asked of the host, which is started where none runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from codex_windows_ai.agents.agent import Agent, HostModel
from codex_windows_ai.client.http import HostClient
from codex_windows_ai.client.starter import ensure_host
from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.models.progress import Progress
from codex_windows_ai.protocol.json_values import as_object
from codex_windows_ai.settings import Settings


async def ask_host_model(
    agent: Agent,
    settings: Settings | None = None,
    arguments: Sequence[str] = (),
    *,
    progress: Progress | None = None,
) -> HostModel:
    """The host's first model with a window, once it is loaded; Windows' own language model takes no agent's prompts.

    Raises as `ensure_host` does. NotAvailableError: the host serves no such model.
    """
    record = await ensure_host(settings, progress=progress)
    async with HostClient(record) as client:
        await client.authenticate()
        listed: object = (await client.get("/v1/models")).get("data")
    for entry in map(as_object, cast("list[object]", listed) if isinstance(listed, list) else []):
        name, window = entry.get("id"), entry.get("context_window")
        if isinstance(name, str) and isinstance(window, int):
            output = agent.output_tokens(window, arguments)
            return HostModel(record.url, record.read_token(), name, window, output, record.token_file)
    raise NotAvailableError(
        "The host serves no model for agents: Windows' own language model takes no tools and no long prompts.",
        hint="Set `provider` to `engine` or `auto`, then `cwai stop`.",
    )

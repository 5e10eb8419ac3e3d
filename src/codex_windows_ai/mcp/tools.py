"""The tools of this door, in the order in which agents see them."""

from __future__ import annotations

from codex_windows_ai.mcp.actions import invoke_action_tool, list_actions_tool
from codex_windows_ai.mcp.generate import generate_tool
from codex_windows_ai.mcp.machine import gpu_stats_tool, optimized_path_tool
from codex_windows_ai.mcp.runtime_access import RuntimeAccess
from codex_windows_ai.mcp.tool import Tool


def built_in_tools(runtime: RuntimeAccess) -> tuple[Tool, ...]:
    """What every host offers."""
    return (
        generate_tool(runtime),
        list_actions_tool(runtime),
        invoke_action_tool(runtime),
        gpu_stats_tool(),
        optimized_path_tool(runtime),
    )

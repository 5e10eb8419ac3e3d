"""Requests as the Codex CLI 0.169 sends them: its headers, its keys, its shapes of items and tools."""

from __future__ import annotations

import json
from typing import Any

SESSION = "01900000-0000-7000-8000-000000000001"
HEADERS = {
    "accept": "text/event-stream",
    "originator": "codex_exec",
    "user-agent": "codex_exec/0.169.0 (Linux; x86_64) xterm (codex_exec; 0.169.0)",
    "session-id": SESSION,
    "thread-id": SESSION,
    "x-client-request-id": SESSION,
    "x-codex-window-id": f"{SESSION}:0",
    "x-codex-beta-features": "remote_compaction_v2",
    "x-codex-turn-metadata": json.dumps({"request_kind": "turn", "thread_source": "user"}),
}

EXEC_COMMAND: dict[str, Any] = {
    "type": "function",
    "name": "exec_command",
    "description": "Runs a command in a PTY.",
    "strict": False,
    "parameters": {
        "type": "object",
        "properties": {
            "cmd": {"type": "string", "description": "Shell command to execute."},
            "login": {"type": "boolean"},
            "yield_time_ms": {"type": "number"},
            "prefix_rule": {"type": "array", "items": {"type": "string"}},
            "sandbox_permissions": {"type": "string", "enum": ["use_default", "require_escalated"]},
        },
        "required": ["cmd"],
        "additionalProperties": False,
    },
}
MCP_SERVER: dict[str, Any] = {
    "type": "namespace",
    "name": "mcp__windows_ai",
    "description": "The AI of this PC.",
    "tools": [
        {
            "type": "function",
            "name": "gpu_stats",
            "description": "Live figures of the GPU.",
            "strict": False,
            "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
        }
    ],
}
APPLY_PATCH: dict[str, Any] = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {
        "type": "grammar",
        "syntax": "lark",
        "definition": """start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?
hunk: add_hunk | delete_hunk
add_hunk: "*** Add File: " filename LF add_line+
delete_hunk: "*** Delete File: " filename LF
filename: /(.+)/
add_line: "+" /(.*)/ LF -> line
%import common.LF
""",
    },
}
WEB_SEARCH = {"type": "web_search", "external_web_access": False}


def message(role: str, text: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "id": f"msg_{abs(hash(text))}", "role": role, "content": [{"type": kind, "text": text}]}


OPENING = [
    message("developer", "You are a terse coding helper."),
    message("developer", "<permissions instructions>Read only.</permissions instructions>"),
    message("user", "<environment_context><cwd>/project</cwd></environment_context>"),
    message("user", "say hi"),
]


def turn(model: str, items: list[dict[str, Any]], *tools: dict[str, Any], **others: Any) -> dict[str, Any]:
    """The body of one turn."""
    return {
        "model": model,
        "stream": True,
        "input": items,
        "tools": list(tools),
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"summary": "auto"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": SESSION,
        "client_metadata": {"session_id": SESSION, "x-codex-turn-metadata": "{}"},
        **others,
    }

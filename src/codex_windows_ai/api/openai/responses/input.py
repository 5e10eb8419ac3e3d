"""The parameter `input` of the Responses API as a conversation, and the tools that come inside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from codex_windows_ai.api.shared.body import unknown_keys
from codex_windows_ai.api.shared.conversation import Conversation
from codex_windows_ai.api.shared.seal import ReasoningSeal
from codex_windows_ai.protocol.tools import ToolKind, qualified_name

_CALLS: dict[str, tuple[ToolKind, str]] = {
    "function_call": ("function", "arguments"),
    "custom_tool_call": ("custom", "input"),
}


_KNOWN = frozenset(
    {"type", "id", "status", "role", "content", "phase", "call_id", "tool_call_id", "name", "namespace"}
    | {"arguments", "input", "output", "caller", "async", "created_by"}
)
"""Fields of messages, calls and results that change nothing, or are read."""

_KINDS = frozenset({"message", *_CALLS, "function_call_output", "custom_tool_call_output"})

_RETURNED = {"code_interpreter_call": "outputs", "file_search_call": "results", "program_output": "result"}
"""Where an item of a type has what a tool returned, if not under `output`."""


def read_input(
    items: str | Sequence[dict[str, Any]], instructions: str | None = None, seal: ReasoningSeal | None = None
) -> tuple[Conversation, list[dict[str, Any]]]:
    """The conversation, and the tools of `additional_tools` items.

    Items that only another model, or only OpenAI's servers, can use are left out and named: a compaction, a search
    that was made there, what another model reasoned. What they returned is shown. Ids of items are not used. What a
    model of this host reasoned is known by its `seal`.
    """
    conversation, tools = Conversation(), list[dict[str, Any]]()
    if instructions:
        conversation.add_message("system", instructions, param="instructions")
    if isinstance(items, str):
        conversation.add_message("user", items, param="input")
        return conversation, tools
    for index, item in enumerate(items):
        param = f"input[{index}]"
        kind = str(item.get("type") or ("message" if "content" in item or "role" in item else "item_reference"))
        if kind in _KINDS:
            conversation.left_out += unknown_keys(item, _KNOWN, param)
        if kind == "message" and item.get("role") == "tool":  # as chat messages are
            call_id = item.get("tool_call_id", item.get("call_id"))
            conversation.add_result(call_id, item.get("content"), param=f"{param}.content")
        elif kind == "message":
            conversation.add_message(item.get("role"), item.get("content"), param=param)
        elif kind in _CALLS:
            _add_call(conversation, kind, item, param)
        elif kind == "reasoning" and seal and (thought := seal.open(item.get("encrypted_content"))) is not None:
            conversation.add_reasoning(thought, param=f"{param}: reasoning")
        elif kind == "additional_tools":
            offered = item.get("tools")
            tools += cast("list[dict[str, Any]]", offered) if isinstance(offered, list) else []
        else:
            _add_other(conversation, kind, item, param)
    return conversation, tools


def _add_call(conversation: Conversation, item_type: str, item: dict[str, Any], param: str) -> None:
    kind, body_name = _CALLS[item_type]
    name, namespace = item.get("name"), item.get("namespace")
    if not isinstance(name, str):
        conversation.leave_out(f"{param}: {item_type}")
        return
    name = qualified_name(name, namespace if isinstance(namespace, str) else None)
    conversation.add_call(kind, name, item.get(body_name), call_id=item.get("call_id"))


def _add_other(conversation: Conversation, kind: str, item: dict[str, Any], param: str) -> None:
    """What a call returned, of a function or of any other kind of tool; all else is left out."""
    if kind not in _KINDS:
        conversation.leave_out(f"{param}: {kind[:100]}")
    name = _RETURNED.get(kind, "output")
    if item.get(name) is not None or kind in _KINDS:
        conversation.add_result(item.get("call_id", item.get("id")), item.get(name), param=f"{param}.{name}")

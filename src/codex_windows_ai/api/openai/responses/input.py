"""The parameter `input` of the Responses API as a conversation, and the tools that come inside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from codex_windows_ai.api.openai.tools import read_tools
from codex_windows_ai.api.shared.conversation import Conversation, read_text
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.tools import Tool, ToolKind, qualified_name

_CALLS: dict[str, tuple[ToolKind, str]] = {
    "function_call": ("function", "arguments"),
    "custom_tool_call": ("custom", "input"),
}
_RESULTS = ("function_call_output", "custom_tool_call_output")


def read_input(
    items: str | Sequence[dict[str, Any]], instructions: str | None = None, *, without: Sequence[str] = ()
) -> tuple[Conversation, tuple[Tool, ...]]:
    """The conversation, and the tools of `additional_tools` items (types in `without` are left out).

    Reasoning items are left out: models here do not reason apart from their answers, so those come
    from another model and meant something to that one only. Ids of items are not used.

    Raises InvalidRequestError: an item of another type, malformed, or with content that is no text.
    """
    conversation, tools = Conversation(), list[Tool]()
    if instructions:
        conversation.add_message("system", instructions, param="instructions")
    if isinstance(items, str):
        conversation.add_message("user", items, param="input")
        return conversation, ()
    for index, item in enumerate(items):
        param = f"input[{index}]"
        kind = item.get("type", "message")
        if kind == "message":
            content = read_text(item.get("content"), param=f"{param}.content")
            conversation.add_message(_text(item, "role", param), content, param=param)
        elif kind in _CALLS:
            _add_call(conversation, kind, item, param)
        elif kind in _RESULTS:
            output = read_text(item.get("output"), param=f"{param}.output")
            conversation.add_result(_text(item, "call_id", param), output, param=param)
        elif kind == "additional_tools":
            tools += read_tools(cast("list[Any]", item.get("tools") or []), f"{param}.tools", without=without)
        elif kind != "reasoning":
            raise InvalidRequestError(
                f"`{param}` is of the type `{kind}`, which is not supported.",
                hint="Supported: message, function_call, custom_tool_call, their outputs, reasoning, additional_tools.",
                param=f"{param}.type",
            )
    return conversation, tuple(tools)


def _add_call(conversation: Conversation, item_type: str, item: dict[str, Any], param: str) -> None:
    kind, body_name = _CALLS[item_type]
    body = _text(item, body_name, param)
    namespace = item.get("namespace")
    name = qualified_name(_text(item, "name", param), namespace if isinstance(namespace, str) else None)
    conversation.add_call(kind, name, body, call_id=_text(item, "call_id", param))


def _text(item: dict[str, Any], name: str, param: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise InvalidRequestError(f"`{param}.{name}` must be text.", param=f"{param}.{name}")
    return value

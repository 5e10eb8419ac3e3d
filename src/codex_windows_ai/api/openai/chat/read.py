"""A chat request as a question to the model."""

from __future__ import annotations

from typing import Any, cast

from codex_windows_ai.api.openai.chat.request import ChatRequest, JsonObjectFormat, JsonSchemaFormat
from codex_windows_ai.api.openai.tools import tool_set_of
from codex_windows_ai.api.shared.body import unknown_keys
from codex_windows_ai.api.shared.conversation import Conversation
from codex_windows_ai.api.shared.endpoint import Question
from codex_windows_ai.api.shared.question import ANY_OBJECT, AnswerSchema, make_question
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.json_values import as_object
from codex_windows_ai.protocol.tools import ToolKind

_KNOWN = frozenset({"role", "content", "tool_calls", "tool_call_id", "function_call", "refusal", "name", "annotations"})
_THOUGHTS = ("reasoning_content", "reasoning")
"""Where an assistant's message has what was thought: as DeepSeek and llama.cpp call it, and as vLLM and OpenRouter."""

_BODIES: dict[ToolKind, str] = {"function": "arguments", "custom": "input"}


def read_chat(chat: ChatRequest, *, agent: str) -> Question:
    """What a request asks of the model.

    Raises InvalidRequestError: parameters that contradict each other, a message that is malformed or cannot be
    answered. InvalidGrammarError: a schema that cannot be followed.
    """
    if chat.top_logprobs and not chat.logprobs:
        raise InvalidRequestError("`top_logprobs` needs `logprobs` to be true.", param="top_logprobs")
    left_out: list[str] = []
    tools = tool_set_of(chat, chat.tools or (), left_out)
    return make_question(
        chat,
        _conversation(chat.messages),
        tools,
        left_out=left_out,
        schema=_schema(chat),
        top_logprobs=(chat.top_logprobs or 0) if chat.logprobs else None,
        agent=agent,
    )


def _schema(chat: ChatRequest) -> AnswerSchema | None:
    match chat.response_format:
        case JsonObjectFormat():
            return ANY_OBJECT
        case JsonSchemaFormat(json_schema=schema):
            return AnswerSchema(schema.definition, schema.strict or False, "response_format.json_schema.schema")
        case _:
            return None


def _conversation(messages: list[dict[str, Any]]) -> Conversation:
    """The messages; those of the roles "tool" and, as it was called before, "function" are results."""
    conversation = Conversation()
    for index, message in enumerate(messages):
        param, role = f"messages[{index}]", message.get("role")
        thought = _thought_in(message) if role == "assistant" else None
        conversation.left_out += unknown_keys(message, _KNOWN if thought is None else {*_KNOWN, *_THOUGHTS}, param)
        content = message.get("content")
        if role == "tool":
            conversation.add_result(message.get("tool_call_id"), content, param=f"{param}.content")
        elif role == "function":
            conversation.add_result(_legacy_id(message.get("name")), content, param=f"{param}.content")
        elif role == "assistant":
            content = message.get("refusal") if content is None else content
            conversation.add_reasoning(thought or "", param=f"{param}.reasoning_content")
            conversation.add_message(role, content, param=param)
            _add_calls(conversation, message, param)
        else:
            conversation.add_message(role, content, param=param)
    return conversation


def _thought_in(message: dict[str, Any]) -> str | None:
    """What was thought, which some servers say under both names; None where it is not said as text."""
    found = [message[name] for name in _THOUGHTS if message.get(name) is not None]
    return found[0] if found and all(isinstance(each, str) for each in found) else None


def _add_calls(conversation: Conversation, message: dict[str, Any], param: str) -> None:
    legacy = message.get("function_call")
    if legacy and not isinstance(legacy, dict):
        conversation.leave_out(f"{param}.function_call")
    elif legacy:
        name = cast("dict[str, Any]", legacy).get("name")
        _add_call(conversation, {"function": legacy, "id": _legacy_id(name)}, f"{param}.function_call")
    calls = message.get("tool_calls")
    if calls and not isinstance(calls, list):
        conversation.leave_out(f"{param}.tool_calls")
        return
    for index, call in enumerate(cast("list[object]", calls or ())):
        _add_call(conversation, as_object(call), f"{param}.tool_calls[{index}]")


def _add_call(conversation: Conversation, call: dict[str, Any], param: str) -> None:
    for kind, body in _BODIES.items():
        called = call.get(kind)
        if isinstance(called, dict):
            fields = cast("dict[str, Any]", called)
            if isinstance(name := fields.get("name"), str):
                conversation.add_call(kind, name, fields.get(body), call_id=call.get("id"))
                return
    conversation.leave_out(f"{param}: {call.get('type')}")


def _legacy_id(name: object) -> str:
    """A function that was called before calls had ids had one call at a time."""
    return f"function {name}"

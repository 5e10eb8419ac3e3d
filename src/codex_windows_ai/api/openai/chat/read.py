"""A chat request as a question to the model."""

from __future__ import annotations

from collections.abc import Sequence

from codex_windows_ai.api.openai.chat.request import (
    AssistantMessage,
    ChatMessage,
    ChatRequest,
    FunctionCall,
    JsonObjectFormat,
    JsonSchemaFormat,
    RefusalPart,
    TextPart,
    ToolMessage,
)
from codex_windows_ai.api.openai.tools import make_tool_set, read_tools
from codex_windows_ai.api.shared.body import unknown_fields
from codex_windows_ai.api.shared.conversation import Conversation
from codex_windows_ai.api.shared.endpoint import Question
from codex_windows_ai.chat.grammar import check_answer, json_grammar
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.message import Message
from codex_windows_ai.protocol.request import GenerationRequest


def read_chat(chat: ChatRequest, *, agent: str) -> Question:
    """What a request asks of the model.

    Raises InvalidRequestError: parameters that contradict each other, a tool's result without its
    call. InvalidGrammarError: a schema that cannot be followed.
    """
    _check_combinations(chat)
    # Field by field, without those that were not given, tools are what `read_tools` knows of both APIs.
    tools = read_tools([tool.model_dump(exclude_none=True) for tool in chat.tools or ()])
    choice = chat.tool_choice if isinstance(chat.tool_choice, str | None) else chat.tool_choice.model_dump()
    tool_set = make_tool_set(tools, choice, parallel=chat.parallel_tool_calls)
    text = _text_grammar(chat)
    request = GenerationRequest(
        messages=_messages(chat.messages),
        tools=tool_set,
        sampling=chat.sampling,
        max_output_tokens=chat.max_completion_tokens or chat.max_tokens,
        stop=chat.stop_strings,
        grammar=text,
        agent=agent,
        provider=chat.provider,
        top_logprobs=(chat.top_logprobs or 0) if chat.logprobs else None,
        model=chat.model,
    )
    return Question(request, {"left_out": unknown_fields(chat), "loosened": check_answer(tool_set, text)})


def _check_combinations(chat: ChatRequest) -> None:
    if chat.top_logprobs is not None and not chat.logprobs:
        raise InvalidRequestError("`top_logprobs` needs `logprobs` to be true.", param="top_logprobs")
    if chat.stream_options is not None and not chat.stream:
        raise InvalidRequestError("`stream_options` needs `stream` to be true.", param="stream_options")
    limits = {limit for limit in (chat.max_completion_tokens, chat.max_tokens) if limit is not None}
    if len(limits) > 1:
        raise InvalidRequestError(
            f"`max_tokens` ({chat.max_tokens}) and `max_completion_tokens` ({chat.max_completion_tokens}) differ.",
            hint="They mean the same; give one of them.",
            param="max_tokens",
        )


def _text_grammar(chat: ChatRequest) -> Grammar | None:
    match chat.response_format:
        case JsonObjectFormat():
            return json_grammar({"type": "object"})
        case JsonSchemaFormat(json_schema=schema):
            return json_grammar(schema.definition)
        case _:
            return None


def _messages(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    conversation = Conversation()
    calls: set[str] = set()
    for index, message in enumerate(messages):
        param = f"messages[{index}]"
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in calls:
                raise InvalidRequestError(
                    f"`{param}` is the result of the call `{message.tool_call_id}`, but no such call comes before it.",
                    hint="Send the assistant's message with its `tool_calls` as well.",
                    param=f"{param}.tool_call_id",
                )
            conversation.add_result(message.tool_call_id, _text(message.content), param=param)
        elif isinstance(message, AssistantMessage):
            text = _text(message.content if message.content is not None else message.refusal or "")
            conversation.add_message("assistant", text, param=param)
            for call in message.tool_calls or ():
                calls.add(call.id)
                if isinstance(call, FunctionCall):
                    conversation.add_call("function", call.function.name, call.function.arguments, call_id=call.id)
                else:
                    conversation.add_call("custom", call.custom.name, call.custom.input, call_id=call.id)
        else:
            conversation.add_message(message.role, _text(message.content), param=param)
    return conversation.messages()


def _text(content: str | Sequence[TextPart | RefusalPart]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text if isinstance(part, TextPart) else part.refusal for part in content)

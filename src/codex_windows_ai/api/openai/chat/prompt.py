"""A chat request as the engine takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

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
from codex_windows_ai.chat.conversation import Conversation
from codex_windows_ai.chat.grammar import answer_grammar, json_grammar
from codex_windows_ai.chat.parser import ToolParser
from codex_windows_ai.chat.schema import loosened
from codex_windows_ai.chat.tools import ToolSet, make_tool_set, read_tools
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.request import GenerationRequest, Grammar, Message, SamplingParameters

Value = TypeVar("Value")

# Smaller values keep the likeliest token alone, which this one does too.
_SMALLEST_TOP_P = 1e-6


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """What is asked of the engine, what its answer is to be read by, and which tools' schemas are `loosened`."""

    generation: GenerationRequest
    tool_set: ToolSet
    loosened: list[dict[str, str]]
    text_is_constrained: bool

    def parser(self) -> ToolParser:
        """A parser for the one answer."""
        return ToolParser(self.tool_set, text_is_constrained=self.text_is_constrained)


def read_chat(chat: ChatRequest, *, agent: str) -> ChatPrompt:
    """What a request asks of the engine.

    Raises InvalidRequestError: parameters that contradict each other, a tool's result without its
    call. InvalidGrammarError: a schema that cannot be followed.
    """
    _check_combinations(chat)
    # Field by field, without those that were not given, tools are what `read_tools` knows of both APIs.
    tools = read_tools([tool.model_dump(exclude_none=True) for tool in chat.tools or ()])
    choice = chat.tool_choice if isinstance(chat.tool_choice, str | None) else chat.tool_choice.model_dump()
    tool_set = make_tool_set(tools, choice, parallel=chat.parallel_tool_calls)
    text = _text_grammar(chat)
    generation = GenerationRequest(
        messages=_messages(chat.messages),
        tools=tool_set.offer,
        sampling=_sampling(chat),
        max_output_tokens=chat.max_completion_tokens or chat.max_tokens,
        stop=(chat.stop,) if isinstance(chat.stop, str) else tuple(chat.stop or ()),
        grammar=answer_grammar(tool_set, text),
        agent=agent,
        provider=chat.provider,
        top_logprobs=(chat.top_logprobs or 0) if chat.logprobs else None,
    )
    return ChatPrompt(generation, tool_set, loosened(tool_set), text_is_constrained=text is not None)


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


def _sampling(chat: ChatRequest) -> SamplingParameters:
    default = SamplingParameters()
    return SamplingParameters(
        temperature=_given(chat.temperature, default.temperature),
        top_p=max(_given(chat.top_p, default.top_p), _SMALLEST_TOP_P),
        top_k=_given(chat.top_k, default.top_k),
        min_p=_given(chat.min_p, default.min_p),
        repetition_penalty=_given(chat.repetition_penalty, default.repetition_penalty),
        presence_penalty=_given(chat.presence_penalty, default.presence_penalty),
        frequency_penalty=_given(chat.frequency_penalty, default.frequency_penalty),
        # OpenAI's seeds have a sign; the engine's are the same 64 bits without one.
        seed=None if chat.seed is None else chat.seed % 2**64,
    )


def _given(value: Value | None, default: Value) -> Value:
    return default if value is None else value


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

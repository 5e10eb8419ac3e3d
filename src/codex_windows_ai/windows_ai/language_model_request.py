"""A request in the words of Windows' own language model, and what of a request it cannot do."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from codex_windows_ai.errors import InvalidRequestError, UnsupportedRequestError
from codex_windows_ai.protocol.answer import Usage
from codex_windows_ai.protocol.message import Call, Message, Result, Text
from codex_windows_ai.protocol.request import GenerationRequest, SamplingParameters

__all__ = ["Prompt", "compose", "estimate_tokens", "estimate_usage", "utf16_length"]

# What JSON schemas may hold: Microsoft's page on structured output of the language model, 2026-07.
_SCHEMA_KEYWORDS = {"type", "properties", "required", "enum", "items"}
_ANNOTATIONS = {"title", "description", "$schema"}

_BYTES_A_TOKEN = 4
_SPEAKERS = {"user": "User", "assistant": "Assistant", "tool": "Tool"}


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is asked: the system prompt, the prompt, and the JSON schema of the answer, if any.

    Of the options None leaves Windows' own value.
    """

    text: str
    system: str
    json_schema: str | None
    temperature: float
    top_p: float
    top_k: int | None


def compose(request: GenerationRequest) -> Prompt:
    """The prompt of a request.

    The model takes one prompt at a time: an earlier conversation goes into it as a transcript.

    Raises UnsupportedRequestError: the request asks for something that the model cannot do.
    InvalidRequestError: it asks for nothing, or for what nobody can do.
    """
    unsupported = [what for asked, what in _CANNOT if asked(request)]
    if unsupported:
        raise UnsupportedRequestError(
            f"Windows' own language model has no {', '.join(unsupported)}.",
            hint="Leave that out, or let the engine answer: set `provider` to `auto` or `engine`.",
        )
    if request.max_output_tokens is not None and request.max_output_tokens < 1:
        raise InvalidRequestError(f"`max_output_tokens` must be at least 1; given: {request.max_output_tokens}.")
    if any(not stop for stop in request.stop):
        raise InvalidRequestError("A stop string must not be empty.", param="stop")
    if not any(message.text.strip() for message in request.messages):
        raise InvalidRequestError("The prompt is empty.", hint="Say what you want answered.")
    system = "\n\n".join(message.text for message in request.messages if message.role == "system")
    text = _transcript([message for message in request.messages if message.role != "system"])
    sampling = request.sampling
    greedy = sampling.temperature == 0
    return Prompt(
        text=text or system,
        system=system if text else "",
        json_schema=_checked_schema(request.grammar.definition) if request.grammar else None,
        temperature=sampling.temperature,
        top_p=1.0 if greedy else sampling.top_p,
        top_k=1 if greedy else sampling.top_k or None,
    )


def utf16_length(text: str) -> int:
    """The length of a text as Windows counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has; Windows does not tell."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / _BYTES_A_TOKEN)


def estimate_usage(prompt: Prompt, answer: str) -> Usage:
    """About what a request took; see `Usage.estimated`."""
    asked = estimate_tokens(prompt.system + prompt.text + (prompt.json_schema or ""))
    return Usage(input_tokens=asked, cached_tokens=0, output_tokens=estimate_tokens(answer), estimated=True)


def _transcript(messages: list[Message]) -> str:
    if len(messages) == 1 and messages[0].role == "user":
        return messages[0].text
    turns = [f"{_SPEAKERS[message.role]}: {_words(message)}" for message in messages]
    return "\n\n".join([*turns, "Assistant:"]) if turns else ""


def _words(message: Message) -> str:
    """What a turn says; a call is told of, so that its result has something to belong to."""
    words = [
        f"[{part.name}: {part.body}]" if isinstance(part, Call) else part.text
        for part in message.parts
        if isinstance(part, Text | Result | Call)
    ]
    return "\n".join(words)


def _checked_schema(definition: str) -> str:
    try:
        schema = json.loads(definition)
    except json.JSONDecodeError as error:
        raise InvalidRequestError(f"The JSON schema does not parse: {error}") from error
    unknown = sorted(_foreign_keywords(schema))
    if unknown:
        raise UnsupportedRequestError(
            f"Windows' own language model knows no {', '.join(f'`{word}`' for word in unknown)} in a JSON schema; "
            f"it knows {', '.join(sorted(_SCHEMA_KEYWORDS))}.",
            hint="Simplify the schema, or let the engine answer: set `provider` to `auto` or `engine`.",
        )
    return definition


def _foreign_keywords(schema: Any) -> set[str]:
    if not isinstance(schema, dict):
        return {str(schema).lower()}  # true and false are schemas as well
    keywords = cast("dict[str, Any]", schema)
    found = keywords.keys() - _SCHEMA_KEYWORDS - _ANNOTATIONS
    properties: dict[str, Any] = keywords.get("properties", {})
    items = [keywords["items"]] if "items" in keywords else []
    for inner in [*properties.values(), *items]:
        found |= _foreign_keywords(inner)
    return set(found)


def _differs(name: str) -> Callable[[GenerationRequest], bool]:
    default = getattr(SamplingParameters(), name)
    return lambda request: getattr(request.sampling, name) != default


_CANNOT: tuple[tuple[Callable[[GenerationRequest], bool], str], ...] = (
    (_differs("seed"), "seed"),
    (_differs("min_p"), "min-p"),
    (_differs("repetition_penalty"), "repetition penalty"),
    (_differs("presence_penalty"), "presence penalty"),
    (_differs("frequency_penalty"), "frequency penalty"),
    (lambda request: request.top_logprobs is not None, "log probabilities"),
    (lambda request: request.prompt_token_ids is not None, "prompts of token ids"),
    (lambda request: request.prompt_text is not None, "prompts without a conversation"),
    (lambda request: bool(request.tools.tools), "tools"),
    (lambda request: request.grammar is not None and request.grammar.kind != "json_schema", "grammars"),
    (
        lambda request: (
            request.grammar is not None
            and request.grammar.kind == "json_schema"
            and any(message.role == "system" for message in request.messages)
        ),
        "system prompt together with a JSON schema",
    ),
)

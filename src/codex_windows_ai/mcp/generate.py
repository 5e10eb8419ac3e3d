"""The tool `generate`: one prompt, one answer, by the model that all agents share."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import Field

from codex_windows_ai.chat.grammar import closest_json_grammar
from codex_windows_ai.errors import EngineError, InvalidRequestError
from codex_windows_ai.mcp.results import AnsweredBy, AnswerResult, TokenUsage
from codex_windows_ai.mcp.runtime_access import RuntimeAccess
from codex_windows_ai.mcp.tool import Arguments, Call, Tool, tool_annotations
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import GenerationRequest, Grammar, SamplingParameters
from codex_windows_ai.windows_ai.actions import messages_for
from codex_windows_ai.windows_ai.answer import Answer


class GenerateArguments(Arguments):
    """What `generate` takes."""

    prompt: str
    system: str | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    temperature: float = Field(default=0.0, ge=0.0, le=2.0, description="0: likeliest tokens")
    seed: int | None = Field(default=None, ge=0, description="makes the answer repeatable")
    json_schema: dict[str, Any] | None = Field(default=None, description="the answer is JSON of this schema")
    regex: str | None = Field(default=None, description="the answer matches this")
    lark: str | None = Field(default=None, description="the answer follows this Lark grammar")

    def grammar(self) -> tuple[Grammar | None, str]:
        """What the answer must match, and why that is not wholly the schema that was given.

        It compiles a schema: call it in a thread of its own. Raises InvalidRequestError: more than one grammar was
        given.
        """
        given = [name for name in ("json_schema", "regex", "lark") if getattr(self, name) is not None]
        if len(given) > 1:
            raise InvalidRequestError(
                f"An answer can follow one grammar; given were {', '.join(given)}.",
                hint="Give one of `json_schema`, `regex` and `lark`.",
            )
        if self.json_schema is not None:
            return closest_json_grammar(self.json_schema, strict=False)
        if self.regex is not None:
            return Grammar("regex", self.regex), ""
        return (Grammar("lark", self.lark) if self.lark is not None else None), ""


def generate_tool(runtime: RuntimeAccess) -> Tool:
    """The tool."""

    async def run(arguments: GenerateArguments, call: Call) -> AnswerResult:
        grammar, loosened = await asyncio.to_thread(arguments.grammar)
        request = GenerationRequest(
            messages=messages_for(None, arguments.prompt, arguments.system),
            sampling=SamplingParameters(temperature=arguments.temperature, seed=arguments.seed),
            max_output_tokens=arguments.max_output_tokens,
            grammar=grammar,
            agent=call.agent,
        )
        return await answer(runtime, request, call, loosened=loosened)

    return Tool(
        name="generate",
        title="Generate text on this PC",
        description="Answer a prompt with this PC's own small language model: private, offline, free.",
        arguments=GenerateArguments,
        run=run,
        result=AnswerResult,
        annotations=tool_annotations(read_only=True),
    )


async def answer(runtime: RuntimeAccess, request: GenerationRequest, call: Call, *, loosened: str = "") -> AnswerResult:
    """The whole answer to a request, whose schema was `loosened` for this reason.

    Leaving early, as a cancelled call does, ends it in the engine.
    """
    state = _State(runtime)
    async with call.progress(state.describe):
        given = state.answer = await (await runtime.open()).submit(request)
        try:
            async for delta in given:
                state.add(delta)
        finally:
            given.cancel()
    last = state.last
    if last is None or last.usage is None:
        raise EngineError("The answer ended without its figures.", hint="Ask again.")
    return AnswerResult(
        text="".join(state.pieces),
        finish_reason=last.finish_reason,
        usage=TokenUsage.of(last.usage),
        windows_ai=AnsweredBy.of(given.source, last.timings, loosened=loosened),
    )


class _State:
    """How far an answer is."""

    def __init__(self, runtime: RuntimeAccess) -> None:
        self.answer: Answer | None = None
        self.pieces: list[str] = []
        self.tokens = 0
        self.last: Delta | None = None
        self._runtime = runtime

    def add(self, delta: Delta) -> None:
        self.pieces.append(delta.text)
        self.tokens += len(delta.tokens)
        self.last = delta

    def describe(self) -> str:
        if self.answer is None:
            return self._runtime.describe_loading()
        if self.tokens:
            return f"{self.tokens} tokens"
        place = self.answer.queue_position
        return f"place {place} in the queue" if place else "reading the prompt"

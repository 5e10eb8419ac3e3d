"""A request of the Responses API as a question to the model."""

from __future__ import annotations

from codex_windows_ai.api.openai.responses.input import read_input
from codex_windows_ai.api.openai.responses.request import ResponsesRequest
from codex_windows_ai.api.openai.tools import tool_set_of
from codex_windows_ai.api.shared.endpoint import Question
from codex_windows_ai.api.shared.question import make_question
from codex_windows_ai.api.shared.seal import ReasoningSeal


def read_response(body: ResponsesRequest, *, agent: str, seal: ReasoningSeal | None = None) -> Question:
    """What a request asks of the model; checks all that can be checked without it.

    `seal` knows what models of this host thought.

    Raises InvalidRequestError: an item, a tool or a parameter that cannot be served. InvalidGrammarError: a schema
    that cannot be followed.
    """
    conversation, additional = read_input(body.input, body.instructions, seal)
    left_out: list[str] = []
    tools = tool_set_of(body, [*(body.tools or ()), *additional], left_out)
    return make_question(
        body,
        conversation,
        tools,
        left_out=left_out,
        schema=body.text.format.answer_schema if body.text and body.text.format else None,
        top_logprobs=body.wanted_logprobs,
        agent=agent,
    )

"""A request of the Responses API as a question to the model."""

from __future__ import annotations

from codex_windows_ai.api.openai.question import make_question
from codex_windows_ai.api.openai.responses.input import read_input
from codex_windows_ai.api.openai.responses.request import ResponsesRequest
from codex_windows_ai.api.shared.endpoint import Question


def read_response(body: ResponsesRequest, *, agent: str) -> Question:
    """What a request asks of the model; checks all that can be checked without it.

    Raises InvalidRequestError: an item, a tool or a parameter that cannot be served. InvalidGrammarError: a schema
    that cannot be followed.
    """
    conversation, additional = read_input(body.input, body.instructions)
    return make_question(
        body,
        conversation,
        [*(body.tools or ()), *additional],
        schema=body.text.format.answer_schema if body.text and body.text.format else None,
        top_logprobs=body.wanted_logprobs,
        agent=agent,
    )

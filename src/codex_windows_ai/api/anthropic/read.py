"""A request of the Messages API as a question to the model."""

from __future__ import annotations

from typing import cast

from codex_windows_ai.api.anthropic.content import read_messages, referenced_tools
from codex_windows_ai.api.anthropic.request import MessagesRequest
from codex_windows_ai.api.anthropic.tools import make_tool_set, read_tools
from codex_windows_ai.api.shared.endpoint import Question
from codex_windows_ai.api.shared.question import AnswerSchema, make_question
from codex_windows_ai.api.shared.seal import ReasoningSeal
from codex_windows_ai.protocol.json_values import as_object


def read_request(body: MessagesRequest, *, agent: str, seal: ReasoningSeal) -> Question:
    """What a request asks of the model; `seal` knows what models of this host thought.

    Raises InvalidRequestError: a message, a tool or a parameter that cannot be served. InvalidGrammarError: a schema
    that cannot be followed.
    """
    left_out = _edits(body.context_management)
    chosen = as_object(body.tool_choice).get("name")
    tools = read_tools(body.tools or (), left_out, referenced_tools(body.messages) | {str(chosen)})
    return make_question(
        body,
        read_messages(body.messages, body.system, seal),
        make_tool_set(tools, body.tool_choice, parallel=body.parallel_tool_calls),
        left_out=left_out,
        schema=AnswerSchema(body.answer_format.definition) if body.answer_format else None,
        agent=agent,
    )


def _edits(context_management: object) -> list[str]:
    """What is asked to be taken out of the conversation, and is not: nothing is ever shortened here.

    Thoughts go back to where the model's template takes them, whatever is asked.
    """
    edits: object = as_object(context_management).get("edits")
    listed = cast("list[object]", edits) if isinstance(edits, list) else []
    kinds = [str(as_object(edit).get("type"))[:100] for edit in listed]
    return [f"context_management.edits[]: {kind}" for kind in kinds if not kind.startswith("clear_thinking")]

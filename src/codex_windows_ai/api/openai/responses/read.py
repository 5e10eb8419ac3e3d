"""A request of the Responses API as a question to the model."""

from __future__ import annotations

from codex_windows_ai.api.openai.responses.input import read_input
from codex_windows_ai.api.openai.responses.request import ResponsesRequest
from codex_windows_ai.api.openai.tools import make_tool_set, read_tools
from codex_windows_ai.api.shared.body import unknown_fields
from codex_windows_ai.api.shared.endpoint import Question
from codex_windows_ai.api.shared.profiles import ClientProfile
from codex_windows_ai.chat.grammar import check_answer
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.request import GenerationRequest


def read_response(body: ResponsesRequest, *, agent: str, profile: ClientProfile) -> Question:
    """What a request asks of the model; checks all that can be checked without it.

    Raises InvalidRequestError: an item, a tool or a parameter that cannot be served. InvalidGrammarError: a schema
    that cannot be followed.
    """
    without = profile.left_out_tools
    left_out = [f"tools: {tool['type']}" for tool in body.tools or [] if tool.get("type") in without]
    left_out += _verbosity_left_out(body, profile)
    conversation, additional = read_input(body.input, body.instructions, without=without)
    tools = read_tools(body.tools or [], without=without) + additional
    tool_set = make_tool_set(tools, body.tool_choice, parallel=body.parallel_tool_calls)
    text = body.text.format.grammar if body.text and body.text.format else None
    request = GenerationRequest(
        messages=conversation.messages(),
        tools=tool_set,
        sampling=body.sampling,
        max_output_tokens=body.max_output_tokens,
        stop=body.stop_strings,
        grammar=text,
        agent=agent,
        provider=body.provider,
        top_logprobs=body.wanted_logprobs,
        model=body.model,
    )
    left_out += unknown_fields(body)
    return Question(request, {"left_out": left_out, "loosened": check_answer(tool_set, text)})


def _verbosity_left_out(body: ResponsesRequest, profile: ClientProfile) -> list[str]:
    if body.text is None or body.text.verbosity in (None, "medium"):
        return []
    if not profile.ignores_verbosity:
        raise InvalidRequestError(
            "`text.verbosity` is not supported here: models on this PC have no such setting.",
            hint="Leave it out, and say in the prompt how long the answer should be.",
            param="text.verbosity",
        )
    return ["text.verbosity"]

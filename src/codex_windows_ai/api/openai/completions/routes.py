"""POST /v1/completions."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from codex_windows_ai.api.openai.completions.read import read_completion
from codex_windows_ai.api.openai.completions.request import NOT_SUPPORTED, CompletionRequest
from codex_windows_ai.api.openai.completions.writer import CompletionsWriter
from codex_windows_ai.api.shared.body import read_body
from codex_windows_ai.api.shared.endpoint import respond
from codex_windows_ai.api.shared.identity import agent_of
from codex_windows_ai.api.shared.several import together
from codex_windows_ai.serving.desk import Desk


async def create_completion(request: Request) -> Response:
    """Goes on from texts as they are."""
    desk: Desk = request.app.state.desk
    body = await read_body(request, CompletionRequest, not_supported=NOT_SUPPORTED)
    questions = read_completion(body, agent=agent_of(request))
    writer = CompletionsWriter(
        body.model,
        [question.request.prompt_text or "" if body.echo else "" for question in questions],
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        logprobs=body.logprobs is not None,
        remarks=questions[0].remarks,
    )
    answers = [
        desk.generate(question.request, operation="completions", on_source=writer.answered_by) for question in questions
    ]
    return await respond(request, together(answers), writer, stream=bool(body.stream))


routes = [Route("/v1/completions", create_completion, methods=["POST"])]

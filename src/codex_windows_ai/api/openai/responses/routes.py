"""POST /v1/responses."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from codex_windows_ai.api.openai.body import NOT_SUPPORTED
from codex_windows_ai.api.openai.responses.read import read_response
from codex_windows_ai.api.openai.responses.request import ResponsesRequest
from codex_windows_ai.api.openai.responses.response import new_response
from codex_windows_ai.api.openai.responses.writer import ResponseWriter
from codex_windows_ai.api.shared.body import read_body
from codex_windows_ai.api.shared.endpoint import answer
from codex_windows_ai.api.shared.identity import agent_of
from codex_windows_ai.api.shared.profiles import profile_of
from codex_windows_ai.protocol.large_requests import beside


async def create_response(request: Request) -> Response:
    """Answers one request, as a stream or in one piece."""
    body = await read_body(request, ResponsesRequest, not_supported=NOT_SUPPORTED)
    profile, seal = profile_of(request), request.app.state.seal
    question = await beside(len(await request.body()), read_response, body, agent=agent_of(request), seal=seal)
    writer = ResponseWriter(
        new_response(body),
        summarises=body.wanted_summary is not None,
        seal=seal if body.wants_sealed_reasoning else None,
        completes_cut_text=profile.completes_cut_text,
        logprobs=body.wanted_logprobs is not None,
        remarks=question.remarks,
    )
    return await answer(request, question, writer, operation="responses", stream=bool(body.stream))


routes = [Route("/v1/responses", create_response, methods=["POST"])]

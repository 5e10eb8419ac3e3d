"""POST /v1/messages and /v1/messages/count_tokens."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from codex_windows_ai.api.anthropic.errors import PATH
from codex_windows_ai.api.anthropic.read import read_request
from codex_windows_ai.api.anthropic.request import MessagesRequest
from codex_windows_ai.api.anthropic.writer import MessageWriter
from codex_windows_ai.api.shared.body import read_body
from codex_windows_ai.api.shared.endpoint import Question, answer
from codex_windows_ai.api.shared.identity import agent_of
from codex_windows_ai.errors import ContentFilteredError
from codex_windows_ai.protocol.large_requests import beside
from codex_windows_ai.serving.desk import Desk


async def create_message(request: Request) -> Response:
    """Continues a conversation."""
    body, question = await _read(request)
    writer = MessageWriter(
        body.model,
        seal=request.app.state.seal,
        limit=body.output_limit,
        shows_thoughts=body.shows_thoughts,
        only_reads=body.only_reads,
        remarks=question.remarks,
    )
    try:
        return await answer(request, question, writer, operation="messages", stream=bool(body.stream))
    except ContentFilteredError as error:  # in this API an answer, and no error
        writer.fail(error)
        return Response(writer.whole(), media_type="application/json")


async def count_tokens(request: Request) -> Response:
    """Counts what a conversation would be read as, tools and all."""
    desk: Desk = request.app.state.desk
    _, question = await _read(request)
    return JSONResponse({"input_tokens": await desk.count_tokens(question.request)})


async def _read(request: Request) -> tuple[MessagesRequest, Question]:
    body = await read_body(request, MessagesRequest, not_supported={})
    seal = request.app.state.seal
    question = await beside(len(await request.body()), read_request, body, agent=agent_of(request), seal=seal)
    return body, question


routes = [
    Route(PATH, create_message, methods=["POST"]),
    Route(f"{PATH}/count_tokens", count_tokens, methods=["POST"]),
]

"""POST /v1/chat/completions."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from codex_windows_ai.api.openai.body import NOT_SUPPORTED
from codex_windows_ai.api.openai.chat.read import read_chat
from codex_windows_ai.api.openai.chat.request import ChatRequest
from codex_windows_ai.api.openai.chat.writer import CompletionWriter
from codex_windows_ai.api.shared.body import read_body
from codex_windows_ai.api.shared.endpoint import answer
from codex_windows_ai.api.shared.identity import agent_of
from codex_windows_ai.protocol.large_requests import beside


async def create_chat_completion(request: Request) -> Response:
    """Continues a conversation."""
    chat = await read_body(request, ChatRequest, not_supported=NOT_SUPPORTED)
    question = await beside(len(await request.body()), read_chat, chat, agent=agent_of(request))
    writer = CompletionWriter(
        chat.model,
        stream=bool(chat.stream),
        include_usage=bool(chat.stream_options and chat.stream_options.include_usage),
        logprobs=bool(chat.logprobs),
        remarks=question.remarks,
    )
    return await answer(request, question, writer, operation="chat", stream=bool(chat.stream))


routes = [Route("/v1/chat/completions", create_chat_completion, methods=["POST"])]

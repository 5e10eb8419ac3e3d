"""An answer over HTTP as a client of ours reads it: who gives it, then its pieces."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from codex_windows_ai.client.http import HostClient
from codex_windows_ai.errors import HostError, HostUnreachableError, InvalidRequestError
from codex_windows_ai.protocol.answer import Delta, FinishReason, Timings, Usage
from codex_windows_ai.protocol.request import GenerationRequest, SamplingParameters
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.wire_errors import error_from_body

_PATH = "/v1/responses"
_NOT_CARRIED = ("prompt_token_ids", "grammar", "deadline", "top_logprobs", "tools")


async def stream_answer(
    client: HostClient, request: GenerationRequest, *, model: str, cancel: asyncio.Event | None = None
) -> AsyncGenerator[AnswerSource | Delta]:
    """Who answers, then the answer's pieces; the last has its finish reason, usage and timings.

    Setting `cancel` ends the answer with the finish reason "cancelled"; closing the generator
    cancels it, too. `request.agent` is not sent: the host goes by the client's own name.

    Raises what the host says was wrong; HostUnreachableError: it died, or does not answer any more.
    """
    canceller = asyncio.create_task(_cancel_on(cancel, client)) if cancel else None
    told = False
    try:
        async with aclosing(client.stream(_PATH, _body(request, model))) as events:
            async for event in events:
                response = cast("dict[str, Any]", event.get("response") or {})
                if not told and "windows_ai" in response:
                    told = True
                    yield _source(response["windows_ai"])
                if (delta := _delta(event, response)) is not None:
                    yield delta
                    if delta.finish_reason is not None:
                        return
    finally:
        if canceller:
            canceller.cancel()
    raise HostUnreachableError("The host's answer broke off before its end.", hint="Ask again.")


async def _cancel_on(cancel: asyncio.Event, client: HostClient) -> None:
    await cancel.wait()
    await client.post("/cancel", {})


def _body(request: GenerationRequest, model: str) -> dict[str, Any]:
    """The request as POST /v1/responses takes it; sampling parameters only where they are not the default."""
    for name in _NOT_CARRIED:
        if getattr(request, name, None) not in (None, ()):
            raise InvalidRequestError(f"`{name}` cannot be sent to the host over HTTP.", param=name)
    default = SamplingParameters()
    for name in SamplingParameters.__slots__:
        value = getattr(request.sampling, name)
        if value is not None and not math.isfinite(value):  # JSON has no such numbers
            raise InvalidRequestError(f"`{name}` must be a number, found {value}.", param=name)
    sampling = {name: getattr(request.sampling, name) for name in SamplingParameters.__slots__}
    body: dict[str, Any] = {name: value for name, value in sampling.items() if value != getattr(default, name)}
    body |= {"model": model, "stream": True, "store": False}
    body["input"] = [
        {"type": "message", "role": message.role, "content": message.content} for message in request.messages
    ]
    if request.max_output_tokens is not None:
        body["max_output_tokens"] = request.max_output_tokens
    if request.provider is not None:
        body["provider"] = request.provider
    if request.stop:
        body["stop"] = list(request.stop)
    return body


def _delta(event: dict[str, Any], response: dict[str, Any]) -> Delta | None:
    """What an event adds to the answer. Raises the error of an answer that failed."""
    match event.get("type"):
        case "response.output_text.delta":
            return Delta(text=str(event["delta"]))
        case "response.completed" | "response.incomplete":
            return _last(response)
        case "response.failed":
            raise error_from_body(response) or HostError("The host's answer failed.")
        case "error":
            raise error_from_body({"error": event}) or HostError("The host's answer failed.")
        case _:
            return None


def _last(response: dict[str, Any]) -> Delta:
    cut = cast("dict[str, Any]", response.get("incomplete_details") or {}).get("reason")
    reasons: dict[Any, FinishReason] = {None: "stop", "cancelled": "cancelled"}
    try:
        used, described = response["usage"], response["windows_ai"]
        spent, guessed = described["timings_ms"], described["speculation"]
        return Delta(
            finish_reason=reasons.get(cut, "length"),
            usage=Usage(
                used["input_tokens"],
                used["input_tokens_details"]["cached_tokens"],
                used["output_tokens"],
                estimated=described.get("usage_estimated", False),
            ),
            timings=Timings(
                **{name: spent[name] for name in ("queue", "prefill", "decode", "total")},
                drafted=guessed["drafted"],
                accepted=guessed["accepted"],
            ),
        )
    except (LookupError, TypeError) as error:
        raise HostError(f"The host's answer ended without its figures ({error!r}).") from error


def _source(described: dict[str, Any]) -> AnswerSource:
    refused = tuple((entry["provider"], entry["reason"]) for entry in described["refused"])
    names = ("provider", "device", "execution_provider", "model", "transport")
    return AnswerSource(**{name: described[name] for name in names}, refused=refused)

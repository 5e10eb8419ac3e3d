"""The response object, as it is at the start of an answer, and at its end.

Format: https://platform.openai.com/docs/api-reference/responses/object; the key `windows_ai` is
ours and says who answered.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from codex_windows_ai.api.openai.responses.request import ResponsesRequest
from codex_windows_ai.protocol.answer import Usage


def new_id(prefix: str) -> str:
    """An id that no other object has."""
    return f"{prefix}_{uuid.uuid4().hex}"


def new_response(body: ResponsesRequest) -> dict[str, Any]:
    """The response to a request before anything was said: its parameters, with the values that hold."""
    sampling = body.sampling
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "completed_at": None,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": body.model,
        "instructions": body.instructions,
        "output": [],
        "usage": None,
        "tools": [_tool(tool) for tool in body.tools or []],
        "tool_choice": body.tool_choice or "auto",
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "text": {"format": _format(body), "verbosity": None},
        "reasoning": {
            "effort": body.asked_effort,
            "summary": body.wanted_summary,
        },
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "top_logprobs": body.top_logprobs or 0,
        "max_output_tokens": body.output_limit,
        "max_tool_calls": body.max_tool_calls,
        "truncation": "disabled",
        "previous_response_id": None,
        "store": False,
        "background": False,
        "service_tier": "default",
        "metadata": body.metadata or {},
        "safety_identifier": body.safety_identifier,
        "prompt_cache_key": body.prompt_cache_key,
        "user": body.user,
    }


def usage_object(usage: Usage) -> dict[str, Any]:
    """Exact token counts; Codex decides by `total_tokens` when to shorten a conversation."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.written_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool as it was offered; a function with all the keys that OpenAI's type has."""
    defaults = {"description": None, "parameters": None, "strict": None} if tool.get("type") == "function" else {}
    return {**defaults, **tool}


def _format(body: ResponsesRequest) -> dict[str, Any]:
    given = body.text.format if body.text else None
    if given is None or given.type != "json_schema":
        return {"type": given.type if given else "text"}
    return {
        "type": "json_schema",
        "name": given.name or "",
        "description": given.description,
        "schema": given.definition,
        "strict": given.strict,
    }

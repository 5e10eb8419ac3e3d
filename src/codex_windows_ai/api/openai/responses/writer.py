"""An answer as the ordered events of a Responses stream.

Format: https://platform.openai.com/docs/api-reference/responses-streaming. Every item is opened,
filled and closed before the next one.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from typing import Any

from codex_windows_ai.api.openai.responses.reasoning import ReasoningItem
from codex_windows_ai.api.openai.responses.response import new_id, usage_object
from codex_windows_ai.api.shared import endpoint
from codex_windows_ai.api.shared.logprobs import ContentLogprobs
from codex_windows_ai.api.shared.seal import ReasoningSeal
from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.answer import (
    AnswerPart,
    CallBegun,
    CallEnded,
    CallPiece,
    Delta,
    ReasoningPiece,
    TextPiece,
)
from codex_windows_ai.protocol.answered_by import answered_by
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.tools import ToolName
from codex_windows_ai.protocol.wire_errors import error_body

_Event = dict[str, Any]

_CALL_EVENTS = {
    "function": ("fc", "function_call", "arguments", "response.function_call_arguments"),
    "custom": ("ctc", "custom_tool_call", "input", "response.custom_tool_call_input"),
}


class ResponseWriter:
    """The events of one response; `response` is the object they are about, always as it is now.

    `remarks` on what is not done as asked stand in the answer under `windows_ai`. What the model thinks is told as a
    summary (`summarises`) or as it is, with a `seal` for a client that sends it back.

    OpenAI's clients expect an answer that was cut off to end with `response.incomplete`. One that takes that as a
    failed turn and shows nothing of the answer (`completes_cut_text`) gets text that was cut off as
    `response.completed`; `incomplete_details` says so all the same. A call that was cut off still fails the turn,
    and is not handed to it: half a command must not run.
    """

    def __init__(
        self,
        response: dict[str, Any],
        *,
        summarises: bool = False,
        seal: ReasoningSeal | None = None,
        completes_cut_text: bool = False,
        logprobs: bool = False,
        remarks: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        self.response = response
        self._source: AnswerSource | None = None
        self._remarks = remarks
        self._logprobs = ContentLogprobs() if logprobs else None
        self._summarises, self._seal = summarises, seal
        self._completes_cut_text = completes_cut_text
        self._sent = 0
        self._item: _Event | None = None
        """What is open: a message or a call."""
        self._reasoning: ReasoningItem | None = None
        """What is open: thoughts."""
        self._half_call = False

    def answered_by(self, source: AnswerSource) -> None:
        """Says who answers, and what of the request is not done as asked."""
        self._source = source
        self.response["windows_ai"] = answered_by(source, remarks=self._remarks)

    def begin(self) -> list[endpoint.Event]:
        """The first events, before any work."""
        return self._numbered([self._about_response("created"), self._about_response("in_progress")])

    def heartbeat(self) -> list[endpoint.Event]:
        """Says that the answer is still being worked on."""
        return self._numbered([self._about_response("in_progress")])

    def add(self, delta: Delta) -> list[endpoint.Event]:
        """What a piece of the answer brings; the last piece has its end too."""
        if self._logprobs is not None:
            self._logprobs.push(delta.tokens)
        events = [event for part in delta.pieces for event in self._add_part(part)]
        if delta.finish_reason is not None:
            events += self._finish(delta, cut=delta.finish_reason != "stop")
        return self._numbered(events)

    def whole(self) -> dict[str, Any]:
        """The response."""
        return self.response

    def _numbered(self, events: list[_Event]) -> list[endpoint.Event]:
        """The events with their names and their place in the stream."""
        first, self._sent = self._sent, self._sent + len(events)
        return [(event["type"], {**event, "sequence_number": first + n}) for n, event in enumerate(events)]

    def fail(self, error: WindowsAiError) -> list[endpoint.Event]:
        """The end of an answer that failed after its stream began."""
        described = error_body(error)["error"]
        self.response["status"] = "failed"
        self.response["error"] = {"code": described["code"], "message": described["message"]}
        return self._numbered([self._about_response("failed")])

    def _finish(self, delta: Delta, *, cut: bool) -> list[_Event]:
        events = self._close_reasoning(status="incomplete" if cut else "completed")
        if self._item is None and all(item["type"] == "reasoning" for item in self.response["output"]):
            events += self._open_message()
        events += self._close_message(status="incomplete" if cut else "completed")
        failed_cut = cut and (self._half_call or not self._completes_cut_text)
        if cut:
            self.response["incomplete_details"] = {
                "reason": "cancelled" if delta.finish_reason == "cancelled" else "max_output_tokens"
            }
        if delta.usage:
            self.response["usage"] = usage_object(delta.usage)
        if self._source:
            self.response["windows_ai"] = answered_by(self._source, delta, remarks=self._remarks)
        self.response["status"] = "incomplete" if failed_cut else "completed"
        self.response["completed_at"] = None if failed_cut else int(time.time())
        return [*events, self._about_response("incomplete" if failed_cut else "completed")]

    def _add_part(self, part: AnswerPart) -> list[_Event]:
        match part:
            case TextPiece(text):
                opened = self._open_message() if self._item is None else []
                return [*opened, self._add_text(text)]
            case CallBegun(tool):
                closed = [*self._close_reasoning(status="completed"), *self._close_message(status="completed")]
                return [*closed, self._open_call(tool, part.call_id or new_id("call"))]
            case CallPiece(text):
                return [self._add_to_call(text)]
            case CallEnded(_, body, complete):
                return self._close_call(body, complete=complete)
            case ReasoningPiece(text):
                return self._add_reasoning(text)

    def _add_reasoning(self, text: str) -> list[_Event]:
        events = self._close_message(status="completed")
        if self._reasoning is None:
            self._reasoning = ReasoningItem(new_id("rs"), summarises=self._summarises, seal=self._seal)
            events += [self._about_item(name, **said) for name, said in self._reasoning.open()]
        name, said = self._reasoning.add(text)
        return [*events, self._about_item(name, **said)]

    def _close_reasoning(self, *, status: str) -> list[_Event]:
        """Closes the thoughts that are open, if there are any."""
        if self._reasoning is None:
            return []
        events = [self._about_item(name, **said) for name, said in self._reasoning.close(status=status)]
        self.response["output"].append(self._reasoning.item)
        self._reasoning = None
        return events

    def _open_message(self) -> list[_Event]:
        closed = self._close_reasoning(status="completed")
        self._item = {
            "id": new_id("msg"),
            "type": "message",
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
        opened = self._about_item("response.output_item.added", item=self._item)
        part: _Event = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        self._item["content"].append(part)
        return [*closed, opened, self._about_text("response.content_part.added", part=part)]

    def _add_text(self, text: str) -> _Event:
        logprobs = [] if self._logprobs is None else self._logprobs.pop(text)
        part = self._current["content"][0]
        part["text"] += text
        part["logprobs"] += logprobs
        return self._about_text("response.output_text.delta", delta=text, logprobs=logprobs)

    def _close_message(self, *, status: str) -> list[_Event]:
        """Closes the message that is open, if there is one."""
        if self._item is None:
            return []
        part = self._item["content"][0]
        self._item["status"] = status
        events = [
            self._about_text("response.output_text.done", text=part["text"], logprobs=part["logprobs"]),
            self._about_text("response.content_part.done", part=part),
            self._about_item("response.output_item.done", item=self._item),
        ]
        self._keep_item()
        return events

    def _open_call(self, tool: ToolName, call_id: str) -> _Event:
        prefix, item_type, body_name, _ = _CALL_EVENTS[tool.kind]
        namespace = {"namespace": tool.namespace} if tool.namespace else {}
        self._item = {
            "id": new_id(prefix),
            "type": item_type,
            "status": "in_progress",
            "call_id": call_id,
            "name": tool.name,
            **namespace,
            body_name: "",
        }
        self._kind = tool.kind
        return self._about_item("response.output_item.added", item=self._item)

    def _add_to_call(self, text: str) -> _Event:
        return self._about_item(f"{_CALL_EVENTS[self._kind][3]}.delta", item_id=self._current["id"], delta=text)

    def _close_call(self, body: str, *, complete: bool) -> list[_Event]:
        _, _, body_name, event = _CALL_EVENTS[self._kind]
        item = self._current
        item[body_name] = body
        item["status"] = "completed" if complete else "incomplete"
        named = {"name": item["name"]} if self._kind == "function" else {}
        done = self._about_item(f"{event}.done", item_id=item["id"], **named, **{body_name: body})
        closed = self._about_item("response.output_item.done", item=item)
        self._keep_item()
        if complete:
            return [done, closed]
        self._half_call = True
        return [] if self._completes_cut_text else [done, closed]

    @property
    def _current(self) -> _Event:
        assert self._item is not None  # noqa: S101  # a part belongs to the item that was opened before it
        return self._item

    def _keep_item(self) -> None:
        self.response["output"].append(self._current)
        self._item = None

    def _about_response(self, name: str) -> _Event:
        return {"type": f"response.{name}", "response": copy.deepcopy(self.response)}

    def _about_item(self, event: str, /, **fields: Any) -> _Event:
        return {"type": event, "output_index": len(self.response["output"]), **copy.deepcopy(fields)}

    def _about_text(self, event: str, /, **fields: Any) -> _Event:
        return self._about_item(event, item_id=self._current["id"], content_index=0, **fields)

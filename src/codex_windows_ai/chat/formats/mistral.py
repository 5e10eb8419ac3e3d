"""How Mistral's models talk: `[TOOL_CALLS]`, then a call.

It is written as the model's template does, in one of three ways:

    [TOOL_CALLS]read_file[ARGS]{"path": "a.txt"}                                       again for each call
    [TOOL_CALLS]read_file[CALL_ID]k3x9f0a2b[ARGS]{"path": "a.txt"}                     again for each call
    [TOOL_CALLS][{"name": "read_file", "arguments": {"path": "a.txt"}, "id": "k3x9f0a2b"}]       all in one list

What a custom tool takes stands in the first two in place of the arguments.
"""

from __future__ import annotations

import json

from codex_windows_ai.chat.call_style import PROBE, PROBE_ARGUMENTS, PROBE_ID
from codex_windows_ai.chat.json_calls import JsonForm, JsonFormat
from codex_windows_ai.chat.template import ChatTemplate
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.protocol.message import Call

MARKER = "[TOOL_CALLS]"
_ARGUMENTS, _IDENTIFIED = "[ARGS]", "[CALL_ID]"

PLAIN = JsonForm(MARKER, lambda name: (f"{name}{_ARGUMENTS}",), separator=MARKER, custom_as_text=True)
WITH_ID = JsonForm(MARKER, lambda name: (f"{name}{_IDENTIFIED}", _ARGUMENTS), separator=MARKER, custom_as_text=True)
LIST = JsonForm(
    MARKER, lambda name: (f'{{"name": "{name}", "arguments": ',), ("}",), before="[", separator=", ", close="]"
)
LIST_WITH_ID = JsonForm(
    MARKER, lambda name: (f'{{"name": "{name}", "arguments": ',), (', "id": "', '"}'), before="[", separator=", ",
    close="]",
)  # fmt: skip
FORMS = (PLAIN, WITH_ID, LIST, LIST_WITH_ID)


class Mistral(JsonFormat):
    """The format, in the way that the template writes."""

    name = "mistral"
    markers = (MARKER,)
    control = (_ARGUMENTS, _IDENTIFIED)

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer) -> None:
        self.form = _form(template.calls.written) or PLAIN
        self.custom_as_text = self.form.custom_as_text
        super().__init__(template, tokenizer)

    @classmethod
    def written_in(cls, written: str) -> bool:
        """As all formats."""
        return _form(written) is not None

    @classmethod
    def opening(cls, name: str) -> str:
        """As all formats."""
        return MARKER


def _form(written: str) -> JsonForm | None:
    """The way in which the probe is written."""
    written = written.replace(f"{MARKER} [", f"{MARKER}[")
    call = Call("function", PROBE, json.dumps(PROBE_ARGUMENTS), PROBE_ID)
    return next((form for form in FORMS if form.spell((call,)).text in written), None)

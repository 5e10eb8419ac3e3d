"""How GLM 4.5 to 4.7 and Laguna talk: a call is a name, and keys and values between tags.

    <tool_call>read_file<arg_key>path</arg_key><arg_value>a.txt</arg_value></tool_call>

The templates of some write a line for each of these.
"""

from __future__ import annotations

from codex_windows_ai.chat.call_style import PROBE, PROBE_ARGUMENTS
from codex_windows_ai.chat.tagged_calls import MARKER, TagForm, TaggedFormat
from codex_windows_ai.chat.template import ChatTemplate
from codex_windows_ai.engine.tokenizer import Tokenizer

_KEY, _KEY_END, _VALUE, _VALUE_END, _END = "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "</tool_call>"

ONE_LINE = TagForm("", "", _KEY, f"{_KEY_END}{_VALUE}", _VALUE_END, _END, separator="")
LINES = TagForm("", "\n", _KEY, f"{_KEY_END}\n{_VALUE}", f"{_VALUE_END}\n", _END, separator="\n")


class Glm(TaggedFormat):
    """The format, in the way that the template writes."""

    name = "glm"
    control = (_KEY, _KEY_END, _VALUE, _VALUE_END, _END)

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer) -> None:
        self.form = _form(template.calls.written) or LINES
        super().__init__(template, tokenizer)

    @classmethod
    def written_in(cls, written: str) -> bool:
        """As all formats."""
        return _form(written) is not None

    @classmethod
    def opening(cls, name: str) -> str:
        """As all formats."""
        return f"{MARKER}{name}"


def _form(written: str) -> TagForm | None:
    """The way in which the probe is written."""
    return next((form for form in (ONE_LINE, LINES) if form.spell(PROBE, PROBE_ARGUMENTS).text in written), None)

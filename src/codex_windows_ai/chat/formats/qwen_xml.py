"""How Qwen3-Coder, Qwen3.5 and later, and Nemotron 3 talk: a call is a function and its parameters, between tags.

<tool_call>
<function=read_file>
<parameter=path>
a.txt
</parameter>
</function>
</tool_call>
"""

from __future__ import annotations

from codex_windows_ai.chat.call_style import PROBE, PROBE_ARGUMENTS
from codex_windows_ai.chat.tagged_calls import MARKER, TagForm, TaggedFormat

FORM = TagForm(
    function="\n<function=",
    named=">\n",
    parameter="<parameter=",
    value=">\n",
    value_end="\n</parameter>\n",
    end="</function>\n</tool_call>",
    separator="\n",
)


class QwenXml(TaggedFormat):
    """The format."""

    name = "qwen-xml"
    form = FORM

    @classmethod
    def written_in(cls, written: str) -> bool:
        """As all formats."""
        return FORM.spell(PROBE, PROBE_ARGUMENTS).text in written

    @classmethod
    def opening(cls, name: str) -> str:
        """As all formats."""
        return f"{MARKER}{FORM.function}"

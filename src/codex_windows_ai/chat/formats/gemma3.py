"""How Gemma 2 and 3 talk: their template knows no tools, so that they are told of them in words.

They are told as Google's guide tells them (https://ai.google.dev/gemma/docs/capabilities/function-calling): a call is
JSON and all of the answer, as Llama's. What it returned is a user's turn.
"""

from __future__ import annotations

import json

from codex_windows_ai.chat.formats.llama import Llama
from codex_windows_ai.chat.template import ChatTemplate
from codex_windows_ai.protocol.message import Call
from codex_windows_ai.protocol.tools import ToolSet

_TOLD = """You have access to functions. If you decide to call one, or several, answer with a line for each call, in \
this format and with nothing else:
{example}

What it returns comes back to you in <tool_response></tool_response>. The functions, each described as JSON:
{definitions}"""


class Gemma3(Llama):
    """The format."""

    name = "gemma3"

    @classmethod
    def suits(cls, template: ChatTemplate) -> bool:
        """Whether it is a template of theirs, which knows no tools."""
        return "<start_of_turn>" in template.source and not template.calls.written and "tools" not in template.source

    def instructions(self, tools: ToolSet) -> str:
        """As all formats."""
        example = self.spell((Call("function", "function_name", '{"argument": "value"}', ""),)).text
        definitions = "\n".join(
            json.dumps(self.described(tool)["function"], ensure_ascii=False) for tool in tools.tools
        )
        return _TOLD.format(example=example, definitions=definitions)

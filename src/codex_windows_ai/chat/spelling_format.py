"""Formats that can write calls themselves, for models whose template knows none: tools are told of in words then."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from codex_windows_ai.chat.conversation import Turns
from codex_windows_ai.chat.tool_format import ToolFormat
from codex_windows_ai.chat.written import Written
from codex_windows_ai.protocol.message import Call, Message
from codex_windows_ai.protocol.tools import ToolSet

_INSTRUCTIONS = """# Tools

You can call these functions, each described as JSON:
<tools>
{definitions}
</tools>

To call one, answer with its name and its arguments as JSON, like this:
{example}
What it returns comes back to you in <tool_response></tool_response>."""


class SpellingFormat(ToolFormat):
    """A format whose calls it spells in the assistant's words, where the model's template does not write them.

    The tools stand in the system message then, and calls are spelled as the model is told to.
    """

    @abstractmethod
    def spell(self, calls: Sequence[Call]) -> Written:
        """Calls that follow on each other, as the model writes them."""

    @property
    def speller(self) -> Callable[[Sequence[Call]], Written] | None:
        """As all formats."""
        return self.spell

    def conversation(self, messages: Sequence[Message], tools: ToolSet) -> tuple[Turns, list[dict[str, Any]] | None]:
        """The turns, and the tools that the template is told of, or else the turns."""
        turns, described = super().conversation(messages, tools)
        return (turns, described) if described is None or self.takes_tools else (self.told(turns, tools), None)

    def told(self, turns: Turns, tools: ToolSet) -> Turns:
        """The conversation with the tools in words at the end of its system message."""
        words = self.instructions(tools)
        if turns and turns[0]["role"] == "system":
            return [{"role": "system", "content": f"{turns[0]['content']}\n\n{words}"}, *turns[1:]]
        return [{"role": "system", "content": words}, *turns]

    def instructions(self, tools: ToolSet) -> str:
        """What a model is told of its tools in words."""
        example = Call("function", "function_name", '{"argument": "value"}', "")
        definitions = (json.dumps(self.described(tool), ensure_ascii=False) for tool in tools.tools)
        return _INSTRUCTIONS.format(definitions="\n".join(definitions), example=self.spell((example,)).text)

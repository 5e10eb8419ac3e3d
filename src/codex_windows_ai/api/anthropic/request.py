"""What POST /v1/messages accepts.

Format: https://platform.claude.com/docs/en/api/messages. Messages and tools are read one by one elsewhere: in a
history, nothing of them that is unknown here may end a session.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from codex_windows_ai.api.shared.body import BodyPart
from codex_windows_ai.api.shared.conversation_body import ConversationBody
from codex_windows_ai.api.shared.parameters import NO_LIMIT, WholeNumber


class OutputFormat(BodyPart):
    """JSON that matches a schema, which is kept to as far as it can be followed."""

    type: Literal["json_schema"]
    definition: Annotated[dict[str, Any], Field(alias="schema")]


class OutputConfig(BodyPart):
    """How much the model thinks, and what its answer must match."""

    effort: str | None = None
    format: OutputFormat | None = None


class MessagesRequest(ConversationBody):
    """A conversation to be continued; of `max_tokens` 0 it is read and kept, and nothing is answered."""

    messages: Annotated[list[dict[str, Any]], Field(min_length=1, fail_fast=True)]
    system: str | list[dict[str, Any]] | None = None
    max_tokens: Annotated[int, Field(ge=NO_LIMIT), WholeNumber] | None = None
    stop_sequences: Annotated[list[str], Field(max_length=64)] | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = Field(default=None, description="As `output_config.format`, its older name.")

    # Without effect: prefixes are always cached, and there is one place, one tier and one speed.
    cache_control: Any = None
    context_management: Any = None
    diagnostics: Any = None
    inference_geo: Any = None
    speed: Any = None
    user_profile_id: Any = None
    workspace_id: Any = None

    @property
    def only_reads(self) -> bool:
        """The prompt is to be read and kept, without an answer."""
        return self.max_tokens == 0

    @property
    def output_limit(self) -> int | None:
        """The most tokens that the answer may have; None where no limit is asked for."""
        return 1 if self.only_reads else super().output_limit

    @property
    def asked_effort(self) -> str | None:
        """How much the model is to think, in a word."""
        return (self.output_config and self.output_config.effort) or super().asked_effort

    @property
    def answer_format(self) -> OutputFormat | None:
        """What the answer's text must match."""
        return (self.output_config and self.output_config.format) or self.output_format

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Texts that end the answer."""
        return (*super().stop_strings, *(self.stop_sequences or ()))

    @property
    def shows_thoughts(self) -> bool:
        """What the model thinks is told in words, and not only sealed."""
        return not (isinstance(self.thinking, dict) and self.thinking.get("display") == "omitted")

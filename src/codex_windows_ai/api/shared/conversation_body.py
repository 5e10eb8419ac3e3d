"""The parameters of a conversation with tools: what may be called, and how the model is asked to think."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from codex_windows_ai.api.shared.body import BodyPart
from codex_windows_ai.api.shared.parameters import GenerationBody, WholeNumber, whole


class ReasoningOptions(BodyPart):
    """The parameter `reasoning`, of the Responses API and of OpenRouter's chat, which has the last two."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = Field(default=None, description="As `summary`, which replaced it.")
    enabled: bool | None = None
    max_tokens: Annotated[int, Field(ge=0), WholeNumber] | None = None


class ConversationBody(GenerationBody):
    """A conversation to be continued."""

    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None

    # How the model's chat template is asked to reason, and what else it is told; of programs for local models.
    chat_template_kwargs: dict[str, Any] | None = None
    enable_thinking: bool | None = None
    think: bool | str | None = None
    thinking: bool | dict[str, Any] | None = None
    reasoning_effort: str | None = None
    reasoning: ReasoningOptions | str | bool | None = None
    thinking_budget: Annotated[int, Field(ge=0), WholeNumber] | None = None

    @property
    def template_options(self) -> dict[str, Any]:
        """What the model's chat template is told besides the conversation, by the names that templates have."""
        options = dict(self.chat_template_kwargs or {})
        enabled = self.reasoning.enabled if isinstance(self.reasoning, ReasoningOptions) else None
        for thinks in (self.enable_thinking, _switch(self.think), _switch(self.thinking), enabled):
            if thinks is not None:
                options["enable_thinking"] = thinks
        effort = self.asked_effort or self.reasoning_effort or (self.think if isinstance(self.think, str) else None)
        if effort is not None:
            options["reasoning_effort"] = effort
        return options

    @property
    def asked_effort(self) -> str | None:
        """`reasoning.effort`."""
        return self.reasoning.effort if isinstance(self.reasoning, ReasoningOptions) else None

    @property
    def reasoning_budget(self) -> int | None:
        """The most tokens that the model may think, by any of the names that this has; the smallest holds."""
        of_reasoning = self.reasoning.max_tokens if isinstance(self.reasoning, ReasoningOptions) else None
        given = (self.thinking_budget, of_reasoning, _budget(self.thinking))
        return min((each for each in given if each is not None), default=None)

    @property
    def foreign(self) -> list[str]:
        """Parameters that have a value of another server's, which means nothing here."""
        return [
            *super().foreign,
            *(["reasoning"] if isinstance(self.reasoning, (str, bool)) else []),
            *(["thinking.budget_tokens"] if _has_budget(self.thinking) and _budget(self.thinking) is None else []),
        ]


def _switch(thinking: bool | str | dict[str, Any] | None) -> bool | None:
    """Whether to reason: Ollama's `think` is a truth or an effort, Anthropic's `thinking` says it in its type."""
    if isinstance(thinking, dict):
        kind = thinking.get("type")
        return None if kind is None else kind != "disabled"
    return True if isinstance(thinking, str) else thinking


def _has_budget(thinking: bool | dict[str, Any] | None) -> bool:
    return isinstance(thinking, dict) and thinking.get("budget_tokens") is not None


def _budget(thinking: bool | dict[str, Any] | None) -> int | None:
    """What Anthropic's `thinking` says of tokens; None where that is no number of them."""
    tokens = whole(thinking.get("budget_tokens")) if isinstance(thinking, dict) else None
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0 else None

"""The parameters that every API has, by the same names and with the same meaning: the one table of docs/http.md.

A parameter is honoured, or it has no effect here, or the answer would be wrong without it: then it is refused by name.
Every other one is left out, and the answer names it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from codex_windows_ai.api.shared.body import BodyPart
from codex_windows_ai.protocol.request import SamplingParameters
from codex_windows_ai.settings import Provider

# Smaller values keep the likeliest token alone, which this one does too.
_SMALLEST_TOP_P = 1e-6

_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "seed",
)


NOT_SUPPORTED = {
    "audio": "the model writes text only",
    "background": "this host keeps no responses; use `stream` for long answers",
    "conversation": "this host keeps no conversations; send the whole conversation",
    "function_call": "it was replaced by `tool_choice`",
    "functions": "they were replaced by `tools`",
    "logit_bias": "tokens cannot be favoured one by one",
    "modalities": "the model writes text only",
    "n": "a request has one answer; send it again for another",
    "previous_response_id": "this host keeps no responses; send the whole conversation",
    "prompt": "this host keeps no prompt templates; send the text itself",
    "web_search_options": "the model has no access to the web",
}
"""Parameters without which the answer would be a wrong one, and why they are refused."""

_NO_LIMIT = -1


def _at_least_one(limit: int) -> int:
    if limit == 0:
        raise ValueError("must be at least 1, or -1 for no limit")
    return limit


def _whole(value: object) -> object:
    """A number without a fraction is an integer in JSON, however it is written."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WholeNumber = BeforeValidator(_whole, json_schema_input_type=int)
OutputLimit = Annotated[int, Field(ge=_NO_LIMIT), AfterValidator(_at_least_one), WholeNumber]


class ReasoningOptions(BodyPart):
    """The parameter `reasoning`, of the Responses API and of OpenRouter's chat, which has the last two."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = Field(default=None, description="As `summary`, which replaced it.")
    enabled: bool | None = None
    max_tokens: Annotated[int, Field(ge=0), WholeNumber] | None = None


class GenerationBody(BodyPart):
    """What is asked of which model, and how tokens are chosen; what is not given is the engine's default.

    `top_k`, `min_p` and `repetition_penalty` are those of llama.cpp and vLLM, which call the last `repeat_penalty`
    and `repetition_penalty`; `provider` is ours. All three output limits are one: the smallest holds.
    """

    model: str
    stream: bool | None = None
    stop: str | Annotated[list[str], Field(max_length=64)] | None = None
    temperature: Annotated[float, Field(ge=0, le=5)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=_NO_LIMIT, le=2**31), WholeNumber] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.01, le=10)] | None = None
    repeat_penalty: Annotated[float, Field(ge=0.01, le=10)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64), WholeNumber] | None = None
    max_tokens: OutputLimit | None = None
    max_completion_tokens: OutputLimit | None = None
    max_output_tokens: OutputLimit | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    provider: Provider | dict[str, Any] | None = Field(
        default=None, description="Who must answer, as the setting of that name. OpenRouter's object has no effect."
    )

    # How the model's chat template is asked to reason, and what else it is told; of programs for local models.
    chat_template_kwargs: dict[str, Any] | None = None
    enable_thinking: bool | None = None
    think: bool | str | None = None
    thinking: bool | dict[str, Any] | None = None
    reasoning_effort: str | None = None
    reasoning: ReasoningOptions | str | bool | None = None
    thinking_budget: Annotated[int, Field(ge=0), WholeNumber] | None = None

    # Without effect: there is one tier, nothing is stored or moderated, prefixes are always cached.
    client_metadata: Any = None
    include: Any = None
    max_tool_calls: Any = None
    metadata: Any = None
    prediction: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    safety_identifier: Any = None
    service_tier: Any = None
    store: Any = None
    user: Any = None

    # Of these only the value without effect is accepted; NOT_SUPPORTED says why.
    audio: None = None
    background: Annotated[bool, Field(json_schema_extra={"const": False})] | None = None
    conversation: None = None
    function_call: None = None
    functions: None = None
    logit_bias: Annotated[dict[str, Any], Field(max_length=0)] | None = None
    modalities: Annotated[list[Literal["text"]], Field(max_length=1)] | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    previous_response_id: None = None
    prompt: None = None
    web_search_options: None = None

    @field_validator("background")
    @classmethod
    def _in_the_foreground(cls, value: bool | None) -> bool | None:
        if value:  # pydantic's Literal[False] would take 0 as well
            raise ValueError("must be false")
        return value

    @property
    def output_limit(self) -> int | None:
        """The most tokens that the answer may have; None where no limit is asked for."""
        limits = (self.max_tokens, self.max_completion_tokens, self.max_output_tokens)
        return min((limit for limit in limits if limit is not None and limit != _NO_LIMIT), default=None)

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
    def asked_provider(self) -> str | None:
        """Who must answer."""
        return self.provider if isinstance(self.provider, str) else None

    @property
    def foreign(self) -> list[str]:
        """Parameters that have a value of another server's, which means nothing here."""
        return [
            *(["provider"] if isinstance(self.provider, dict) else []),
            *(["reasoning"] if isinstance(self.reasoning, (str, bool)) else []),
            *(["thinking.budget_tokens"] if _has_budget(self.thinking) and _budget(self.thinking) is None else []),
        ]

    @property
    def sampling(self) -> SamplingParameters:
        """How tokens are chosen."""
        given = {name: value for name in _SAMPLING if (value := getattr(self, name)) is not None}
        if self.top_p is not None:
            given["top_p"] = max(self.top_p, _SMALLEST_TOP_P)
        if self.seed is not None:  # OpenAI's seeds have a sign; the engine's are the same 64 bits without one
            given["seed"] = self.seed % 2**64
        if self.repeat_penalty is not None:
            given.setdefault("repetition_penalty", self.repeat_penalty)
        if self.top_k == _NO_LIMIT:
            given["top_k"] = 0
        return SamplingParameters(**given)

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Texts that end the answer."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


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
    tokens = _whole(thinking.get("budget_tokens")) if isinstance(thinking, dict) else None
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0 else None

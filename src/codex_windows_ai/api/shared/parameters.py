"""The parameters that every API has, by the same names and with the same meaning: the one table of docs/http.md.

A parameter is honoured, or it has no effect here, or the answer would be wrong without it: then it is refused by name.
Every other one is left out, and the answer names it.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

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

NO_LIMIT = -1


def _at_least_one(limit: int) -> int:
    if limit == 0:
        raise ValueError("must be at least 1, or -1 for no limit")
    return limit


def whole(value: object) -> object:
    """A number without a fraction is an integer in JSON, however it is written."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WholeNumber = BeforeValidator(whole, json_schema_input_type=int)
OutputLimit = Annotated[int, Field(ge=NO_LIMIT), AfterValidator(_at_least_one), WholeNumber]


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
    top_k: Annotated[int, Field(ge=NO_LIMIT, le=2**31), WholeNumber] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.01, le=10)] | None = None
    repeat_penalty: Annotated[float, Field(ge=0.01, le=10)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64), WholeNumber] | None = None
    max_tokens: OutputLimit | None = None
    max_completion_tokens: OutputLimit | None = None
    max_output_tokens: OutputLimit | None = None
    provider: Provider | dict[str, Any] | None = Field(
        default=None, description="Who must answer, as the setting of that name. OpenRouter's object has no effect."
    )

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

    @property
    def output_limits(self) -> list[int]:
        """What is said of the most tokens that the answer may have, by any of the names that this has."""
        limits = (self.max_tokens, self.max_completion_tokens, self.max_output_tokens)
        return [limit for limit in limits if limit is not None]

    @property
    def output_limit(self) -> int | None:
        """The most tokens that the answer may have; None where no limit is asked for."""
        return min((limit for limit in self.output_limits if limit != NO_LIMIT), default=None)

    @property
    def asked_provider(self) -> str | None:
        """Who must answer."""
        return self.provider if isinstance(self.provider, str) else None

    @property
    def foreign(self) -> list[str]:
        """Parameters that have a value of another server's, which means nothing here."""
        return ["provider"] if isinstance(self.provider, dict) else []

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
        if self.top_k == NO_LIMIT:
            given["top_k"] = 0
        return SamplingParameters(**given)

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Texts that end the answer."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

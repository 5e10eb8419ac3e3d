"""The parameters that every API has, by the same names and with the same meaning."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

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


class GenerationBody(BodyPart):
    """What is asked of which model, and how tokens are chosen; what is not given is the engine's default.

    `top_k`, `min_p` and `repetition_penalty` are those of llama.cpp and vLLM, `provider` is ours.
    """

    model: str
    stream: bool | None = None
    stop: str | Annotated[list[str], Field(max_length=64)] | None = None
    temperature: Annotated[float, Field(ge=0, le=5)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=2**31)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.01, le=10)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64)] | None = None
    provider: Provider | None = Field(default=None, description="Who must answer, as the setting of that name.")

    @property
    def sampling(self) -> SamplingParameters:
        """How tokens are chosen."""
        given = {name: value for name in _SAMPLING if (value := getattr(self, name)) is not None}
        if self.top_p is not None:
            given["top_p"] = max(self.top_p, _SMALLEST_TOP_P)
        if self.seed is not None:  # OpenAI's seeds have a sign; the engine's are the same 64 bits without one
            given["seed"] = self.seed % 2**64
        return SamplingParameters(**given)

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Texts that end the answer."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

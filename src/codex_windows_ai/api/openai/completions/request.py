"""What POST /v1/completions accepts.

Format: https://platform.openai.com/docs/api-reference/completions/create.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from codex_windows_ai.api.openai.chat.request import StreamOptions
from codex_windows_ai.api.shared.parameters import GenerationBody, WholeNumber

MOST_ANSWERS = 128

NOT_SUPPORTED = {
    "best_of": "answers are not compared; ask for `n` of them",
    "logit_bias": "tokens cannot be favoured one by one",
}
"""Parameters without which the answer would be a wrong one, and why they are refused."""

_Tokens = Annotated[list[Annotated[int, Field(ge=0), WholeNumber]], Field(min_length=1, fail_fast=True)]


class CompletionRequest(GenerationBody):
    """Texts to be gone on from as they are, without the model's chat template; special tokens in them are obeyed."""

    prompt: (
        str
        | _Tokens
        | Annotated[list[str], Field(min_length=1, max_length=MOST_ANSWERS)]
        | Annotated[list[_Tokens], Field(min_length=1, max_length=MOST_ANSWERS)]
    )
    suffix: str | None = None
    n: Annotated[int, Field(ge=1, le=MOST_ANSWERS), WholeNumber] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=20), WholeNumber] | None = None
    best_of: Annotated[int, Field(ge=1, le=1), WholeNumber] | None = None
    logit_bias: Annotated[dict[str, Any], Field(max_length=0)] | None = None
    stream_options: StreamOptions | None = None

    @property
    def prompts(self) -> list[str | list[int]]:
        """The prompts, each as text or as token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if isinstance(self.prompt[0], int):
            return [[token for token in self.prompt if isinstance(token, int)]]
        return [each for each in self.prompt if not isinstance(each, int)]

"""A completion request as questions to the model: one for each prompt and each of its answers."""

from __future__ import annotations

from codex_windows_ai.api.openai.completions.request import MOST_ANSWERS, CompletionRequest
from codex_windows_ai.api.shared.body import each_once, unknown_fields
from codex_windows_ai.api.shared.endpoint import Question
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.request import GenerationRequest, SamplingParameters

_USUAL_TOKENS = 16
"""Of an answer whose request sets no limit, in OpenAI's API: a raw prompt seldom ends by itself."""


def read_completion(body: CompletionRequest, *, agent: str) -> list[Question]:
    """What a request asks of the model: all answers to the first prompt, then those to the next.

    Raises InvalidRequestError: parameters that contradict each other, or what no engine here does.
    """
    prompts, answers = body.prompts, body.n or 1
    if len(prompts) * answers > MOST_ANSWERS:
        raise InvalidRequestError(
            f"{len(prompts)} prompts with {answers} answers each are more than {MOST_ANSWERS}.", param="n"
        )
    in_tokens = any(not isinstance(prompt, str) for prompt in prompts)
    if body.suffix and in_tokens:
        raise InvalidRequestError("`suffix` needs the prompt as text.", param="suffix")
    if body.echo and in_tokens:
        raise InvalidRequestError("`echo` needs the prompt as text.", param="echo")
    if body.echo and body.logprobs is not None:
        raise InvalidRequestError(
            "`echo` and `logprobs` do not go together: the probabilities of a prompt's tokens are not computed.",
            param="echo",
        )
    remarks = {"left_out": each_once([*unknown_fields(body), *body.foreign])}
    return [Question(_request(body, prompt, number, agent), remarks) for prompt in prompts for number in range(answers)]


def _request(body: CompletionRequest, prompt: str | list[int], number: int, agent: str) -> GenerationRequest:
    text = prompt if isinstance(prompt, str) else None
    return GenerationRequest(
        prompt_text=text,
        prompt_token_ids=None if isinstance(prompt, str) else tuple(prompt),
        suffix=body.suffix or None,
        sampling=_sampling(body, number),
        max_output_tokens=body.output_limit if body.output_limits else _USUAL_TOKENS,
        stop=body.stop_strings,
        agent=agent,
        provider=body.asked_provider,
        top_logprobs=body.logprobs,
        model=body.model,
    )


def _sampling(body: CompletionRequest, number: int) -> SamplingParameters:
    """How the tokens of one of several answers are chosen: each has a seed of its own, and the same one again."""
    if body.seed is None or number == 0:
        return body.sampling
    return body.model_copy(update={"seed": (body.seed + number) % 2**64}).sampling

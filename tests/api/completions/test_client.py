"""POST /v1/completions, as OpenAI's own client asks and reads it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from codex_windows_ai.settings import Settings
from tests.engine.tiny_model import make_tiny_model
from tests.engine.turnstile import assert_at_rest
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN

RANDOM: dict[str, Any] = {"temperature": 1, "seed": 7}


def ask(client: OpenAI, **parameters: Any) -> Any:
    return client.completions.create(**{"model": "tiny", "prompt": "Once upon", "max_tokens": 6, **parameters})


def test_a_text_is_gone_on_from(openai_client: OpenAI) -> None:
    answer = ask(openai_client)

    (choice,) = answer.choices
    assert (answer.object, choice.index, choice.finish_reason, choice.logprobs) == (
        "text_completion",
        0,
        "length",
        None,
    )
    assert (answer.usage.completion_tokens, answer.usage.total_tokens) == (6, answer.usage.prompt_tokens + 6)
    assert answer.windows_ai["provider"] == "engine"


def test_a_stream_comes_to_the_same(openai_client: OpenAI) -> None:
    whole = ask(openai_client, **RANDOM)
    chunks = list(ask(openai_client, stream=True, stream_options={"include_usage": True}, **RANDOM))

    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == whole.choices[0].text
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_what_the_cache_has_of_the_prompts_since_is_counted(openai_client: OpenAI) -> None:
    counts = ask(openai_client, prompt=["Nobody has asked so. " * 9, "Nor has anybody asked so. " * 9]).usage
    again = ask(openai_client, prompt="Nobody has asked so. " * 9).usage

    written = counts.prompt_tokens_details.cache_write_tokens
    assert counts.prompt_tokens - 2 * 16 < written <= counts.prompt_tokens
    assert again.prompt_tokens_details.cache_write_tokens < 16


def test_every_prompt_has_its_answers_in_order(openai_client: OpenAI) -> None:
    alone = [ask(openai_client, prompt=prompt, **RANDOM).choices[0].text for prompt in ("One", "Two")]
    answer = ask(openai_client, prompt=["One", "Two"], n=2, **RANDOM)

    texts = [choice.text for choice in answer.choices]
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert [texts[0], texts[2]] == alone
    assert texts[1] == ask(openai_client, prompt="One", temperature=1, seed=8).choices[0].text
    assert answer.usage.completion_tokens == 24
    streamed = dict.fromkeys(range(4), "")
    for chunk in ask(openai_client, prompt=["One", "Two"], n=2, stream=True, **RANDOM):
        for choice in chunk.choices:
            streamed[choice.index] += choice.text
    assert list(streamed.values()) == texts


def test_token_ids_are_taken_as_they_are(openai_client: OpenAI, live_host: LiveHost) -> None:
    form = live_host.host.models.loaded().engine_provider.format  # type: ignore[union-attr]
    ids = form.beginning.begun(form.tokenizer.encode_prompt("Once <|im_start|> upon"))
    text = ask(openai_client, prompt="Once <|im_start|> upon")

    assert form.tokenizer.special_ids["<|im_start|>"] in ids
    for prompt in (ids, [ids]):
        answer = ask(openai_client, prompt=prompt)
        assert (answer.choices[0].text, answer.usage.prompt_tokens) == (text.choices[0].text, len(ids))


def test_the_prompt_is_echoed(openai_client: OpenAI) -> None:
    assert ask(openai_client, echo=True).choices[0].text == "Once upon" + ask(openai_client).choices[0].text


def test_tokens_have_their_probabilities_and_places(openai_client: OpenAI) -> None:
    choice = ask(openai_client, logprobs=2).choices[0]
    found = choice.logprobs

    assert "".join(found.tokens) == choice.text
    assert [
        choice.text[offset:].startswith(token) for offset, token in zip(found.text_offset, found.tokens, strict=True)
    ] == [True] * len(found.tokens)
    for token, logprob, likeliest in zip(found.tokens, found.token_logprobs, found.top_logprobs, strict=True):
        assert len(likeliest) <= 2
        assert math.isclose(likeliest[token], logprob)  # greedy takes the likeliest


def test_a_stop_text_ends_it(openai_client: OpenAI) -> None:
    text = ask(openai_client, max_tokens=20).choices[0].text
    choice = ask(openai_client, max_tokens=20, stop=text[2]).choices[0]

    assert (choice.text, choice.finish_reason) == (text[: text.index(text[2])], "stop")


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"suffix": "the end"}, "suffix"),
        ({"suffix": "the end", "prompt": [1]}, "suffix"),
        ({"echo": True, "prompt": [1]}, "echo"),
        ({"echo": True, "logprobs": 1}, "echo"),
        ({"best_of": 2}, "best_of"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"prompt": ["a", "b"], "n": 65}, "n"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt[0]"),
        ({"prompt": {"a": 1}}, "prompt"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(openai_client: OpenAI, parameters: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(openai_client, **parameters)

    assert caught.value.param == param


def test_one_prompt_that_is_too_long_refuses_all_before_the_stream(openai_client: OpenAI, live_host: LiveHost) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(openai_client, prompt=["short", "x " * 5000], stream=True)

    assert caught.value.code == "context_length_exceeded"
    assert_at_rest(live_host.engine)


FILL = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>")


@pytest.fixture(scope="module")
def untaught_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHost]:
    """A model that knows how to fill gaps, and has no chat template."""
    folder = make_tiny_model(tmp_path_factory.mktemp("untaught"), more=FILL).path
    Path(folder, "chat_template.jinja").unlink()
    with LiveHost(Settings(model=str(folder), threads=1), TOKEN) as live:
        yield live


@pytest.fixture
def untaught(untaught_host: LiveHost) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{untaught_host.url}/v1", api_key=TOKEN, max_retries=0, timeout=PATIENCE) as client:
        yield client


def test_a_model_without_a_chat_template_goes_on_from_texts_and_answers_no_chat(untaught: OpenAI) -> None:
    assert ask(untaught).usage.completion_tokens == 6
    for answer in (
        lambda: untaught.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "Hi"}]),
        lambda: untaught.responses.create(model="tiny", input="Hi"),
    ):
        with pytest.raises(openai.BadRequestError, match="POST /v1/completions") as caught:
            answer()
        assert caught.value.code == "no_chat_template"


def test_a_gap_is_filled_between_two_texts_which_are_data(untaught: OpenAI, untaught_host: LiveHost) -> None:
    reader = untaught_host.host.models.loaded().engine_provider.format.tokenizer  # type: ignore[union-attr]
    prefix, suffix, middle = (reader.id_of(token) for token in FILL[:3])
    before, behind = reader.encode_text("def f(<|fim_middle|>"), reader.encode_text("):")
    by_hand = ask(untaught, prompt=[prefix, *before, suffix, *behind, middle])
    filled = ask(untaught, prompt="def f(<|fim_middle|>", suffix="):")

    assert filled.usage.prompt_tokens == by_hand.usage.prompt_tokens == 3 + len(before) + len(behind)
    assert filled.choices[0].text == by_hand.choices[0].text

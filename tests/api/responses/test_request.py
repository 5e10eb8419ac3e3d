"""Parameters: what has an effect, what has none, what is refused by name."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from codex_windows_ai.api.openai.responses.request import ResponsesRequest
from codex_windows_ai.protocol.request import SamplingParameters
from tests.host.live import LiveHost
from tests.hosting import TOKEN

HEADERS = {"authorization": f"Bearer {TOKEN}"}


def post(live_host: LiveHost, **parameters: Any) -> httpx2.Response:
    body = {"model": "tiny", "input": "Hello", "max_output_tokens": 2, **parameters}
    return httpx2.post(f"{live_host.url}/v1/responses", headers=HEADERS, json=body, timeout=60)


def test_extensions_reach_the_sampler() -> None:
    given: dict[str, Any] = {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "seed": 3}
    penalties: dict[str, Any] = {"repetition_penalty": 1.1, "presence_penalty": 0.2, "frequency_penalty": 0.3}

    body = ResponsesRequest(model="m", input="Hello", **given, **penalties)

    assert body.sampling == SamplingParameters(**given, **penalties)


@pytest.mark.parametrize(("stop", "strings"), [("a", ("a",)), (["a", "b"], ("a", "b")), (None, ())])
def test_stop_is_one_text_or_several(stop: Any, strings: tuple[str, ...]) -> None:
    assert ResponsesRequest(model="m", input="Hello", stop=stop).stop_strings == strings


@pytest.mark.parametrize(
    "parameters",
    [
        {"store": True},
        {"include": ["reasoning.encrypted_content"]},
        {"metadata": {"a": "b"}},
        {"client_metadata": {"a": "b"}},
        {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "safety_identifier": "s", "user": "u"},
        {"reasoning": {"effort": "none", "summary": None}},
        {"truncation": "disabled", "service_tier": "auto", "background": False, "top_logprobs": 0},
        {"parallel_tool_calls": False, "max_tool_calls": 1},
        {"stream_options": {"include_obfuscation": False}},
        {"text": {"format": {"type": "text"}, "verbosity": "medium"}},
        {"previous_response_id": None, "conversation": None, "tools": None, "instructions": None},
    ],
)
def test_what_cannot_change_the_answer_is_accepted(live_host: LiveHost, parameters: dict[str, Any]) -> None:
    assert post(live_host, **parameters).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"n": 2}, "n"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format.type"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"seed": "one"}, "seed"),
        ({"input": 3}, "input"),
        ({"provider": "cloud"}, "provider"),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(
    live_host: LiveHost, parameters: dict[str, Any], param: str
) -> None:
    answer = post(live_host, **parameters)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert f"`{param}`" in error["message"]


@pytest.mark.parametrize("parameters", [{"top_logprobs": False}, {"background": 0}])
def test_a_boolean_is_no_number_and_a_number_no_boolean(live_host: LiveHost, parameters: dict[str, Any]) -> None:
    answer = post(live_host, **parameters)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] in parameters


def test_the_response_repeats_the_parameters_that_hold(live_host: LiveHost) -> None:
    response = post(live_host, temperature=0.5, seed=1, metadata={"a": "b"}, tool_choice="auto").json()

    assert (response["temperature"], response["metadata"]) == (0.5, {"a": "b"})
    assert (response["tool_choice"], response["tools"], response["truncation"]) == ("auto", [], "disabled")
    assert response["store"] is False


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ('"metadata": {"a": "\\ud800"}', 200),
        ('"tools": [{"type": "function", "name": "f", "description": "\\ud800"}]', 200),
        ('"tools": [{"type": "function", "name": "f", "parameters": {"default": %s}}]', 400),
        ('"client_metadata": {"a": %s}', 200),
        ('"input": [%s]', 400),
        ('"tool_choice": {"type": %s}', 400),
        ('"top_k": 1000000000000000000000000000000', 400),
    ],
)
def test_a_hostile_body_is_never_a_fault_of_ours(live_host: LiveHost, parameters: str, status: int) -> None:
    deep = "[" * 900 + "]" * 900
    body = '{"model": "tiny", "input": "Hello", "max_output_tokens": 1, ' + parameters.replace("%s", deep) + "}"

    answer = httpx2.post(f"{live_host.url}/v1/responses", headers=HEADERS, content=body, timeout=60)

    assert answer.status_code == status


def test_what_is_not_known_is_left_out_and_named(live_host: LiveHost) -> None:
    reasoning = {"effort": "low", "summary": "auto"}
    response = post(live_host, no_such_thing=1, reasoning=reasoning, text={"tone": "dry", "verbosity": "low"}).json()

    named = ["no_such_thing", "text.tone", "text.verbosity", "reasoning_effort"]
    assert response["windows_ai"]["left_out"] == named


@pytest.mark.parametrize("parameters", [{"provider": {"order": ["a"]}}, {"reasoning": "off"}, {"reasoning": False}])
def test_a_value_of_another_servers_is_left_out_and_named(live_host: LiveHost, parameters: dict[str, Any]) -> None:
    answer = post(live_host, **parameters)

    assert answer.status_code == 200, answer.text
    assert answer.json()["windows_ai"]["left_out"] == list(parameters)


def test_what_is_left_out_is_said_at_the_start_of_a_stream_too(live_host: LiveHost) -> None:
    body = {"model": "tiny", "input": "Hello", "max_output_tokens": 2, "stream": True, "truncation": "auto"}
    answer = httpx2.post(f"{live_host.url}/v1/responses", headers=HEADERS, json=body, timeout=60)

    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert events[-1]["response"]["windows_ai"]["left_out"] == ["truncation"]


def test_a_negative_seed_is_a_seed_too() -> None:
    assert ResponsesRequest(model="m", input="Hello", seed=-5).sampling.seed == 2**64 - 5


@pytest.mark.parametrize("asked", [{"top_logprobs": 2}, {"include": ["message.output_text.logprobs"]}])
def test_log_probabilities_are_of_the_tokens_of_the_text(live_host: LiveHost, asked: dict[str, Any]) -> None:
    response = post(live_host, **asked, max_output_tokens=5).json()

    [message] = response["output"]
    [part] = message["content"]
    assert bytes(byte for token in part["logprobs"] for byte in token["bytes"]).decode() == part["text"]
    assert all(token["logprob"] <= 0 for token in part["logprobs"])
    assert {len(token["top_logprobs"]) for token in part["logprobs"]} == {asked.get("top_logprobs", 0)}

"""Windows' language model under Wine: Python for Windows, real PyWinRT, a double behind the binary interface."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wine.windows import WindowsMachine


@pytest.fixture(scope="module")
def told(windows: WindowsMachine) -> dict[str, Any]:
    return windows.results("language_model")


def text(answer: dict[str, Any]) -> str:
    return "".join(answer["pieces"])


def test_an_answer_streams_with_the_system_prompt_and_the_options_asked_for(told: dict[str, Any]) -> None:
    answer = told["streams"]

    expected = "Asked: What is the capital of France? | system: Be short. | temperature 0.50 top_p 0.25 top_k 7"
    assert text(answer) == expected
    assert len(answer["pieces"]) > 10
    assert (answer["finish_reason"], answer["estimated"]) == ("stop", True)
    assert answer["total_ms"] > 0


def test_temperature_zero_is_greedy(told: dict[str, Any]) -> None:
    assert text(told["greedy"]).endswith("temperature 0.00 top_p 1.00 top_k 1")


def test_without_a_top_k_windows_keeps_its_own(told: dict[str, Any]) -> None:
    assert text(told["keeps_windows_own_top_k"]).endswith("temperature 1.00 top_p 1.00 top_k 40")


def test_a_conversation_goes_into_the_prompt_as_a_transcript(told: dict[str, Any]) -> None:
    answer = text(told["a_conversation_is_a_transcript"])

    assert answer.startswith("Asked: User: Hello\n\nAssistant: Hi.\n\nUser: And now?\n\nAssistant:")


def test_a_json_schema_goes_to_structured_output(told: dict[str, Any]) -> None:
    assert text(told["structured"]) == '{"asked": "What is the capital of France?"}'


def test_windows_own_summariser_and_rewriter_answer(told: dict[str, Any]) -> None:
    assert [text(answer) for answer in told["summarises_and_rewrites"]] == ["Summary of: a text", "Rewritten: a text"]


@pytest.mark.parametrize(
    ("scenario", "numbers"),
    [
        ("too_long", "30 characters, but only 29 fit"),
        ("astral_characters_count_twice", "4 characters, but only 3 fit"),
        ("a_text_too_long_to_summarise", "6 characters, but only 4 fit"),
    ],
)
def test_a_prompt_that_does_not_fit_is_refused_with_the_numbers(
    told: dict[str, Any], scenario: str, numbers: str
) -> None:
    refused = told[scenario]

    assert (refused["error"], refused["code"]) == ("PromptTooLongError", "context_length_exceeded")
    assert numbers in refused["message"]


def test_a_cancelled_answer_ends_at_once_and_the_next_one_runs(told: dict[str, Any]) -> None:
    assert told["cancelled"]["finish_reason"] == "cancelled"
    assert len(told["cancelled"]["pieces"]) == 3
    assert told["cancelled"]["next"]["finish_reason"] == "length"


def test_a_limit_of_tokens_ends_the_answer_by_estimate(told: dict[str, Any]) -> None:
    assert told["limited"]["finish_reason"] == "length"
    assert text(told["limited"]) == "Asked: What is the capital "


def test_a_stop_string_ends_the_answer(told: dict[str, Any]) -> None:
    assert told["stopped"]["finish_reason"] == "stop"
    assert text(told["stopped"]) == "Asked: What is the "


def test_a_deadline_ends_an_endless_answer(told: dict[str, Any]) -> None:
    assert told["expired"]["error"] == "DeadlineExceededError"


def test_requests_wait_in_order_and_too_many_are_refused(told: dict[str, Any]) -> None:
    queued = told["queued"]

    assert queued["positions"] == list(range(8))
    assert queued["refused"]["code"] == "rate_limit_exceeded"
    assert queued["ends"] == ["cancelled"] * 8


def test_closing_ends_what_still_runs(told: dict[str, Any]) -> None:
    assert told["closed_while_it_answers"]["error"] == "EngineClosedError"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("1", "EngineError"),
        ("2", "ContentFilteredError"),
        ("3", "PromptTooLongError"),
        ("4", "ContentFilteredError"),
        ("5", "ContentFilteredError"),
        ("6", "EngineError"),
        ("7", "UnsupportedRequestError"),
        ("8", "UnsupportedRequestError"),
        ("9", "UnsupportedRequestError"),
        ("10", "EngineError"),
    ],
)
def test_every_status_of_a_response_is_a_typed_error(told: dict[str, Any], status: str, error: str) -> None:
    found = told["statuses"][status]

    assert found["error"] == error
    assert "E_INVALIDARG, 0x80070057" in found["message"]


def test_an_operation_that_fails_says_what_its_code_means(told: dict[str, Any]) -> None:
    assert told["response_error"]["error"] == "EngineError"
    assert "RPC_S_SERVER_UNAVAILABLE, 0x800706BA" in told["response_error"]["message"]


@pytest.mark.parametrize(
    ("state", "reason", "fix"),
    [
        ("state 1", "has not fetched the model yet", "cwai exec --use-windows-ai --provider language-model"),
        ("state 2", "not supported on this system", "`engine`"),
        ("state 3", "switched off by the user", "Privacy & security"),
        ("state 4", "systemAIModels", "manifest"),
        ("state 5", "hardware is not compatible", "`engine`"),
        ("state 6", "must be updated", "Windows Update"),
        ("state 7", "does not know: 7", "sparse package"),
        ("ready 0x80070005", "E_ACCESSDENIED, 0x80070005", "package identity"),
        ("create 0x80070005", "E_ACCESSDENIED, 0x80070005", "sparse package"),
        ("ready 0x80004005", "E_FAIL, 0x80004005", "package identity"),
        ("create 0x80004005", "E_FAIL, 0x80004005", "sparse package"),
        ("ready 0x80040154", "REGDB_E_CLASSNOTREG, 0x80040154", "Windows App Runtime"),
        ("create 0x80040154", "REGDB_E_CLASSNOTREG, 0x80040154", "sparse package"),
    ],
)
def test_a_model_that_cannot_be_had_names_the_closed_gates_and_the_fix_of_the_first(
    told: dict[str, Any], state: str, reason: str, fix: str
) -> None:
    refused = told["open_errors"][state]

    assert refused["code"] == "not_available"
    assert reason in refused["message"]
    assert "package_identity: this process has no package identity" in refused["message"]
    assert fix in refused["hint"]


def test_the_model_is_tried_where_limited_access_is_refused(told: dict[str, Any]) -> None:
    assert told["refused_though_limited_access_says_no"]["finish_reason"] == "stop"


def test_windows_fetches_the_model_with_progress_for_whoever_asks_for_it(told: dict[str, Any]) -> None:
    fetched = told["fetches"]

    stage = "fetching Windows' own language model"
    assert fetched["reported"] == [[stage, quarter * 250, 1000] for quarter in range(1, 5)]
    assert fetched["finish_reason"] == "stop"


def test_a_fetch_that_fails_says_what_windows_says(told: dict[str, Any]) -> None:
    failed = told["fetch_fails"]

    assert failed["code"] == "not_available"
    assert "0x80240438" in failed["message"]
    assert "The double refuses." in failed["message"]
    assert "Windows Update" in failed["hint"]


def test_every_object_is_let_go(told: dict[str, Any]) -> None:
    """What is left are the classes' factories, which the projection keeps for good."""
    first, *later = told["objects_are_let_go"]

    assert later == [first, first]

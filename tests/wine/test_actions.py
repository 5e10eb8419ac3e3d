"""App Actions under Wine: Python for Windows, real PyWinRT, a double behind the binary interface."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wine.windows import WindowsMachine


@pytest.fixture(scope="module")
def told(windows: WindowsMachine) -> dict[str, Any]:
    return windows.results("actions")


def test_registered_actions_are_listed_with_what_they_take(told: dict[str, Any]) -> None:
    echo, stream, mirror = told["listed"]

    assert (echo["id"], echo["description"], echo["kind"]) == ("Double.Echo", "Says the same.", "app")
    assert echo["app"] == "Double_8wekyb3d8bbwe"
    assert echo["overloads"] == [[{"name": "Text", "kind": "text"}]]
    assert (echo["available"], stream["available"]) == (True, False)
    kinds = [overload[0]["kind"] for overload in mirror["overloads"]]
    assert kinds == ["text", "file", "photo", "document", "table", "array", "date", "custom-text"]


def test_a_contract_that_does_not_say_counts_an_action_as_available(told: dict[str, Any]) -> None:
    assert told["listed_by_an_old_contract"] == [True, True, True]


def test_windows_says_which_actions_take_a_text(told: dict[str, Any]) -> None:
    assert told["for_text"] == ["Double.Echo"]


def test_where_windows_cannot_say_all_actions_that_take_one_text_are_listed(told: dict[str, Any]) -> None:
    assert told["for_text_where_windows_cannot_say"] == ["Double.Echo", "Double.Stream", "Double.Mirror"]


def test_without_get_default_the_runtime_comes_from_its_com_class(told: dict[str, Any]) -> None:
    assert told["by_the_com_class"] == "Echo: hello"


def test_a_catalogue_that_is_denied_says_so(told: dict[str, Any]) -> None:
    assert told["catalog_error"]["code"] == "not_available"
    assert "E_ACCESSDENIED" in told["catalog_error"]["message"]


def test_an_action_is_invoked_by_its_id(told: dict[str, Any]) -> None:
    assert told["echo"] == {"text": "Echo: hello", "names": ["Text"]}


@pytest.mark.parametrize("name", ["Words", "File", "Photo", "Document", "Table", "Items", "When", "Custom"])
def test_entities_come_back_as_they_went_in(told: dict[str, Any], name: str) -> None:
    assert told["mirrored"][name]["same"], told["mirrored"][name]


def test_kinds_that_an_old_contract_lacks_are_named(told: dict[str, Any]) -> None:
    found = told["kinds_that_an_old_contract_lacks"]

    assert found["plain"] == "Echo: hello"
    for kind in ("markdown", "table"):
        assert found[kind]["code"] == "not_available"
        assert "E_NOINTERFACE" in found[kind]["message"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("unknown action", "registered are: Double.Echo, Double.Mirror, Double.Stream"),
        ("unknown input", "does not take Photo; it takes: Text (text)"),
        ("overload", "does not take one text in overload 1 of 8"),
        ("missing file", "There is no file"),
        ("uneven table", "all of one length"),
        ("empty array", "needs an entity at least"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_what_does(told: dict[str, Any], given: str, message: str) -> None:
    refused = told["wrong_inputs"][given]

    assert refused["error"] == "InvalidRequestError"
    assert message in refused["message"]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ("1", "was cancelled by the user"),
        ("2", "is not supported for this input"),
        ("3", "is not available now"),
        ("9", "unknown result 9"),
    ],
)
def test_an_action_that_does_not_succeed_is_an_error_with_the_apps_help(
    told: dict[str, Any], result: str, message: str
) -> None:
    failed = told["results"][result]

    assert failed["error"] == "ActionFailedError"
    assert message in failed["message"]
    assert "0x80070490" in failed["message"]
    assert failed["hint"] == "The double did not want to. Ask it nicely"


def test_an_invocation_that_breaks_says_what_its_code_means(told: dict[str, Any]) -> None:
    assert told["results"]["invoke"]["error"] == "ActionFailedError"
    assert "RPC_E_DISCONNECTED, 0x80010108" in told["results"]["invoke"]["message"]


def test_a_streaming_text_tells_its_changes(told: dict[str, Any]) -> None:
    assert told["streamed_text"]["changes"] == [["One", False], ["One two", False], ["One two three", True]]
    assert told["streamed_text"]["text"] == "One two three"


def test_a_streaming_text_that_was_complete_before_anybody_listened_is_read(told: dict[str, Any]) -> None:
    assert told["streamed_before_anybody_listened"] == "One two three"


def test_feedback_reaches_the_app_or_is_refused(told: dict[str, Any]) -> None:
    good, bad, refused = told["feedback"]

    assert (good, bad) == (0, 1)
    assert refused["code"] == "not_available"


def test_cancelling_an_invocation_ends_it(told: dict[str, Any]) -> None:
    assert told["cancelled"] == "cancelled"


def test_an_action_answers_as_a_provider(told: dict[str, Any]) -> None:
    answer = told["provider"]

    assert (answer["pieces"], answer["finish_reason"], answer["estimated"]) == (["Echo: hello"], "stop", True)
    assert answer["source"]["provider"] == "action:Double.Echo"
    assert answer["source"]["model"] == "Double_8wekyb3d8bbwe"


def test_a_provider_streams_what_the_app_adds(told: dict[str, Any]) -> None:
    assert told["provider_streams"]["pieces"] == ["One", " two", " three"]


def test_what_an_app_takes_back_ends_the_stream_with_an_error(told: dict[str, Any]) -> None:
    assert told["provider_cannot_take_back"]["error"] == "ActionFailedError"
    assert "rewrote" in told["provider_cannot_take_back"]["message"]


@pytest.mark.parametrize("asked", ["sampling", "limit", "seed"])
def test_what_an_action_cannot_do_is_refused(told: dict[str, Any], asked: str) -> None:
    assert told["provider_refuses"][asked]["error"] == "UnsupportedRequestError"


def test_an_action_that_is_not_there_cannot_be_the_provider(told: dict[str, Any]) -> None:
    assert told["provider_refuses"]["unknown"]["error"] == "NotAvailableError"


def test_a_deadline_ends_an_endless_action(told: dict[str, Any]) -> None:
    assert told["provider_expires"]["error"] == "DeadlineExceededError"


def test_the_runtime_answers_through_an_action(told: dict[str, Any]) -> None:
    assert told["runtime_answers_through_an_action"] == {"provider": "action:Double.Echo", "text": "Echo: hello"}


def test_built_in_and_registered_actions_are_one_list(told: dict[str, Any]) -> None:
    merged = told["runtime_merges_actions"]

    assert [kind for _, kind in merged["listed"]] == ["built-in"] * 3 + ["app"] * 3
    assert merged["app"] == "Echo: hello"
    assert merged["generate"].startswith("Asked: hello")
    assert (merged["summarise"], merged["rewrite"]) == ("Summary of: hello", "Rewritten: hello")


def test_without_app_actions_the_built_in_ones_remain(told: dict[str, Any]) -> None:
    assert told["runtime_without_actions"] == ["built-in"] * 3


def test_every_object_is_let_go(told: dict[str, Any]) -> None:
    first, *later = told["objects_are_let_go"]

    assert later == [first, first]

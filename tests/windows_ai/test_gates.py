"""The gates of Windows' own language model, each judged on its own."""

from __future__ import annotations

import sys

import pytest

from codex_windows_ai.windows_ai.gates import (
    hardware_gate,
    identity_gate,
    language_model_gates,
    limited_access_gate,
    os_build_gate,
    ready_state_gate,
)
from codex_windows_ai.windows_ai.language_model import unavailable


@pytest.mark.parametrize(
    ("build", "state"),
    [((26200, 7309), "open"), ((26200, 7308), "closed"), ((26100, 9999), "closed"), ((27000, 0), "open")],
)
def test_the_build_must_have_the_update_that_made_the_model_public(build: tuple[int, int], state: str) -> None:
    gate = os_build_gate(build)

    assert gate.state == state
    assert (gate.fix is None) == (state == "open")
    assert f"{build[0]}.{build[1]}" in gate.found


@pytest.mark.parametrize(("copilot", "state"), [(True, "open"), (False, "unknown"), (None, "unknown")])
def test_hardware_other_than_a_copilot_pc_is_for_windows_to_judge(copilot: bool | None, state: str) -> None:
    assert hardware_gate(copilot).state == state


def test_package_identity_is_named_or_missed() -> None:
    assert identity_gate("Our.App_1.0.0.0_x64__abc").state == "open"
    missed = identity_gate(None)
    assert (missed.state, missed.found) == ("closed", "this process has no package identity")
    assert "sparse package" in str(missed.fix)


@pytest.mark.parametrize(
    ("status", "state"), [(0, "closed"), (1, "open"), (2, "open"), (3, "closed"), (7, "closed"), (None, "closed")]
)
def test_limited_access_is_open_only_where_windows_says_so(status: int | None, state: str) -> None:
    assert limited_access_gate(status, token_given=False).state == state


def test_a_token_that_does_not_help_is_told_apart_from_none() -> None:
    assert "family name" in str(limited_access_gate(0, token_given=True).fix)
    assert "limited_access_token" in str(limited_access_gate(0, token_given=False).fix)


@pytest.mark.parametrize("state", range(9))
def test_every_ready_state_but_the_first_is_closed_and_says_something(state: int) -> None:
    gate = ready_state_gate(state)

    assert gate.state == ("open" if state == 0 else "closed")
    assert gate.found
    assert (gate.fix is None) == (state in (0, 7, 8))


def test_a_question_that_fails_closes_the_gate_with_the_codes_own_fix() -> None:
    gate = ready_state_gate(AttributeError("requires 'ILanguageModelStatics'"))

    assert gate.state == "closed"
    assert "E_NOINTERFACE" in gate.found
    assert "Windows Update" in str(gate.fix)


def test_the_reasons_name_every_closed_gate_once_and_the_hint_opens_the_first() -> None:
    gates = [os_build_gate((26100, 1)), hardware_gate(False), ready_state_gate(6), identity_gate(None)]

    error = unavailable(gates)

    assert "os_build: Windows build 26100.1" in error.message
    assert "ready_state: Windows must be updated first" in error.message
    assert "package_identity" in error.message
    assert "hardware" not in error.message
    assert "25H2" in str(error.hint)


@pytest.mark.skipif(sys.platform == "win32", reason="what other systems have")
def test_elsewhere_there_are_no_gates() -> None:
    assert language_model_gates("token") == []

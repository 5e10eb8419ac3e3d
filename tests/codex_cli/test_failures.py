"""What a Codex user sees when the host cannot answer."""

from __future__ import annotations

import pytest

from codex_windows_ai.errors import EngineBusyError, EngineClosedError, WindowsAiError
from tests.codex_cli.program import Workplace


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (EngineBusyError("The queue is full.", retry_after=0.1), 429),
        (EngineClosedError("The engine was shut down."), 503),
    ],
)
def test_what_passes_is_tried_again(error: WindowsAiError, status: int, place: Workplace) -> None:
    place.host.begin(error, "Here I am.")

    ran = place.execute("hi")

    assert (ran.exit_code, ran.stdout) == (0, "Here I am.\n"), ran.stderr
    assert [asked.status for asked in place.host.asked] == [status, 200]


def test_a_prompt_larger_than_the_window_ends_at_once_and_says_so(place: Workplace) -> None:
    ran = place.execute("x" * 40_000)

    assert ran.exit_code == 1
    assert len(place.host.asked) == 1
    # Codex 0.163 shows what the host says, with the numbers; 0.169 says it in its own words.
    assert "window holds 32768" in ran.stderr or "ran out of room in the model's context window" in ran.stderr


def test_a_model_that_the_host_does_not_serve_is_named(place: Workplace) -> None:
    ran = place.execute("-c", 'model="other"', "-c", "model_providers.windows-ai.stream_max_retries=0", "hi")

    assert ran.exit_code == 1
    assert "This host serves `tiny`, not `other`." in ran.stderr


def test_a_host_that_is_gone_is_an_error_and_no_endless_wait(place: Workplace) -> None:
    provider = "model_providers.windows-ai"
    ran = place.execute(
        *("-c", f'{provider}.base_url="http://127.0.0.1:9/v1"'),
        *("-c", f"{provider}.request_max_retries=0", "-c", f"{provider}.stream_max_retries=0"),
        "hi",
    )

    assert ran.exit_code == 1
    assert "Connection failed" in ran.stderr


def test_the_kernel_path_is_refused_or_announced(place: Workplace) -> None:
    refused = place.cwai("codex", "--kernel-accelerated", "exec", "hi")
    assert refused.exit_code == 4
    assert "there is no kernel-accelerated path" in refused.stderr
    assert not place.host.asked

    place.host.begin("Over HTTP.")
    announced = place.execute("--kernel-accelerated", "hi", environment={"CODEX_WINDOWS_AI_FALLBACK": "announce"})
    exchanges = [(asked.status, asked.answer[-300:]) for asked in place.host.asked]
    assert (announced.exit_code, announced.stdout) == (0, "Over HTTP.\n"), exchanges
    assert "It takes HTTP instead" in announced.stderr

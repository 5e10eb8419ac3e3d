"""One step after the other: whatever ends a request, at whatever stage, nothing of it stays behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.pool import Binding, Session
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sequence import Phase, Sequence
from codex_windows_ai.errors import (
    ContextLengthExceededError,
    DeadlineExceededError,
    EngineBusyError,
    EngineError,
    InvalidGrammarError,
    InvalidRequestError,
)
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.protocol.request import Grammar
from tests.engine.clients import Client, run
from tests.engine.tiny_model import make_tiny_model

PROMPT = tuple(range(200))
ENDLESS = Grammar("regex", "[a-g]{600}")


def submit(core: EngineCore, **values: Any) -> Client:
    """A request of 200 tokens for a long answer of letters, but for these `values`."""
    defaults: dict[str, Any] = {"prompt": PROMPT, "max_output_tokens": 150, "grammar": ENDLESS}
    return Client(core, EngineRequest(**(defaults | values)))


@pytest.fixture
def core(tiny_model: ModelFolder) -> EngineCore:
    return EngineCore(tiny_model, EngineConfiguration(threads=1, max_sequences=3, prefill_chunk=64, prefill_seconds=0))


def assert_at_rest(core: EngineCore) -> None:
    assert core.idle
    assert core.pool.nbytes == 0
    assert core.scheduler.waiting.heads() == []
    assert not any(block.references for block in core.cache.blocks())
    assert core.scheduler.counters.present == set()
    statistics = core.statistics()
    assert (statistics.running, statistics.waiting) == (0, 0)


def reach(core: EngineCore, phase: Phase) -> Client:
    """A client whose sequence is at that stage, with others before and behind it."""
    if phase is Phase.WAITING:
        for n in range(core.configuration.max_sequences):
            submit(core, agent=f"before {n}")
        for _ in range(4):
            core.step()
        client = submit(core)
        assert client.sequence.phase is Phase.WAITING
        return client
    submit(core, agent="before", prompt=(1, 2, 3))
    core.step()
    client = submit(core)
    submit(core, agent="behind")
    while client.sequence.phase is not phase or not client.sequence.computed:
        core.step()
    assert client.sequence.phase is phase
    return client


def cancel(core: EngineCore, client: Client) -> None:
    core.cancel(client.sequence)


def let_the_deadline_pass(core: EngineCore, client: Client) -> None:
    object.__setattr__(client.sequence.request, "deadline", 60.0)
    client.sequence.submitted -= 61.0
    core.step()


def fail_all(core: EngineCore, client: Client) -> None:
    core.fail_all(EngineError("everything is over"))


stages = pytest.mark.parametrize("phase", [Phase.WAITING, Phase.PREFILL, Phase.DECODE])


@stages
@pytest.mark.parametrize("end", [cancel, let_the_deadline_pass, fail_all])
def test_a_request_that_ends_early_leaves_nothing_behind(
    core: EngineCore, phase: Phase, end: Callable[[EngineCore, Client], None]
) -> None:
    client = reach(core, phase)
    end(core, client)

    assert client.ends == 1
    assert client.sequence.phase is Phase.DONE
    assert client.sequence not in core.slots.sequences
    run(core)
    assert_at_rest(core)


@stages
def test_a_cancelled_request_says_so_and_counts_what_it_said(core: EngineCore, phase: Phase) -> None:
    client = reach(core, phase)
    core.cancel(client.sequence)
    core.cancel(client.sequence)  # once more is harmless

    last = client.deltas[-1]
    assert last.finish_reason == "cancelled"
    assert last.usage is not None
    assert last.usage.output_tokens == sum(len(delta.tokens) for delta in client.deltas)
    assert len(client.text) == last.usage.output_tokens  # letters are one token each here
    assert core.statistics().cancelled == 1


@stages
def test_a_deadline_ends_a_request_with_its_own_error(core: EngineCore, phase: Phase) -> None:
    client = reach(core, phase)
    let_the_deadline_pass(core, client)

    (error,) = client.errors
    assert isinstance(error, DeadlineExceededError)
    assert "60" in error.message


def test_a_pass_that_fails_ends_its_own_sequences_and_no_others(
    core: EngineCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoding = [submit(core, agent=str(n), prompt=(n, n)) for n in range(2)]
    while any(client.sequence.phase is not Phase.DECODE for client in decoding):
        core.step()
    reading, waiting = submit(core, agent="reading"), submit(core, agent="waiting")
    core.step()
    assert Phase.DONE not in (reading.sequence.phase, waiting.sequence.phase)
    forward = core.model.forward

    def fail_once(*arguments: object, **options: object) -> object:
        monkeypatch.setattr(core.model, "forward", forward)
        raise RuntimeError("the device is gone")

    # Without speculation, so that both decode in the one pass that fails, beside a piece of one of the prompts.
    monkeypatch.setattr(Sequence, "draft", lambda _: [])
    monkeypatch.setattr(core.model, "forward", fail_once)
    core.step()

    failed, others = (
        [client for client in (*decoding, reading, waiting) if bool(client.errors) is ended] for ended in (True, False)
    )
    for client in failed:
        (error,) = client.errors
        assert isinstance(error, EngineError)
        assert "the device is gone" in error.message
    assert {*map(id, decoding)} < {*map(id, failed)}
    assert core.statistics().failed == 3
    run(core)
    (other,) = others
    assert other.deltas[-1].finish_reason == "length"
    assert_at_rest(core)


def test_pauses_are_those_between_two_pieces_of_one_answer(core: EngineCore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sequence, "draft", lambda _: [])
    ticks = iter(range(1000))
    clock = SimpleNamespace(perf_counter=lambda: float(next(ticks)))
    monkeypatch.setattr("codex_windows_ai.engine.statistics.time", clock)
    submit(core, prompt=(1, 2, 3), max_output_tokens=1)
    run(core)
    assert core.statistics().pause_p95 == 0  # it had one piece

    for n in range(2):
        submit(core, agent=str(n), prompt=(n, n, n), max_output_tokens=6)
    run(core)
    assert core.statistics().pause_p95 == 2  # they speak by turns


def test_beside_one_who_guesses_the_other_goes_on(core: EngineCore, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = [submit(core, agent=str(n), prompt=(n, n)) for n in range(2)]
    while any(client.sequence.phase is not Phase.DECODE for client in clients):
        core.step()
    guesser = clients[0].sequence
    monkeypatch.setattr(Sequence, "draft", lambda sequence: [7] if sequence is guesser else [])
    before = [len(client.sequence.tokens) for client in clients]
    core.step()
    assert all(len(client.sequence.tokens) > said for client, said in zip(clients, before, strict=True))


def test_memory_that_runs_out_ends_the_request_it_was_for(core: EngineCore, monkeypatch: pytest.MonkeyPatch) -> None:
    running = submit(core, prompt=(1, 2, 3), max_output_tokens=20)
    core.step()
    unlucky = submit(core, agent="unlucky")
    resize = core.pool.resize

    def out_of_memory(rows: int, length: int, *, kept: list[range]) -> None:
        if length:
            raise MemoryError("no memory left")
        resize(rows, length, kept=kept)

    monkeypatch.setattr(core.pool, "resize", out_of_memory)
    while not unlucky.ends:
        core.step()
    monkeypatch.setattr(core.pool, "resize", resize)
    run(core)

    assert len(unlucky.errors) == 1
    assert running.ends == 1
    assert_at_rest(core)


def test_memory_that_runs_out_in_admission_ends_only_who_was_to_be_admitted(
    tiny_model: ModelFolder, core: EngineCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = 4 * core.pool.length_step * core.model.spec.bytes_per_token
    core = EngineCore(tiny_model, EngineConfiguration(threads=1, row_bytes=budget))
    small = [submit(core, agent=str(n), prompt=(n, n), max_output_tokens=30) for n in range(3)]
    core.step()
    for client in small[1:]:
        core.cancel(client.sequence)
    # Three rows of its length do not fit: the buffers must first shrink to the one in use.
    large = submit(core, max_output_tokens=200)
    resize = core.pool.resize

    def fail_once(rows: int, length: int, *, kept: list[range]) -> None:
        monkeypatch.setattr(core.pool, "resize", resize)
        raise MemoryError("no memory left")

    monkeypatch.setattr(core.pool, "resize", fail_once)
    core.step()

    assert "no memory left" in large.errors[0].message
    run(core)
    assert small[0].deltas[-1].finish_reason == "length"
    assert_at_rest(core)


@pytest.mark.parametrize("tokens", [512, 530])
def test_a_prompt_that_does_not_fit_is_refused_with_the_numbers(core: EngineCore, tokens: int) -> None:
    with pytest.raises(ContextLengthExceededError) as refused:
        submit(core, prompt=(1,) * tokens, max_output_tokens=None)

    error = refused.value
    assert (error.prompt_tokens, error.context_length) == (tokens, 512)
    assert f"at least {tokens + 1 - 512} tokens" in (error.hint or "")
    assert_at_rest(core)


@pytest.mark.parametrize("limit", [12, 13, 10**12])
def test_an_output_limit_is_no_reservation(core: EngineCore, limit: int) -> None:
    client = submit(core, prompt=(1,) * 500, max_output_tokens=limit)
    run(core)

    assert client.deltas[-1].usage is not None
    assert client.deltas[-1].usage.output_tokens == 12


def test_without_a_limit_the_answer_fills_the_window(core: EngineCore) -> None:
    client = submit(core, prompt=(1,) * 480, max_output_tokens=None)
    run(core)

    assert client.deltas[-1].finish_reason == "length"
    assert client.deltas[-1].usage is not None
    assert client.deltas[-1].usage.output_tokens == 32


def test_without_a_limit_an_answer_leaves_room_for_others(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path, context=1024)
    roomy = EngineCore(folder, EngineConfiguration(threads=1, default_output_tokens=16))
    token = roomy.pool.spec.bytes_per_token
    tight = EngineCore(
        folder, EngineConfiguration(threads=1, default_output_tokens=16, row_bytes=1024 * token, cache_bytes=0)
    )

    def limits(core: EngineCore, prompt: int) -> int:
        request = EngineRequest((1,) * prompt)
        return core.prepare(request, lambda item: None).max_output_tokens

    assert [limits(roomy, 100), limits(roomy, 1000)] == [924, 24]
    assert [limits(tight, 100), limits(tight, 250), limits(tight, 1015)] == [156, 16, 9]


@pytest.mark.parametrize("maximum", [0, -1])
def test_an_answer_of_no_tokens_is_refused(core: EngineCore, maximum: int) -> None:
    with pytest.raises(InvalidRequestError, match=f"`max_output_tokens` must be at least 1; given: {maximum}"):
        submit(core, max_output_tokens=maximum)


def test_a_request_larger_than_the_memory_budget_is_refused(tiny_model: ModelFolder, core: EngineCore) -> None:
    budget = 300 * core.model.spec.bytes_per_token  # one row of 256 tokens
    small = EngineCore(tiny_model, EngineConfiguration(threads=1, row_bytes=budget))
    with pytest.raises(InvalidRequestError, match=f"has 256 tokens.*{budget:,} bytes.*holds 256") as refused:
        submit(small, prompt=(1,) * 256)
    assert "`memory`" in (refused.value.hint or "")

    client = submit(small, prompt=(1,) * 200, max_output_tokens=57)
    run(small)
    assert client.deltas[-1].finish_reason == "length"
    assert client.deltas[-1].usage is not None
    assert client.deltas[-1].usage.output_tokens == 56


@pytest.mark.parametrize(
    "request_values",
    [
        {"prompt": ()},
        {"prompt": (-1,)},
        {"prompt": (10**6,)},
        {"stop": ("",)},
        {"top_logprobs": -1},
        {"top_logprobs": 21},
    ],
)
def test_a_request_that_makes_no_sense_is_refused_before_any_work(
    core: EngineCore, request_values: dict[str, object]
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        submit(core, **request_values)

    assert refused.value.http_status == 400
    assert core.model.forward_passes == 0
    assert_at_rest(core)


def test_a_grammar_that_nothing_matches_is_refused_before_any_work(core: EngineCore) -> None:
    with pytest.raises(InvalidGrammarError):
        submit(core, grammar=Grammar("regex", r"a[^\s\S]"))

    assert core.model.forward_passes == 0
    assert_at_rest(core)


def test_a_full_queue_says_when_to_try_again(tiny_model: ModelFolder) -> None:
    core = EngineCore(tiny_model, EngineConfiguration(threads=1, max_sequences=1, queue_limit=40))
    for n in range(40):
        submit(core, agent=str(n))
    with pytest.raises(EngineBusyError) as refused:
        submit(core)

    assert refused.value.http_status == 429
    assert refused.value.retry_after >= 1
    assert f"{refused.value.retry_after:.0f} s" in (refused.value.hint or "")
    assert "40 requests" in refused.value.message


def test_forced_text_costs_no_logits(core: EngineCore, monkeypatch: pytest.MonkeyPatch) -> None:
    client = submit(core, prompt=(1, 2), grammar=Grammar("regex", "x{400}"), max_output_tokens=400)
    forward = core.model.forward
    sizes: list[int] = []

    def measure(rows: object, first: object, tokens: object, *rest: object, **options: object) -> object:
        logits = forward(rows, first, tokens, *rest, **options)  # type: ignore[arg-type]
        sizes.append(logits.shape[1])
        return logits

    monkeypatch.setattr(core.model, "forward", measure)
    run(core)

    assert client.text == "x" * 400
    assert max(sizes) == 1
    assert len(sizes) < 30


def test_requests_of_one_agent_are_served_in_the_order_of_their_arrival(tiny_model: ModelFolder) -> None:
    core = EngineCore(tiny_model, EngineConfiguration(threads=1, max_sequences=1))
    clients = [submit(core, prompt=(n + 1,) * (9 - n), max_output_tokens=2) for n in range(6)]
    order: list[int] = []
    while not core.idle:
        core.step()
        order += [n for n, client in enumerate(clients) if client.ends and n not in order]

    assert order == sorted(order)


def test_an_agent_with_many_requests_does_not_push_another_back(tiny_model: ModelFolder) -> None:
    core = EngineCore(tiny_model, EngineConfiguration(threads=1, max_sequences=1))
    greedy = [submit(core, agent="greedy", prompt=(n, n), max_output_tokens=20) for n in range(10)]
    core.step()
    modest = submit(core, agent="modest", prompt=(1, 2, 3), max_output_tokens=3)
    while not modest.ends:
        core.step()

    assert sum(client.ends for client in greedy) <= 2


def test_keys_and_values_are_where_the_given_pool_keeps_them(tiny_model: ModelFolder) -> None:
    bound: list[int] = []

    class NotingPool(HostPool):
        def bind(self, session: Session, first: int, past: list[int], new: int, *more: Any) -> Binding:
            bound.append(new)
            return super().bind(session, first, past, new, *more)

    core = EngineCore(tiny_model, make_pool=NotingPool)
    client = submit(core, prompt=(1, 2, 3), max_output_tokens=4)
    run(core)

    assert client.deltas[-1].finish_reason == "length"
    assert bound[0] == 3
    assert len(bound) == core.model.forward_passes

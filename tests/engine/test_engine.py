"""The engine in its thread, with callers in many threads and loops."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from codex_windows_ai.chat.formats import chat_format
from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.engine.generation import Generation
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.errors import (
    ContextLengthExceededError,
    DeadlineExceededError,
    EngineBusyError,
    EngineClosedError,
    EngineError,
    InvalidRequestError,
)
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import Grammar, Message, SamplingParameters, ToolSet
from tests.engine.conftest import StartEngine
from tests.engine.turnstile import PATIENCE, Turnstile, assert_at_rest, request, text_of, tokens_of


def test_an_answer_comes_piece_by_piece_and_ends_with_its_figures(start_engine: StartEngine) -> None:
    deltas = list(start_engine().submit(request()))

    *pieces, last = deltas
    assert len(pieces) > 1
    assert all(piece.finish_reason is piece.usage is piece.timings is None for piece in pieces)
    assert last.finish_reason == "length"
    assert last.usage is not None
    assert (last.usage.input_tokens, last.usage.cached_tokens, last.usage.output_tokens) == (3, 0, 8)
    assert len(tokens_of(deltas)) == len(text_of(deltas)) == 8
    assert last.timings is not None
    assert last.timings.total >= last.timings.queue + last.timings.prefill >= 0


def test_a_request_cancelled_in_mid_stream_ends_within_a_step(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine()
    turnstile = Turnstile(engine, monkeypatch)
    turnstile.let_through(3)
    generation = engine.submit(request(max_output_tokens=300))
    first = [next(generation), next(generation), next(generation)]
    generation.cancel()
    turnstile.open()
    rest = list(generation)

    assert rest[-1].finish_reason == "cancelled"
    assert len(tokens_of(first + rest)) <= 3 + 2
    assert engine.statistics().cancelled == 1
    assert_at_rest(engine)


def test_a_request_cancelled_while_it_waits_costs_no_work(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine(max_sequences=1)
    turnstile = Turnstile(engine, monkeypatch)
    running, waiting = engine.submit(request()), engine.submit(request())
    waiting.cancel()
    turnstile.open()

    (only,) = list(waiting)
    assert (only.text, only.tokens, only.finish_reason) == ("", (), "cancelled")
    assert list(running)[-1].finish_reason == "length"
    assert_at_rest(engine)


@pytest.mark.parametrize("leave", ["drop", "break", "aclose"])
def test_a_client_that_vanishes_frees_its_row(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch, leave: str
) -> None:
    engine = start_engine()
    turnstile = Turnstile(engine, monkeypatch)
    turnstile.let_through(2)
    if leave == "break":
        for _ in engine.submit(request(max_output_tokens=300)):
            break
    else:
        generation = engine.submit(request(max_output_tokens=300))
        next(generation)
        assert engine.statistics().running == 1
        if leave == "aclose":
            asyncio.run(generation.aclose())
        del generation
    turnstile.open()

    assert_at_rest(engine)
    assert engine.statistics().cancelled == 1


def test_a_full_queue_refuses_and_takes_again_once_there_is_room(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine(max_sequences=1, queue_limit=2)
    turnstile = Turnstile(engine, monkeypatch)
    accepted = [engine.submit(request())]
    turnstile.wait_for_arrival()  # it has its row and waits no more
    accepted += [engine.submit(request()) for _ in range(2)]
    with pytest.raises(EngineBusyError) as busy:
        engine.submit(request())
    turnstile.open()

    assert busy.value.retry_after >= 1
    assert [list(generation)[-1].finish_reason for generation in accepted] == ["length"] * 3
    assert list(engine.submit(request()))[-1].finish_reason == "length"
    assert_at_rest(engine)


def test_a_thousand_requests_at_once_are_answered_or_refused(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine(queue_limit=100)
    turnstile = Turnstile(engine, monkeypatch)

    def submit(n: int) -> Generation | EngineBusyError:
        try:
            return engine.submit(request(prompt=(n % 256, n // 256), agent=str(n % 7), max_output_tokens=1))
        except EngineBusyError as error:
            return error

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(submit, range(1000)))
    turnstile.open()
    accepted = [outcome for outcome in outcomes if isinstance(outcome, Generation)]
    said = {outcome.message for outcome in outcomes if isinstance(outcome, EngineBusyError)}

    assert said == {"100 requests are waiting already; the limit is 100."}  # also before one is queued

    assert 100 <= len(accepted) <= 100 + engine.core.configuration.max_sequences
    for generation in accepted:
        deltas = list(generation)
        assert deltas[-1].finish_reason == "length"
        assert len(tokens_of(deltas)) == 1
    assert_at_rest(engine)


def test_callers_that_come_and_go_in_many_threads_leave_nothing_behind(start_engine: StartEngine) -> None:
    engine = start_engine(max_sequences=4, queue_limit=30)

    def client(seed: int) -> int:
        choices = random.Random(seed)
        answered = 0
        for _ in range(30):
            try:
                generation = engine.submit(
                    request(
                        prompt=tuple(range(choices.randrange(1, 120))),
                        max_output_tokens=choices.randrange(1, 30),
                        agent=str(choices.randrange(4)),
                        deadline=choices.choice([None, None, 0.0]),
                    )
                )
            except EngineBusyError:
                continue
            assert generation.queue_position >= 0
            assert engine.statistics().waiting >= 0
            patience = choices.choice([0, 1, 3, 1000])
            try:
                for read, delta in enumerate(generation):
                    answered += delta.finish_reason is not None
                    if read == patience:
                        generation.cancel()
            except DeadlineExceededError:
                answered += 1
        return answered

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(client, range(6))) > 0
    assert_at_rest(engine)
    statistics = engine.statistics()
    assert statistics.finished > 0
    assert engine.core.scheduler.counters.present == set()


def test_a_deadline_that_passes_ends_the_request_with_its_own_error(start_engine: StartEngine) -> None:
    engine = start_engine()

    with pytest.raises(DeadlineExceededError):
        list(engine.submit(request(deadline=0.0)))
    assert_at_rest(engine)


def test_closing_ends_what_runs_and_what_waits(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = start_engine(max_sequences=1)
    forward = engine.core.model.forward

    def wait_for_closing(*arguments: Any, **options: Any) -> Any:
        assert engine.closing.wait(PATIENCE)
        return forward(*arguments, **options)

    monkeypatch.setattr(engine.core.model, "forward", wait_for_closing)
    generations = [engine.submit(request()) for _ in range(3)]
    engine.close()

    for generation in generations:
        with pytest.raises(EngineClosedError):
            list(generation)
        generation.cancel()
    with pytest.raises(EngineClosedError):
        engine.submit(request())
    engine.close()
    assert engine.statistics().running == engine.statistics().waiting == 0


def test_a_program_may_end_while_the_engine_runs(tiny_model: ModelFolder) -> None:
    # A thread that is still inside the runtime when the interpreter ends aborts the process, now and then.
    program = f"""
import atexit
from pathlib import Path
from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.models.folder import read_model_folder

atexit.register(lambda: print("still running:", engine.running))
engine = Engine(read_model_folder(Path({str(tiny_model.path)!r})))
requests = [engine.submit(EngineRequest(prompt=tuple(range(n, 200)))) for n in range(4)]
next(requests[0])
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)

    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "still running: False", "")


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"max_output_tokens": 0}, InvalidRequestError),
        ({"max_output_tokens": -5}, InvalidRequestError),
        ({"prompt": (1,) * 600}, ContextLengthExceededError),
        ({"prompt": ()}, InvalidRequestError),
        ({"sampling": SamplingParameters(temperature=-1)}, InvalidRequestError),
        ({"grammar": Grammar("regex", "(")}, InvalidRequestError),
    ],
)
def test_a_bad_request_is_refused_at_once_and_takes_no_place(
    start_engine: StartEngine, values: dict[str, Any], error: type[InvalidRequestError]
) -> None:
    engine = start_engine(queue_limit=1)
    for _ in range(3):
        with pytest.raises(error):
            engine.submit(request(**values))

    assert engine.statistics().forward_passes == 0
    assert_at_rest(engine)


def test_a_pass_that_fails_ends_its_request_and_the_next_one_works(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine()
    forward = engine.core.model.forward

    def fail_once(*_: Any, **__: Any) -> Any:
        monkeypatch.setattr(engine.core.model, "forward", forward)
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(engine.core.model, "forward", fail_once)
    with pytest.raises(EngineError, match="the device is gone"):
        list(engine.submit(request()))

    assert list(engine.submit(request()))[-1].finish_reason == "length"
    assert engine.statistics().failed == 1
    assert_at_rest(engine)


@pytest.mark.parametrize("part", ["expire", "execute", "cancel"])
def test_a_fault_of_the_engine_ends_requests_but_never_leaves_them_waiting(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    engine = start_engine()
    turnstile = Turnstile(engine, monkeypatch)
    generation = engine.submit(request(max_output_tokens=400))
    turnstile.wait_for_arrival()

    sound = getattr(engine.core, part)

    def fail_once(*_: Any) -> Any:
        monkeypatch.setattr(engine.core, part, sound)
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(engine.core, part, fail_once)
    if part == "cancel":
        generation.cancel()
    turnstile.open()
    with pytest.raises(EngineError, match="a fault of ours"):
        list(generation)

    assert list(engine.submit(request()))[-1].finish_reason == "length"
    assert_at_rest(engine)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_engine_whose_thread_died_says_so_instead_of_waiting(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine()

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(engine.core, "step", fail)
    monkeypatch.setattr(engine.core, "fail_all", fail)
    generation = engine.submit(request())
    assert engine.closing.wait(PATIENCE)

    with pytest.raises(EngineClosedError):
        engine.submit(request())
    del generation
    engine.close()


def test_a_reader_whose_loop_is_gone_harms_nobody_else(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine()
    turnstile = Turnstile(engine, monkeypatch)
    abandoned, other = engine.submit(request()), engine.submit(request())
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # it would report the reader that it leaves behind
    reader = loop.create_task(anext_of(abandoned))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    turnstile.open()

    assert list(other)[-1].finish_reason == "length"
    del reader
    assert_at_rest(engine)


async def anext_of(generation: Generation) -> Delta:
    return await anext(generation)


def test_two_event_loops_share_one_engine(start_engine: StartEngine) -> None:
    engine = start_engine()

    async def answers(agent: str) -> list[str]:
        async def answer(n: int) -> str:
            return text_of([delta async for delta in engine.submit(request(prompt=(n,), agent=agent))])

        return list(await asyncio.gather(*(answer(n) for n in range(5))))

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda agent: asyncio.run(answers(agent)), ("a", "b"))

    assert [len(text) for text in first + second] == [8] * 10
    assert_at_rest(engine)


def test_the_place_in_the_queue_is_told_until_the_request_runs(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine(max_sequences=1)
    turnstile = Turnstile(engine, monkeypatch)
    running = engine.submit(request(agent="a"))
    turnstile.wait_for_arrival()
    waiting = [engine.submit(request(agent=agent)) for agent in ("a", "a", "b")]
    for _ in range(2):  # the engine takes them into its queue, and serves "a" once more than "b"
        turnstile.let_through(1)
        turnstile.wait_for_arrival()

    assert running.queue_position == 0
    assert [generation.queue_position for generation in waiting] == [2, 3, 1]
    turnstile.open()
    assert [list(generation)[-1].finish_reason for generation in waiting] == ["length"] * 3
    assert [generation.queue_position for generation in waiting] == [0, 0, 0]


def test_a_stop_string_ends_the_answer_across_tokens(start_engine: StartEngine) -> None:
    engine = start_engine()
    answer = Grammar("regex", "hello world and more")

    deltas = list(engine.submit(request(grammar=answer, stop=("o wor", "never"), max_output_tokens=40)))

    assert text_of(deltas) == "hell"
    assert deltas[-1].finish_reason == "stop"
    assert_at_rest(engine)


def test_a_stop_string_that_does_not_come_costs_no_text(start_engine: StartEngine) -> None:
    deltas = list(start_engine().submit(request(grammar=Grammar("regex", "hello wo"), stop=("o world",))))

    assert text_of(deltas) == "hello wo"


def test_characters_are_never_split_between_deltas(start_engine: StartEngine) -> None:
    text = "naïve 🙂 日本 é"
    engine = start_engine(speculating_sequences=0)  # one token a delta, and here that is one byte

    deltas = list(engine.submit(request(grammar=Grammar("regex", text), max_output_tokens=60)))
    cut = list(engine.submit(request(grammar=Grammar("regex", text), max_output_tokens=10)))

    assert text_of(deltas) == text
    assert len(tokens_of(deltas)) == len(text.encode())
    assert text_of(cut) == "naïve \N{REPLACEMENT CHARACTER}"
    assert cut[-1].finish_reason == "length"
    assert not any("\N{REPLACEMENT CHARACTER}" in delta.text for delta in cut[:-1])


def test_alternatives_are_the_likeliest_tokens_before_any_filter(start_engine: StartEngine) -> None:
    deltas = list(start_engine().submit(request(grammar=None, top_logprobs=3, max_output_tokens=4)))

    for delta in deltas:
        for chosen in delta.tokens:
            logprobs = [alternative.logprob for alternative in chosen.alternatives]
            assert len(logprobs) == 3
            assert logprobs == sorted(logprobs, reverse=True)
            assert logprobs[0] <= 0
            # Greedy: what was chosen is the likeliest.
            assert chosen.alternatives[0].token_id == chosen.token_id
            assert chosen.logprob == logprobs[0]


def test_a_seeded_answer_is_the_same_however_busy_the_engine_is(start_engine: StartEngine) -> None:
    engine = start_engine(prefill_chunk=32)
    sampling = SamplingParameters(temperature=1.0, top_p=0.95, seed=11)
    seeded = request(prompt=tuple(range(150)), sampling=sampling, grammar=None, max_output_tokens=40)
    alone = tokens_of(list(engine.submit(seeded)))

    others = [
        engine.submit(request(prompt=tuple(range(n, 150 + n)), agent=str(n), max_output_tokens=60 + n))
        for n in range(6)
    ]
    again = [engine.submit(seeded) for _ in range(2)]

    assert [tokens_of(list(generation)) for generation in again] == [alone, alone]
    for generation in others:
        generation.cancel()
    assert_at_rest(engine)


# The default model.


def encode(engine: Engine, *messages: Message) -> tuple[int, ...]:
    return tuple(chat_format(engine.core.folder.path, engine.tokenizer).render(messages, ToolSet()))


def answer(engine: Engine, text: str, **values: Any) -> list[Delta]:
    return list(engine.submit(EngineRequest(encode(engine, Message("user", text)), **values)))


def test_the_default_model_answers_and_stops_by_itself(engine: Engine) -> None:
    deltas = answer(engine, "What is the capital of France? Answer in one short sentence.", max_output_tokens=60)

    assert len(text_of(deltas)) > 10
    assert len(deltas) > 3
    assert "<|im_" not in text_of(deltas)


def test_the_default_model_keeps_to_a_schema(engine: Engine) -> None:
    schema = {
        "type": "object",
        "properties": {"sum": {"type": "integer", "minimum": 0, "maximum": 99}},
        "required": ["sum"],
        "additionalProperties": False,
    }

    deltas = answer(engine, "Add 2 and 3.", grammar=Grammar("json_schema", json.dumps(schema)), max_output_tokens=60)

    assert 0 <= json.loads(text_of(deltas))["sum"] <= 99
    assert deltas[-1].finish_reason == "stop"


def test_the_default_models_seeded_answers_repeat_beside_others(engine: Engine) -> None:
    sampling = SamplingParameters(temperature=0.9, top_k=50, seed=3)
    values: dict[str, Any] = {"sampling": sampling, "max_output_tokens": 12}
    alone = tokens_of(answer(engine, "Name a colour.", **values))
    beside = engine.submit(
        EngineRequest(encode(engine, Message("user", "Count from one to twenty.")), max_output_tokens=30, agent="other")
    )

    assert tokens_of(answer(engine, "Name a colour.", **values)) == alone
    beside.cancel()


def test_the_default_model_writes_whole_characters(engine: Engine) -> None:
    text = "🙂🙃 żółć 漢字"

    deltas = answer(engine, "Say it.", grammar=Grammar("regex", text), max_output_tokens=60)

    assert text_of(deltas) == text


def test_the_next_turn_reads_only_what_is_new(engine: Engine) -> None:
    question = "Tell me about the sea. " * 12
    first = answer(engine, question, max_output_tokens=4)
    turns = (Message("user", question), Message("assistant", text_of(first)), Message("user", "Go on."))

    last = list(engine.submit(EngineRequest(encode(engine, *turns), max_output_tokens=2)))[-1]

    assert last.usage is not None
    assert last.usage.cached_tokens >= 64
    assert last.usage.input_tokens - last.usage.cached_tokens < 64


def test_each_token_carries_the_bytes_it_adds_to_the_text(start_engine: StartEngine) -> None:
    euro = "€".encode()
    deltas = list(start_engine().submit(request(grammar=Grammar("regex", "a€"), max_output_tokens=20)))

    chosen = [token.token for delta in deltas for token in delta.tokens]
    assert b"".join(chosen) == text_of(deltas).encode() == b"a" + euro

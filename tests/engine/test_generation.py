"""The stream between the engine's thread and one reader, wherever that reader is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.engine.generation import Generation, Stream
from codex_windows_ai.errors import EngineError, WindowsAiError
from codex_windows_ai.protocol.answer import Delta

PIECES = [Delta(text="one "), Delta(text="two "), Delta(text="three", finish_reason="stop")]
PATIENCE = 30.0


class Requested:
    """A generation, its writing end, and how often it was cancelled."""

    def __init__(self) -> None:
        self.stream = Stream()
        self.cancelled = 0
        self.generation: Generation | None = Generation(self.stream, self.cancel, lambda: 3)

    def cancel(self) -> None:
        self.cancelled += 1

    def read(self) -> list[Delta]:
        assert self.generation is not None
        return list(self.generation)

    async def read_async(self) -> list[Delta]:
        assert self.generation is not None
        return [delta async for delta in self.generation]


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_what_was_written_before_is_read_in_order() -> None:
    requested = Requested()
    for piece in PIECES:
        requested.stream.put(piece)

    assert requested.read() == PIECES
    assert requested.read() == []


def test_an_asynchronous_reader_gets_the_same() -> None:
    requested = Requested()
    for piece in PIECES:
        requested.stream.put(piece)

    assert asyncio.run(requested.read_async()) == PIECES
    assert asyncio.run(requested.read_async()) == []


def test_a_reader_in_another_thread_waits_for_what_comes() -> None:
    requested = Requested()
    read: list[Delta] = []
    one_read = threading.Event()

    def reader() -> None:
        assert requested.generation is not None
        for delta in requested.generation:
            read.append(delta)
            one_read.set()

    thread = in_thread(reader)
    requested.stream.put(PIECES[0])
    assert one_read.wait(PATIENCE)
    requested.stream.put(PIECES[1])
    requested.stream.put(PIECES[2])
    thread.join(PATIENCE)

    assert read == PIECES


def test_a_waiting_event_loop_is_woken_by_the_engines_thread() -> None:
    requested = Requested()

    async def main() -> list[Delta]:
        reader = asyncio.create_task(requested.read_async())
        for piece in PIECES:
            await asyncio.sleep(0)  # the reader waits now
            await asyncio.to_thread(requested.stream.put, piece)
        return await asyncio.wait_for(reader, PATIENCE)

    assert asyncio.run(main()) == PIECES


def test_a_reader_may_go_from_one_loop_to_another_and_to_none() -> None:
    requested = Requested()
    assert requested.generation is not None
    for piece in PIECES:
        requested.stream.put(piece)

    assert asyncio.run(anext_of(requested.generation)) == PIECES[0]
    assert asyncio.run(anext_of(requested.generation)) == PIECES[1]
    assert next(requested.generation) == PIECES[2]


async def anext_of(generation: Generation) -> Delta:
    return await anext(generation)


def test_an_error_is_raised_after_what_came_before_it() -> None:
    requested = Requested()
    assert requested.generation is not None
    requested.stream.put(PIECES[0])
    requested.stream.put(EngineError("the device is gone"))

    assert next(requested.generation) == PIECES[0]
    with pytest.raises(EngineError, match="the device is gone"):
        next(requested.generation)
    assert requested.read() == []


def test_an_error_is_raised_from_an_asynchronous_iteration() -> None:
    requested = Requested()
    requested.stream.put(EngineError("the device is gone"))

    with pytest.raises(EngineError, match="the device is gone"):
        asyncio.run(requested.read_async())
    assert asyncio.run(requested.read_async()) == []


def test_an_error_wakes_a_reader_that_waits() -> None:
    requested = Requested()
    errors: list[WindowsAiError] = []

    def reader() -> None:
        try:
            requested.read()
        except WindowsAiError as error:
            errors.append(error)

    thread = in_thread(reader)
    requested.stream.put(EngineError("the device is gone"))
    thread.join(PATIENCE)

    assert [error.message for error in errors] == ["the device is gone"]


def test_a_reader_that_gives_up_waiting_loses_nothing() -> None:
    requested = Requested()
    assert requested.generation is not None

    async def main() -> Delta:
        assert requested.generation is not None
        impatient = asyncio.create_task(anext_of(requested.generation))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        requested.stream.put(PIECES[0])
        return await asyncio.wait_for(anext_of(requested.generation), PATIENCE)

    assert asyncio.run(main()) == PIECES[0]


def test_writing_to_a_reader_whose_loop_is_gone_harms_nobody() -> None:
    requested = Requested()
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # it would report the reader that it leaves behind
    reader = loop.create_task(requested.read_async())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

    for piece in PIECES:
        requested.stream.put(piece)
    del reader
    assert requested.read() == PIECES


@given(st.lists(st.sampled_from(["put", "take"]), max_size=20), st.sampled_from([PIECES[2], EngineError("gone")]))
def test_what_is_taken_without_waiting_is_what_was_put_in(steps: list[str], last: Delta | WindowsAiError) -> None:
    stream, put, taken = Stream(), list[Delta](), list[Delta]()
    for number, step in enumerate(steps):
        if step == "put":
            put.append(Delta(text=str(number)))
            stream.put(put[-1])
        else:
            taken += stream.take() or []
            assert taken == put
    stream.put(last)
    if isinstance(last, Delta):
        put.append(last)
    elif len(taken) < len(put):  # an error waits for what came before it
        taken += stream.take() or []
    if isinstance(last, Delta):
        taken += stream.take() or []
    else:
        with pytest.raises(EngineError, match="gone"):
            stream.take()
    assert taken == put
    assert stream.take() is None


def test_who_listens_is_called_back_once_in_its_own_loop_when_something_came() -> None:
    requested = Requested()
    generation = requested.generation
    assert generation is not None

    async def main() -> list[tuple[int, list[Delta] | None]]:
        loop, heard = threading.get_ident(), list[tuple[int, list[Delta] | None]]()
        called = asyncio.Event()

        def on_change() -> None:
            heard.append((threading.get_ident(), generation.take()))
            called.set()

        generation.listen_once(on_change)
        assert generation.take() == []
        await asyncio.to_thread(requested.stream.put, PIECES[0])
        await asyncio.wait_for(called.wait(), PATIENCE)
        await asyncio.to_thread(requested.stream.put, PIECES[1])  # nobody listens any more
        await asyncio.sleep(0)
        assert [thread == loop for thread, _ in heard] == [True]
        return heard

    ((_, taken),) = asyncio.run(main())
    assert taken == PIECES[:1]
    assert generation.take() == PIECES[1:2]


@pytest.mark.parametrize("read_before", [0, 3])
def test_who_listens_when_something_is_there_or_was_the_last_is_called_back_soon(read_before: int) -> None:
    stream = Stream()
    for piece in PIECES:
        stream.put(piece)
    for _ in range(read_before):
        stream.get()

    async def main() -> list[Delta] | None:
        heard: asyncio.Future[list[Delta] | None] = asyncio.get_running_loop().create_future()
        stream.listen_once(lambda: heard.set_result(stream.take()))
        assert not heard.done()  # never from within
        return await asyncio.wait_for(heard, PATIENCE)

    assert asyncio.run(main()) == (None if read_before else PIECES)


def test_dropping_the_generation_cancels_the_request() -> None:
    requested = Requested()
    requested.stream.put(PIECES[0])
    requested.generation = None

    assert requested.cancelled == 1


def test_leaving_a_loop_over_a_generation_cancels_the_request() -> None:
    requested = Requested()
    generation, requested.generation = requested.generation, None
    assert generation is not None
    requested.stream.put(PIECES[0])
    for _ in generation:
        break
    del generation

    assert requested.cancelled == 1


def test_closing_asynchronously_cancels_the_request() -> None:
    requested = Requested()
    assert requested.generation is not None
    asyncio.run(requested.generation.aclose())

    assert requested.cancelled == 1


def test_a_request_that_ended_is_not_cancelled_any_more() -> None:
    for last in (PIECES[2], EngineError("the device is gone")):
        requested = Requested()
        assert requested.generation is not None
        requested.stream.put(last)
        requested.generation.cancel()
        asyncio.run(requested.generation.aclose())
        requested.generation = None

        assert requested.cancelled == 0


def test_the_place_in_the_queue_is_the_engines_to_tell() -> None:
    requested = Requested()
    assert requested.generation is not None

    assert requested.generation.queue_position == 3

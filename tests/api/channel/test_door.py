"""Requests over the channel: the same answers as over HTTP, all of them at once, none left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from codex_windows_ai.api.channel import door
from codex_windows_ai.api.channel.door import ChannelDoor
from codex_windows_ai.api.shared.parsing import read_request
from codex_windows_ai.channel import linux
from codex_windows_ai.channel.channel import Message as ChannelMessage
from codex_windows_ai.channel.linux import ChannelListener, connect_channel
from codex_windows_ai.channel.messages import FromClient, FromHost
from codex_windows_ai.client.channel import ChannelClient
from codex_windows_ai.errors import (
    ChannelClosedError,
    ContextLengthExceededError,
    EngineBusyError,
    InvalidGrammarError,
    InvalidRequestError,
)
from codex_windows_ai.host.host import Host
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.codec import encode_request
from codex_windows_ai.protocol.large_requests import LARGE
from codex_windows_ai.protocol.request import GenerationRequest, Grammar, Message, SamplingParameters
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def served(settings: Settings, folder: Path) -> AsyncIterator[tuple[Host, Path]]:
    host = Host(settings)
    async with ChannelListener(folder / "channel.sock", ChannelDoor(host.desk).serve) as listener:
        host.models.start()
        yield host, listener.path
    await host.close()


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[ChannelClient]:
    async with ChannelClient(await connect_channel(path)) as client:
        yield client


def asking(text: str, **fields: object) -> GenerationRequest:
    return GenerationRequest(messages=(Message("user", text),), **{"max_output_tokens": 6, **fields})  # type: ignore[arg-type]


async def answer(client: ChannelClient, request: GenerationRequest) -> tuple[str, list[Delta]]:
    pieces = [piece async for piece in client.stream(request)]
    assert isinstance(pieces[0], AnswerSource)
    deltas = [piece for piece in pieces[1:] if isinstance(piece, Delta)]
    assert len(deltas) == len(pieces) - 1
    return "".join(delta.text for delta in deltas), deltas


async def at_rest(host: Host) -> None:
    """Waits until the engine has let everything go."""
    runtime = await host.models.runtime()
    while runtime.statistics().running or runtime.statistics().waiting or host.activity.active_requests:
        await asyncio.sleep(0.01)


async def test_an_answer_equals_the_runtimes_own_and_says_who_gave_it(tiny_settings: Settings, tmp_path: Path) -> None:
    request = asking("hello", sampling=SamplingParameters(temperature=1.0, seed=7), top_logprobs=2)
    async with served(tiny_settings, tmp_path) as (host, path), connected(path) as client:
        text, deltas = await answer(client, request)
        runtime = await host.models.runtime()
        expected = [delta async for delta in runtime.stream(request)]
        assert text == "".join(delta.text for delta in expected)
        assert [delta.tokens for delta in deltas] == [delta.tokens for delta in expected]
        assert deltas[-1].finish_reason == "length"
        assert deltas[-1].usage is not None
        assert deltas[-1].usage.output_tokens == 6
        assert client.brokered_by == "the host, over its Unix socket"


async def test_tokens_travel_only_where_their_probabilities_were_asked_for(
    tiny_settings: Settings, tmp_path: Path
) -> None:
    async with served(tiny_settings, tmp_path) as (_, path), connected(path) as client:
        _, deltas = await answer(client, asking("hello"))
        assert all(delta.tokens == () for delta in deltas)


async def test_many_requests_share_a_channel_and_its_engine(tiny_settings: Settings, tmp_path: Path) -> None:
    grammars = [Grammar("regex", f"answer {number} of many") for number in range(12)]
    async with served(tiny_settings, tmp_path) as (host, path), connected(path) as client:
        requests = [asking("x", grammar=grammar, max_output_tokens=60) for grammar in grammars]
        texts = [text for text, _ in await asyncio.gather(*(answer(client, request) for request in requests))]
        assert texts == [f"answer {number} of many" for number in range(12)]
        statistics = await client.statistics()
        assert statistics.finished == 12
        await at_rest(host)


@pytest.mark.parametrize(
    ("request_", "error", "says"),
    [
        (GenerationRequest(), InvalidRequestError, "empty"),
        (asking("x", max_output_tokens=0), InvalidRequestError, "at least 1"),
        (asking("x" * 9000), ContextLengthExceededError, "tokens"),
        (asking("x", grammar=Grammar("regex", "(")), InvalidGrammarError, "regex"),
    ],
)
async def test_what_is_wrong_with_a_request_is_said_as_everywhere(
    tiny_settings: Settings, tmp_path: Path, request_: GenerationRequest, error: type[Exception], says: str
) -> None:
    async with served(tiny_settings, tmp_path) as (host, path), connected(path) as client:
        with pytest.raises(error, match=says):
            await answer(client, request_)
        text, _ = await answer(client, asking("x", grammar=Grammar("regex", "fine")))
        assert text == "fine"
        await at_rest(host)


async def test_a_message_that_is_no_request_is_refused_and_the_channel_goes_on(
    tiny_settings: Settings, tmp_path: Path
) -> None:
    async with served(tiny_settings, tmp_path) as (_, path), await connect_channel(path) as channel:
        for payload in (b"", b"[]", b'{"messages": 5}', b"\xff", b'{"nonsense": 1, "sampling": null}'):
            await channel.send(ChannelMessage(1, 5, payload))
            reply = await channel.receive()
            assert (reply.kind, reply.request) == (3, 5)
            assert b"Not a request" in reply.payload


async def test_setting_cancel_ends_the_answer_with_what_it_took(tiny_settings: Settings, tmp_path: Path) -> None:
    cancel = asyncio.Event()
    async with served(tiny_settings, tmp_path) as (host, path), connected(path) as client:
        deltas: list[Delta] = []
        async for piece in client.stream(asking("x", max_output_tokens=150, stop=("never",)), cancel=cancel):
            if isinstance(piece, Delta):
                cancel.set()
                deltas.append(piece)
        assert deltas[-1].finish_reason in ("cancelled", "length", "stop")
        assert deltas[-1].usage is not None
        await at_rest(host)


async def test_leaving_a_stream_frees_the_engine(tiny_settings: Settings, tmp_path: Path) -> None:
    async with served(tiny_settings, tmp_path) as (host, path), connected(path) as client:
        stream = client.stream(asking("x", max_output_tokens=150, grammar=Grammar("regex", "[ab]{150}")))
        assert isinstance(await anext(stream), AnswerSource)
        await stream.aclose()
        await at_rest(host)
        assert (await client.statistics()).cancelled == 1


async def test_a_client_that_goes_away_takes_all_its_requests_along(tiny_settings: Settings, tmp_path: Path) -> None:
    async with served(tiny_settings, tmp_path) as (host, path):
        async with connected(path) as client:
            streams = [
                client.stream(asking("x", max_output_tokens=150, grammar=Grammar("regex", "[ab]{150}")))
                for _ in range(3)
            ]
            for stream in streams:
                await anext(stream)
        for stream in streams:  # what has come already is still read
            with pytest.raises((ChannelClosedError, StopAsyncIteration)):
                while True:
                    await anext(stream)
        await at_rest(host)


async def test_a_host_that_ends_is_heard_of(tiny_settings: Settings, tmp_path: Path) -> None:
    async with served(tiny_settings, tmp_path) as (host, path):
        client = ChannelClient(await connect_channel(path))
        await host.models.runtime()
    async with client:
        with pytest.raises(ChannelClosedError):
            await answer(client, asking("x"))


async def test_more_requests_than_a_channel_may_have_are_refused_each(
    tiny_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MOST_REQUESTS", 1)
    async with served(tiny_settings, tmp_path) as (_, path), connected(path) as client:
        outcomes = await asyncio.gather(
            *(answer(client, asking("x", max_output_tokens=3)) for _ in range(3)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [tuple, EngineBusyError, EngineBusyError]


async def test_replies_wait_for_a_client_that_does_not_read_and_so_does_what_it_sends_after_them(
    tiny_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linux, "CHANNEL_BYTES", 8192)  # room for a few replies
    async with served(tiny_settings, tmp_path) as (host, path), await connect_channel(path) as channel:
        await host.models.runtime()
        for number in range(60):
            await channel.send(ChannelMessage(FromClient.STATISTICS, number))
        await channel.send(ChannelMessage(FromClient.REQUEST, 60, encode_request(asking("x", max_output_tokens=1))))
        for _ in range(100):
            await asyncio.sleep(0)
        assert host.activity.requests == 0
        replies = [await channel.receive() for _ in range(61)]
        assert [reply.request for reply in replies] == list(range(61))
        assert {reply.kind for reply in replies} == {FromHost.STATISTICS, FromHost.SOURCE}


async def test_a_client_that_goes_away_while_replies_wait_for_it_is_let_go(
    tiny_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linux, "CHANNEL_BYTES", 8192)
    async with served(tiny_settings, tmp_path) as (host, path):
        await host.models.runtime()
        async with await connect_channel(path) as channel:
            for number in range(60):
                await channel.send(ChannelMessage(FromClient.STATISTICS, number))
            for _ in range(100):
                await asyncio.sleep(0)
        async with connected(path) as client:
            assert (await answer(client, asking("x", grammar=Grammar("regex", "fine"))))[0] == "fine"


async def test_a_client_that_sends_and_never_reads_is_not_listened_to_for_ever(
    tiny_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linux, "CHANNEL_BYTES", 8192)
    monkeypatch.setattr(door, "MOST_UNREAD", 2)
    async with served(tiny_settings, tmp_path) as (_, path), await connect_channel(path) as channel:
        sent = 0
        while channel.send_now(ChannelMessage(FromClient.REQUEST, sent, b"nonsense")):
            sent += 1
            assert sent < 500
            for _ in range(20):  # the host may take what it takes
                await asyncio.sleep(0)
        replies = [await channel.receive() for _ in range(sent)]
        assert sorted(reply.request for reply in replies) == list(range(sent))
        assert {reply.kind for reply in replies} == {FromHost.ERROR}
        assert sum(b"Not a request" in reply.payload for reply in replies) > 2


@pytest.mark.parametrize("kind", [0, 4, 77])
async def test_a_client_that_breaks_the_protocol_is_let_go(tiny_settings: Settings, tmp_path: Path, kind: int) -> None:
    async with served(tiny_settings, tmp_path) as (_, path), await connect_channel(path) as channel:
        await channel.send(ChannelMessage(kind, 1, b"{}"))
        with pytest.raises(ChannelClosedError):
            await channel.receive()


async def test_each_channel_is_an_agent_of_its_own(
    tiny_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tiny_settings, tmp_path) as (host, path), connected(path) as first, connected(path) as second:
        runtime, go_on = await host.models.runtime(), asyncio.Event()

        async def later(name: str | None = None) -> WindowsAiRuntime:
            await go_on.wait()
            return runtime

        monkeypatch.setattr(host.models, "runtime", later)
        answers = [asyncio.create_task(answer(client, asking("x", agent="the same"))) for client in (first, second)]
        while host.activity.active_requests < 2:
            await asyncio.sleep(0)
        assert host.activity.active_agents == 2
        go_on.set()
        await asyncio.gather(*answers)


async def test_a_large_request_is_read_beside_the_event_loop(
    tiny_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[tuple[bool, threading.Thread]] = []

    def noted(payload: bytes) -> GenerationRequest:
        threads.append((len(payload) >= LARGE, threading.current_thread()))
        return read_request(payload)

    monkeypatch.setattr(door, "read_request", noted)
    async with served(tiny_settings, tmp_path) as (_, path), connected(path) as client:
        await answer(client, asking("hello"))
        with pytest.raises(ContextLengthExceededError):
            await answer(client, asking("word " * 200_000))

    (small, at_once), (large, beside) = threads
    assert (small, large) == (False, True)
    assert at_once is threading.current_thread()
    assert beside is not threading.current_thread()

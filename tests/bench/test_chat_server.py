"""Servers of chat completions as sides: a scripted one at the far end of real HTTP."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.sides.chat_server import GIVEN_UP, ChatQuestion, ChatServer, peer_server
from codex_windows_ai.bench.sides.peers import Peer
from codex_windows_ai.bench.sides.side import Reply
from codex_windows_ai.bench.workloads.branching import BranchingSize, branch_out, branching_talks
from codex_windows_ai.bench.workloads.greedy import ask_greedily
from codex_windows_ai.errors import EngineError, NotAvailableError
from tests.bench.fake_peer import END, FakePeer, chunk

pytestmark = pytest.mark.anyio

QUESTION = ChatQuestion(({"role": "user", "content": "hello"},), 8)


@asynccontextmanager
async def asked(bench: Bench, peer: FakePeer) -> AsyncGenerator[ChatServer]:
    with peer.running():
        async with peer_server(bench, Peer("theirs", peer.address), slots=1, slot_tokens=1) as server:
            yield server


async def test_a_reply_has_its_text_as_our_tokenizer_cuts_it_and_its_times(bench: Bench) -> None:
    peer = FakePeer()
    async with asked(bench, peer) as server:
        reply = await server.ask(0, QUESTION)
        assert server.memory_bytes() == 0

    encode = bench.tokenizer.encode_text
    assert reply.text == " hello0 hello1 hello2"
    assert reply.tokens == tuple(encode(reply.text))
    assert reply.writing_tokens == len(encode(reply.text)) - len(encode(" hello0"))
    assert 0 < reply.first_token <= reply.first_token + reply.writing_seconds <= reply.total
    assert (reply.input_tokens, reply.counted_input, reply.cached_tokens) == (10_000, 10_000, 7)
    assert reply.finish_reason == "length"
    (body,) = peer.asked
    assert (body["model"], body["max_tokens"], body["temperature"], body["stream"]) == ("theirs", 8, 0, True)


async def test_what_is_not_counted_by_the_server_is_counted_here(bench: Bench) -> None:
    async with asked(bench, FakePeer(events=[chunk("hello"), chunk(finish="stop"), END])) as server:
        reply = await server.ask(0, QUESTION)

    assert reply.counted_input is None
    assert reply.input_tokens == len(bench.tokenizer.encode_text("hello"))
    assert (reply.writing_tokens, reply.writing_seconds) == (0, 0)


async def test_log_probabilities_come_with_the_bytes_of_their_tokens(bench: Bench) -> None:
    told = {"content": [{"token": "?", "bytes": [195], "logprob": -0.5}, {"token": "b", "logprob": -1}]}
    async with asked(bench, FakePeer(events=[chunk("ab", logprobs=told), chunk(finish="stop"), END])) as server:
        reply = await server.ask(0, ChatQuestion(QUESTION.messages, 8, logprobs=True))

    assert reply.logprobs == ((b"\xc3", -0.5), (b"b", -1.0))


async def test_a_side_that_has_no_log_probabilities_is_asked_without_and_its_reason_kept(bench: Bench) -> None:
    async with asked(bench, FakePeer(refuses_logprobs=True)) as server:
        greedy = await ask_greedily(server, 4)

    assert greedy.refused == "theirs answered with an error: no log probabilities here"
    assert [reply.logprobs for reply in greedy.replies] == [()] * 4


async def test_who_gives_up_leaves_after_so_many_pieces(bench: Bench) -> None:
    async with asked(bench, FakePeer(words=8)) as server:
        reply = await server.ask(0, ChatQuestion(QUESTION.messages, 8, give_up_after=2))

    assert (reply.text, reply.finish_reason) == (" hello0 hello1", GIVEN_UP)


@pytest.mark.parametrize(
    ("peer", "kind", "said"),
    [
        (FakePeer(refuses=(0, "too long")), NotAvailableError, "theirs answered with an error: too long"),
        (FakePeer(events=[chunk("a"), {"error": {"message": "no memory"}}, END]), NotAvailableError, "no memory"),
        (FakePeer(events=["no JSON", END]), NotAvailableError, "no JSON"),
        (FakePeer(events=[chunk("a")]), EngineError, "theirs broke off"),
        (FakePeer(events=[END]), EngineError, "without saying why"),
    ],
)
async def test_what_is_no_whole_answer_is_an_error(
    bench: Bench, peer: FakePeer, kind: type[EngineError], said: str
) -> None:
    async with asked(bench, peer) as server:
        with pytest.raises(kind, match=said):
            await server.ask(0, QUESTION)


async def test_an_address_where_nobody_listens_is_an_error_that_says_so(bench: Bench) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        peer = Peer("theirs", f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(EngineError, match="theirs does not answer at http://127") as raised:
            async with peer_server(bench, peer, slots=1, slot_tokens=1):
                pass
    assert raised.value.hint


async def test_a_server_that_lists_no_models_is_an_error(bench: Bench) -> None:
    with pytest.raises(EngineError, match="lists no models"):
        async with asked(bench, FakePeer(models=[])):
            pass


class _Counting:
    """Answers at once with the prompt's last word; remembers who asked what."""

    name = "counting"

    def __init__(self) -> None:
        self.questions: dict[int, list[ChatQuestion]] = {}

    async def ask(self, agent: int, question: ChatQuestion) -> Reply:
        self.questions.setdefault(agent, []).append(question)
        reason = GIVEN_UP if question.give_up_after else "length"
        return Reply(first_token=0.0, total=0.0, tokens=(1,), text=f"answer {agent}", finish_reason=reason)

    def memory_bytes(self) -> int:
        return 1


async def test_agents_share_their_prefix_and_their_branch_and_the_last_one_gives_up_once(bench: Bench) -> None:
    size = BranchingSize(turns=3, system=60, branch=40, input=20)
    side: Any = _Counting()

    found = await branch_out(side, branching_talks(bench.tokenizer, size, "seed"), size)

    assert len(found.replies) == 5 * 3 - 1
    first = {agent: questions[0].messages for agent, questions in side.questions.items()}
    assert len({messages[0]["content"] for messages in first.values()}) == 1
    parts = [first[agent][1]["content"].split("\n\n")[0] for agent in range(5)]
    assert parts[:2] == parts[3:]
    assert len(set(parts)) == 3
    assert len({messages[1]["content"] for messages in first.values()}) == 5
    left = [[bool(question.give_up_after) for question in side.questions[agent]] for agent in range(5)]
    assert left == [[False] * 3] * 4 + [[False, False, True]]
    assert [question.max_output_tokens for question in side.questions[1]] == [24, 48, 96]
    last = side.questions[0][-1].messages
    assert [message["role"] for message in last] == ["system", *["user", "assistant"] * 2, "user"]
    assert last[2]["content"] == "answer 0"


async def test_who_answers_everything_with_nothing_is_an_error(bench: Bench) -> None:
    size = BranchingSize(turns=1, system=60, branch=40, input=20)
    async with asked(bench, FakePeer(events=[chunk(finish="stop"), END])) as server:
        with pytest.raises(EngineError, match="answered all 5 questions with nothing"):
            await branch_out(server, branching_talks(bench.tokenizer, size, "seed"), size)


def test_conversations_are_as_long_as_they_say(bench: Bench) -> None:
    (talk, *_) = branching_talks(bench.tokenizer, BranchingSize(), "seed")
    count = len(bench.tokenizer.encode_text(talk.system))

    assert 690 <= count <= 710

"""The comparison with other servers: our host as users run it beside a scripted far end, both over real HTTP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.figures import Spread
from codex_windows_ai.bench.sides.chat_server import ChatReply, peer_server
from codex_windows_ai.bench.sides.peers import Peer
from codex_windows_ai.bench.workloads import compare
from codex_windows_ai.bench.workloads.alone import AloneSize, alone_figures, prompt_messages, read_and_write
from codex_windows_ai.bench.workloads.branching import BranchingSize
from codex_windows_ai.errors import EngineError, InvalidRequestError
from tests.bench.fake_peer import FakePeer
from tests.models.synthetic import Tiny

SMALL = compare.CompareSize(
    BranchingSize(agents=2, turns=2, system=48, branch=24, input=24, answers=(2, 4), give_up_turn=1, give_up_after=1),
    AloneSize((128, 1200, 9000), output=3),
    greedy_tokens=2,
)


def reply(first: float, writing: float, *, prompt: int = 1500, tokens: int = 21, first_piece: int = 1) -> ChatReply:
    return ChatReply(
        first_token=first,
        total=first + writing + 1.0,  # what comes after the text is not writing
        tokens=(1,) * tokens,
        input_tokens=prompt,
        writing_tokens=tokens - first_piece,
        writing_seconds=writing,
    )


def test_speeds_are_those_of_known_times() -> None:
    figures = alone_figures([reply(3.0, 2.0), reply(5.0, 4.0, first_piece=5)])

    assert figures["reading_tokens_per_s"].rounds == (500.0, 300.0)
    assert figures["writing_tokens_per_s"].rounds == (10.0, 4.0)
    assert figures["written_tokens"].rounds == (21.0, 21.0)


def test_a_short_prompt_says_nothing_of_reading_and_a_short_answer_nothing_of_writing() -> None:
    assert "reading_tokens_per_s" not in alone_figures([reply(1.0, 1.0, prompt=128)])
    assert "writing_tokens_per_s" not in alone_figures([reply(1.0, 1.0), reply(1.0, 1.0, tokens=5)])


def test_prompts_are_as_long_as_they_should_be_and_no_longer_than_the_window(bench: Bench) -> None:
    (message,) = prompt_messages(bench.tokenizer, 1500, "seed")

    assert len(bench.tokenizer.encode_text(message["content"])) == pytest.approx(1500, abs=4)
    assert AloneSize().fitting(8192) == [128, 1500, 2048, 4000]
    assert AloneSize().fitting(2048) == [128, 1500]


@pytest.mark.anyio
async def test_a_server_that_cuts_prompts_is_an_error(bench: Bench) -> None:
    peer = FakePeer()
    with peer.running():
        async with peer_server(bench, Peer("theirs", peer.address), slots=1, slot_tokens=1) as server:
            with pytest.raises(EngineError, match="given a prompt of 20000 tokens and says that it read 10000"):
                await read_and_write(server, bench.tokenizer, 20_000, 4, "seed")


@pytest.mark.anyio
async def test_sides_take_turns_at_the_same_questions_and_what_cannot_be_compared_is_said(
    bench: Bench, tmp_path: Path
) -> None:
    peer = FakePeer(words=40, refuses=(800, "the window is too small"))
    reference = Tiny(context=8192).write(tmp_path / "tiny.gguf")
    with peer.running():
        asked = replace(bench, peers=(Peer("theirs", peer.address),), reference=reference, repeat=2)
        outcome = await compare.run(asked, SMALL)

    figures = {(result.case, result.side): result.figures for result in outcome.results}
    ours, theirs = figures["2 agents", "ours"], figures["2 agents", "theirs"]
    assert theirs["answer_tokens"].median > 0
    assert "memory_bytes" in ours
    assert "memory_bytes" not in theirs
    assert len(ours["requests_per_s"].rounds) == 2
    assert outcome.throughput_ratio
    assert outcome.throughput_ratio.rounds == pytest.approx(
        [a / b for a, b in zip(ours["requests_per_s"].rounds, theirs["requests_per_s"].rounds, strict=True)]
    )
    assert outcome.memory_ratio is None
    assert "alone, 1,200 tokens" in {case for case, _ in figures}
    assert ("alone, 1,200 tokens", "theirs") not in figures
    for said in ("Memory of theirs is not known", "at 1,200 tokens: theirs answered with an error: the window is too",
                 "Prompts of 9,000 tokens do not fit", "Quality, ours: each token it chose"):  # fmt: skip
        assert any(said in note for note in outcome.notes), (said, outcome.notes)
    # No two prompts begin alike, in this run or another, but those of agents in a round, who share a prefix.
    begun = {body["messages"][0]["content"][:40] for body in peer.asked}
    assert len(begun) == 1 + 2 + 2 + 1 + 4
    # The warm-up, then two rounds of two agents with two turns, of one prompt alone twice and a refused one once.
    assert len(peer.asked) == 1 + 2 * 2 * 2 + 2 + 1 + 4
    assert [target.name for target in outcome.targets] == [
        "answers a second, ours / theirs", "answer p95, ours / theirs", "first token p95, ours / theirs",
    ]  # fmt: skip


@pytest.mark.anyio
async def test_conversations_longer_than_the_window_are_refused(bench: Bench) -> None:
    asked = replace(bench, peers=(Peer("theirs", "http://127.0.0.1:1"),))

    with pytest.raises(InvalidRequestError, match=r"window has 8192 tokens, the conversations \d"):
        await compare.run(asked, compare.CompareSize(BranchingSize(system=8000)))


def test_a_target_is_held_against_the_best_peer_in_that_figure() -> None:
    figures: compare.Figures = {
        "case": {
            name: {"answers": Spread((value,)), "seconds": Spread((value,))}
            for name, value in (("ours", 6.0), ("slow", 2.0), ("fast", 3.0))
        }
    }
    more = compare.target(figures, compare.Row("answers", "case", "answers", ">=", 1.8), ["slow", "fast"])
    less = compare.target(figures, compare.Row("wait", "case", "seconds", "<=", 0.8), ["fast", "slow"])

    assert more
    assert (more.name, more.value.median, more.met) == ("answers, ours / fast", 2.0, True)
    assert less
    assert (less.name, less.value.median, less.met) == ("wait, ours / slow", 3.0, False)
    assert compare.target(figures, compare.Row("answers", "case", "answers"), ["slow"]) is None

"""Conversations to measure with."""

from __future__ import annotations

from pathlib import Path

import pytest

from codex_windows_ai.bench.workloads.edit import ALREADY_WRITTEN, OLD_NAME, source_file
from codex_windows_ai.bench.workloads.text import Conversation, ConversationSize, Text, conversations
from codex_windows_ai.engine.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(default_model: Path) -> Tokenizer:
    return Tokenizer(default_model / "tokenizer.json")


def test_a_text_has_exactly_the_tokens_asked_for_and_is_the_same_for_the_same_seed(tokenizer: Tokenizer) -> None:
    assert [len(Text(tokenizer, "a").tokens(count, "Opening:")) for count in (1, 20, 1200)] == [1, 20, 1200]
    assert Text(tokenizer, "a").tokens(100) == Text(tokenizer, "a").tokens(100)
    assert Text(tokenizer, "a").tokens(100) != Text(tokenizer, "b").tokens(100)


def test_agents_share_the_system_prompt_and_nothing_else(tokenizer: Tokenizer) -> None:
    size = ConversationSize(agents=3)

    first, second, third = (talk.prompt([]) for talk in conversations(tokenizer, size, "round 1"))

    assert len(first) == len(second) == len(third) == 1200 + 150 + 60
    assert first[:1200] == second[:1200] == third[:1200]
    differ = [index for index, tokens in enumerate(zip(first, second, third, strict=True)) if len(set(tokens)) == 3]
    assert differ[0] < 1200 + 20
    assert len(differ) > 150


def test_another_round_finds_no_cached_block_of_an_earlier_one(tokenizer: Tokenizer) -> None:
    one, other = (conversations(tokenizer, ConversationSize(agents=1), f"round {n}")[0].prompt([]) for n in (1, 2))

    assert one[:32] != other[:32]


def test_a_prompt_holds_the_whole_conversation_so_far() -> None:
    talk = Conversation([1, 2], [[10], [20], [30]])

    assert talk.prompt([]) == [1, 2, 10]
    assert talk.prompt([[11, 12], [21]]) == [1, 2, 10, 11, 12, 20, 21, 30]


def test_the_file_to_edit_has_60_lines_of_python_and_the_name_is_in_what_the_model_writes() -> None:
    files = [source_file(number) for number in range(10)]

    for file in files:
        lines = file.splitlines()
        assert len(lines) == 60
        assert OLD_NAME in "\n".join(lines[ALREADY_WRITTEN:])
        compile(file, "file.py", "exec")
    assert len(set(files)) == 10

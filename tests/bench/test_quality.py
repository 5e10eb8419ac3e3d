"""Answers beside float32: against the converter's naive oracle, and against figures worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.quality import (
    Judgement,
    agreement,
    common_share,
    float_reference,
    logprob_difference,
)
from codex_windows_ai.bench.sides.chat_server import ChatReply
from codex_windows_ai.bench.workloads.greedy import QUESTIONS, Greedy, judge
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.models.convert.proof import log_softmax
from codex_windows_ai.models.gguf.file import GgufFile
from tests.bench.conftest import CONTEXT
from tests.models import reference
from tests.models.synthetic import Tiny


def reply(tokens: Sequence[int], **fields: object) -> ChatReply:
    return ChatReply(
        first_token=0.1,
        total=1.0,
        tokens=tuple(tokens),
        writing_tokens=0,
        writing_seconds=0.0,
        **fields,  # pyright: ignore[reportArgumentType]
    )


@pytest.mark.parametrize(
    "tiny",
    [
        Tiny(),
        Tiny(tied=False, more={"output.bias": (269,)}),
        Tiny(architecture="gemma2", post_norms=True, extra={".final_logit_softcapping": 0.8}),
    ],
    ids=["tied", "biased head", "soft-capped"],
)
def test_the_reference_judges_as_the_oracle_does(tiny: Tiny, tmp_path: Path) -> None:
    file, count = tiny.write(tmp_path / "tiny.gguf"), len(tiny.vocabulary())
    tokens = np.random.default_rng(3).integers(0, count, 20).tolist()
    with GgufFile(file) as opened:
        table = log_softmax(reference.forward(opened, np.array([tokens])))[0]
    likeliest = table.argmax(axis=-1).tolist()
    tokens[15] = likeliest[14]  # one that float32 would choose

    with GgufFile(file) as opened:
        table = log_softmax(reference.forward(opened, np.array([tokens])))[0]
    with float_reference(file, count) as judge_by:
        found = judge_by.judge(tokens[:12], tokens[12:])

    assert found.logprobs == pytest.approx([table[n - 1, tokens[n]] for n in range(12, 20)], abs=1e-4)
    assert found.likeliest == tuple(table[n - 1].argmax() == tokens[n] for n in range(12, 20))
    assert found.likeliest[3]


def test_a_file_of_another_model_is_refused(tmp_path: Path) -> None:
    file = Tiny().write(tmp_path / "tiny.gguf")

    with pytest.raises(InvalidRequestError, match="269 tokens, the measured model 7"), float_reference(file, 7):
        pass


def test_the_figures_are_those_worked_out_by_hand() -> None:
    judged = [Judgement((True, False), (-0.5, -2.0)), Judgement((True,), (-1.0,))]

    assert agreement(judged) == pytest.approx(2 / 3)
    assert logprob_difference([[-0.5, -1.0], [-3.0]], judged) == pytest.approx((0 + 1 + 2) / 3)
    assert (agreement([]), logprob_difference([], [])) == (None, None)


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [([1, 2, 3, 4], [1, 2, 9, 4], 0.5), ([1, 2], [1, 2, 3, 4], 0.5), ([], [], 1.0), ([], [1], 0.0), ([1], [1], 1.0)],
)
def test_answers_have_in_common_what_comes_before_they_part(one: list[int], other: list[int], share: float) -> None:
    assert common_share([one], [other]) == share


def test_a_side_that_tells_no_log_probabilities_is_judged_by_its_text(bench: Bench, tmp_path: Path) -> None:
    spelled = bench.tokenizer.token_bytes
    ours = Greedy(tuple(reply([70, 71], logprobs=((spelled[70], -9.0), (spelled[71], -9.0))) for _ in QUESTIONS))
    theirs = Greedy(tuple(reply([70, 99], counted_input=1) for _ in QUESTIONS), "no such parameter")

    figures, notes = judge(bench, {"ours": ours, "theirs": theirs})
    assert figures["theirs"]["same_as_ours_share"].rounds == (0.5,)
    assert "float32_agrees_share" not in figures["ours"]
    assert any("`--peer-model FILE.gguf` compares them with float32" in note for note in notes)
    assert any(note.startswith("theirs made 1 tokens of a question") for note in notes)

    reference_file = Tiny(context=CONTEXT).write(tmp_path / "tiny.gguf")
    figures, notes = judge(Bench(bench.folder, reference=reference_file), {"ours": ours, "theirs": theirs})
    assert figures["ours"]["logprob_difference"].median > 0
    assert 0 <= figures["theirs"]["float32_agrees_share"].median <= 1
    assert "logprob_difference" not in figures["theirs"]
    assert any("it told no log probabilities (no such parameter)" in note for note in notes)

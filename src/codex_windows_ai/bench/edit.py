"""Workload `edit`: repeat a file with one name changed, against our engine without speculation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codex_windows_ai.bench.context import Bench, in_turn
from codex_windows_ai.bench.edit_file import ALREADY_WRITTEN, NEW_NAME, OLD_NAME, source_file
from codex_windows_ai.bench.figures import Comparison, Spread, Target, ratio
from codex_windows_ai.bench.ours import Ours
from codex_windows_ai.bench.outcome import Outcome, Result
from codex_windows_ai.bench.process import Reply
from codex_windows_ai.bench.workload import Text
from codex_windows_ai.chat.template import ChatTemplate
from codex_windows_ai.protocol.request import Message

NAME = "edit"
OURS, BASELINE = "ours", "without speculation"
EDIT, TEXT = "edit of a file", "text without repetition"
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class EditSize:
    """Lengths in tokens; the edit is by default as long as the file.

    The text is sampled at a high temperature, so that nothing in it repeats.
    """

    edit_tokens: int | None = None
    text_tokens: int = 256
    temperature: float = 1.0


@dataclass(frozen=True, slots=True)
class _Task:
    """A file to be repeated with another name in it: what is asked, and what should come."""

    prompt: list[int]
    wanted: str
    length: int


def _task(bench: Bench, template: ChatTemplate, number: int) -> _Task:
    file = source_file(number)
    edited = file.replace(OLD_NAME, NEW_NAME).splitlines()
    # The newline between them is the model's: a prompt that ends with it would be cut into other tokens.
    begun, wanted = "\n".join(edited[:ALREADY_WRITTEN]), "\n".join(["", *edited[ALREADY_WRITTEN:]])
    question = f"Repeat this file, but rename `{OLD_NAME}` to `{NEW_NAME}`.\n\n```python\n{file}```"
    answer = f"Here is the file with the new name:\n\n```python\n{begun}"
    encode = bench.tokenizer.encode_text
    prompt = [*template.encode([Message("user", question)]), *encode(answer)]
    return _Task(prompt, wanted, len(encode(wanted)))


def run(bench: Bench, size: EditSize | None = None) -> Outcome:
    """One agent; another file each round. Raises EngineError: a request failed."""
    size = size or EditSize()
    template = ChatTemplate(bench.folder.path, bench.tokenizer)
    replies: dict[tuple[str, str], list[Reply]] = {
        (side, case): [] for case in (EDIT, TEXT) for side in (OURS, BASELINE)
    }
    copied: dict[str, list[float]] = {OURS: [], BASELINE: []}
    sides: dict[str, Ours] = {}
    try:
        sides[OURS] = bench.ours()
        sides[BASELINE] = bench.ours(speculating_sequences=0)
        for side in sides.values():
            side.generate(0, Text(bench.tokenizer, "warm-up").tokens(40), 4)
        total = bench.rounds(ROUNDS)
        for number in range(total):
            bench.progress(f"{NAME}: round {number + 1} of {total}", 0, 0)
            task = _task(bench, template, number + 1)
            text = Text(bench.tokenizer, f"text of round {number + 1}").tokens(40)
            for name in in_turn(sides, number):
                worker = sides[name].worker
                edit = worker.generate(task.prompt, size.edit_tokens or task.length, agent="0")
                replies[name, EDIT].append(edit)
                copied[name].append(_copied_share(bench, edit, task.wanted))
                replies[name, TEXT].append(
                    worker.generate(text, size.text_tokens, agent="0", temperature=size.temperature)
                )
    finally:
        for side in sides.values():
            side.close()
    figures = {key: _figures(of_case) for key, of_case in replies.items()}
    for name, shares in copied.items():
        figures[name, EDIT]["copied_lines_share"] = Spread(tuple(shares))
    return _outcome(figures)


def _copied_share(bench: Bench, reply: Reply, wanted: str) -> float:
    """Share of the wanted lines that the answer has: whether the model did what it was asked at all."""
    table = bench.tokenizer.token_bytes
    text = b"".join(table[token] for token in reply.tokens).decode("utf-8", errors="replace")
    lines = [line for line in wanted.splitlines() if line]
    given = set(text.splitlines())
    return sum(line in given for line in lines) / len(lines)


def _figures(replies: Sequence[Reply]) -> dict[str, Spread]:
    return {
        "latency_p50_s": Spread(tuple(reply.total for reply in replies)),
        "first_token_p50_s": Spread(tuple(reply.first_token for reply in replies)),
        "output_tokens": Spread(tuple(float(len(reply.tokens)) for reply in replies)),
        "output_tokens_per_s": Spread(tuple(len(reply.tokens) / reply.total for reply in replies)),
    }


def _outcome(figures: dict[tuple[str, str], dict[str, Spread]]) -> Outcome:
    def compare(case: str) -> Comparison:
        ours, baseline = (figures[side, case]["output_tokens_per_s"] for side in (OURS, BASELINE))
        return Comparison(f"tokens a second, {case}", "1/s", ours, baseline, BASELINE)

    edit, text = compare(EDIT), compare(TEXT)
    copied = figures[OURS, EDIT]["copied_lines_share"]
    latency = [figures[side, EDIT]["latency_p50_s"] for side in (OURS, BASELINE)]
    return Outcome(
        NAME,
        tuple(Result(side, case, of_case) for (side, case), of_case in figures.items()),
        (edit, text),
        (
            Target(f"tokens a second, {EDIT}, ours / {BASELINE}", edit.ratio, ">=", 2),
            Target(f"tokens a second, {TEXT}, ours / {BASELINE}", text.ratio, ">=", 0.95),
        ),
        latency_ratio=ratio(latency[0], latency[1]),
        throughput_ratio=edit.ratio,
        notes=(
            f"The model repeated {copied.median:.0%} of the file's lines as asked. "
            "Tokens a second count the reading of the prompt. The latency and throughput ratios are those of the edit.",
        ),
    )

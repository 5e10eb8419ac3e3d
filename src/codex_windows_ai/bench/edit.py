"""Workload `edit`: repeat a file with one name changed, against our engine without speculation."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from codex_windows_ai.bench.context import Bench, in_turn
from codex_windows_ai.bench.figures import Comparison, Spread, Target, ratio
from codex_windows_ai.bench.ours import Ours
from codex_windows_ai.bench.outcome import Outcome, Result
from codex_windows_ai.bench.process import Reply
from codex_windows_ai.bench.workload import Text
from codex_windows_ai.engine.prompt import ChatTemplate
from codex_windows_ai.engine.request import Message

NAME = "edit"
OURS, BASELINE = "ours", "without speculation"
EDIT, TEXT = "edit of a file", "text without repetition"
ROUNDS = 5

_VERBS = ("load", "save", "count", "merge", "sort", "check", "print", "close", "open", "clean", "split", "join")
_NOUNS = ("orders", "users", "files", "lines", "tables", "events", "items", "pages", "notes", "tests", "words", "rows")
_BODIES = (
    ("if not {noun}:", "    return {number}", "return len({noun}) + {number}"),
    ("result = [item for item in {noun} if item]", "print(result)", "return result[:{number}]"),
    ("for item in {noun}:", '    print("{verb}", item)', "return {number}"),
    ("total = sum({noun}) * {number}", "total -= 1", "return total"),
)


@dataclass(frozen=True, slots=True)
class EditSize:
    """Lines of the file; tokens of the text, which is sampled at a high temperature so that nothing repeats."""

    file_lines: int = 60
    text_tokens: int = 256
    temperature: float = 1.0


def source_file(lines: int, seed: str) -> tuple[str, str, str]:
    """A Python file of that many lines, and the old and the new name of something in it."""
    choose = random.Random(seed)  # noqa: S311  # text, not secrets
    names = [f"{verb}_{noun}" for verb in _VERBS for noun in _NOUNS]
    choose.shuffle(names)
    old, new = names.pop(), names.pop()
    text: list[str] = []
    while len(text) < lines:
        name = old if not text else names.pop()
        verb, noun = name.split("_")
        body = choose.choice(_BODIES)
        text += [f"def {name}({noun}):"]
        text += ["    " + line.format(verb=verb, noun=noun, number=choose.randrange(2, 100)) for line in body]
        text += [""]
    return "\n".join(text[:lines]) + "\n", old, new


def run(bench: Bench, size: EditSize | None = None) -> Outcome:
    """One agent; a fresh file each round. Raises EngineError: a request failed."""
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
            file, old, new = source_file(size.file_lines, f"round {number + 1}")
            wanted = file.replace(old, new)
            question = Message("user", f"Repeat this file, but rename `{old}` to `{new}`.\n\n```python\n{file}```")
            prompt = [*template.encode([question]), *bench.tokenizer.encode_text("```python\n")]
            length = len(bench.tokenizer.encode_text(wanted))
            text = Text(bench.tokenizer, f"text of round {number + 1}").tokens(40)
            for name in in_turn(sides, number):
                reply = sides[name].generate(0, prompt, length)
                replies[name, EDIT].append(reply)
                copied[name].append(_copied_share(bench, reply, wanted))
                worker = sides[name].worker
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

"""Workload `edit`: repeat a file with one name changed, against our engine without speculation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from codex_windows_ai.bench.bench import Bench, in_turn
from codex_windows_ai.bench.figures import Outcome, Result, Spread, Target, compare
from codex_windows_ai.bench.sides.ours import engine
from codex_windows_ai.bench.sides.side import Prompt, Reply
from codex_windows_ai.bench.workloads.text import Text, decode
from codex_windows_ai.chat.format import ChatFormat
from codex_windows_ai.chat.formats import chat_format
from codex_windows_ai.protocol.request import Message, ToolSet

NAME = "edit"
SPECULATING, PLAIN = "ours", "without speculation"
EDIT, TEXT = "edit of a file", "text without repetition"
ROUNDS = 5

OLD_NAME, NEW_NAME = "MAXIMUM_PRICE", "HIGHEST_PRICE"
ALREADY_WRITTEN = 12
"""Lines of the answer that are given, so that the model starts with the file and not with a talk about it."""

_THINGS = ("book", "lamp", "ticket", "chair", "bottle", "shirt", "clock", "pencil")

_FILE = '''\
"""Shop {number}: keeps its {things} and answers questions about them."""

import json
from dataclasses import dataclass
from pathlib import Path

DEFAULT_FILE = Path("{things}.json")
MAXIMUM_PRICE = {number}000


@dataclass
class {Thing}:
    """One {thing} with its name, its price in cents and how many are left."""

    name: str
    price: int
    left: int = 0

    def is_available(self) -> bool:
        return self.left > 0

    def total(self) -> int:
        return self.price * self.left


class {Thing}Store:
    """All {things}, by name."""

    def __init__(self, file: Path = DEFAULT_FILE) -> None:
        self.file = file
        self.{things}: dict[str, {Thing}] = {{}}

    def load(self) -> None:
        for entry in json.loads(self.file.read_text()):
            {thing} = {Thing}(**entry)
            self.{things}[{thing}.name] = {thing}

    def save(self) -> None:
        entries = [vars({thing}) for {thing} in self.{things}.values()]
        self.file.write_text(json.dumps(entries, indent=2))

    def add(self, {thing}: {Thing}) -> None:
        if {thing}.price > MAXIMUM_PRICE:
            raise ValueError("the price is too high")
        self.{things}[{thing}.name] = {thing}

    def available(self) -> list[str]:
        return sorted(name for name, {thing} in self.{things}.items() if {thing}.is_available())

    def value(self) -> int:
        return sum({thing}.total() for {thing} in self.{things}.values())


def main() -> None:
    store = {Thing}Store()
    store.load()
    print("available:", ", ".join(store.available()))
    print("value:", store.value())

main()
'''


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


def source_file(number: int) -> str:
    """60 lines of Python; another file for another number."""
    thing = _THINGS[number % len(_THINGS)]
    return _FILE.format(number=number, thing=thing, things=f"{thing}s", Thing=thing.capitalize())


def _task(bench: Bench, form: ChatFormat, number: int) -> _Task:
    file = source_file(number)
    edited = file.replace(OLD_NAME, NEW_NAME).splitlines()
    # The newline between them is the model's: a prompt that ends with it would be cut into other tokens.
    begun, wanted = "\n".join(edited[:ALREADY_WRITTEN]), "\n".join(["", *edited[ALREADY_WRITTEN:]])
    question = f"Repeat this file, but rename `{OLD_NAME}` to `{NEW_NAME}`.\n\n```python\n{file}```"
    answer = f"Here is the file with the new name:\n\n```python\n{begun}"
    encode = bench.tokenizer.encode_text
    prompt = [*form.render([Message("user", question)], ToolSet()), *encode(answer)]
    return _Task(prompt, wanted, len(encode(wanted)))


async def run(bench: Bench, size: EditSize | None = None) -> Outcome:
    """One agent; another file each round. Raises EngineError: a request failed."""
    size = size or EditSize()
    form = chat_format(bench.folder.path, bench.tokenizer)
    replies: dict[str, dict[str, list[Reply]]] = {case: {SPECULATING: [], PLAIN: []} for case in (EDIT, TEXT)}
    copied: dict[str, list[float]] = {SPECULATING: [], PLAIN: []}
    async with AsyncExitStack() as stack:
        sides = {
            SPECULATING: await stack.enter_async_context(engine(bench)),
            PLAIN: await stack.enter_async_context(engine(bench, speculating_sequences=0)),
        }
        for side in sides.values():
            await side.ask(0, Prompt(Text(bench.tokenizer, "warm-up").tokens(40), 4))
        total = bench.rounds(ROUNDS)
        for number in range(total):
            bench.progress(f"{NAME}: round {number + 1} of {total}", 0, 0)
            task = _task(bench, form, number + 1)
            text = Text(bench.tokenizer, f"text of round {number + 1}").tokens(40)
            for name in in_turn(sides, number):
                edit = await sides[name].ask(0, Prompt(task.prompt, size.edit_tokens or task.length))
                replies[EDIT][name].append(edit)
                copied[name].append(_copied_share(bench, edit, task.wanted))
                replies[TEXT][name].append(await sides[name].ask(0, Prompt(text, size.text_tokens, size.temperature)))
    figures = {
        case: {name: _figures(of_side) for name, of_side in of_case.items()} for case, of_case in replies.items()
    }
    for name, shares in copied.items():
        figures[EDIT][name]["copied_lines_share"] = Spread(tuple(shares))
    return _outcome(figures)


def _copied_share(bench: Bench, reply: Reply, wanted: str) -> float:
    """Share of the wanted lines that the answer has: whether the model did what it was asked at all."""
    lines = [line for line in wanted.splitlines() if line]
    given = set(decode(bench.tokenizer, reply.tokens).splitlines())
    return sum(line in given for line in lines) / len(lines)


def _figures(replies: Sequence[Reply]) -> dict[str, Spread]:
    return {
        "latency_p50_s": Spread(tuple(reply.total for reply in replies)),
        "first_token_p50_s": Spread(tuple(reply.first_token for reply in replies)),
        "output_tokens": Spread(tuple(float(len(reply.tokens)) for reply in replies)),
        "output_tokens_per_s": Spread(tuple(len(reply.tokens) / reply.total for reply in replies)),
    }


def _outcome(figures: Mapping[str, Mapping[str, dict[str, Spread]]]) -> Outcome:
    """Figures by case, then by side."""
    edit, text = (
        compare(f"tokens a second, {case}", "output_tokens_per_s", figures[case], SPECULATING, PLAIN)
        for case in (EDIT, TEXT)
    )
    copied = figures[EDIT][SPECULATING]["copied_lines_share"]
    latency = compare("latency", "latency_p50_s", figures[EDIT], SPECULATING, PLAIN)
    return Outcome(
        NAME,
        tuple(Result(side, case, of_side) for case, of_case in figures.items() for side, of_side in of_case.items()),
        (edit, text),
        (
            Target(f"tokens a second, {EDIT}, ours / {PLAIN}", edit.ratio, ">=", 2),
            Target(f"tokens a second, {TEXT}, ours / {PLAIN}", text.ratio, ">=", 0.95),
        ),
        latency_ratio=latency.ratio,
        throughput_ratio=edit.ratio,
        notes=(
            f"The model repeated {copied.median:.0%} of the file's lines as asked. "
            "Tokens a second count the reading of the prompt. The latency and throughput ratios are those of the edit.",
        ),
    )

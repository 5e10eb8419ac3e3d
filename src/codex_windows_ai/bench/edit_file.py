"""The file that the workload `edit` has repeated: ordinary code, as small models can repeat it too."""

from __future__ import annotations

OLD_NAME, NEW_NAME = "MAXIMUM_PRICE", "HIGHEST_PRICE"
ALREADY_WRITTEN = 12
"""Lines of the answer that are given, so that the model starts with the file and not with a talk about it."""

_THINGS = ("book", "lamp", "ticket", "chair", "bottle", "shirt", "clock", "pencil")

_TEMPLATE = '''\
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


def source_file(number: int) -> str:
    """60 lines of Python; another file for another number."""
    thing = _THINGS[number % len(_THINGS)]
    return _TEMPLATE.format(number=number, thing=thing, things=f"{thing}s", Thing=thing.capitalize())

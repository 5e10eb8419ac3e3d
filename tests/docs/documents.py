"""The documents as their readers meet them: blocks of commands, programs and configuration, and commands in a sentence.

A block is typed as its language says: `sh` and `console` (lines after `$ `) on Linux, `powershell` on Windows and,
where it is nothing but `cwai`, on Linux just as well. What only real Windows can run stands under the line
`*Windows only:*`, so that a reader and the tests see the same. `text` is what a program prints.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [  # but for the generated one; a translation comes last
    *sorted(ROOT.glob("[A-Z]*[A-Z].md")),
    *sorted(file for file in (ROOT / "docs").glob("*.md") if file.name != "cli.md"),
    *sorted(ROOT.glob("*.*.md")),
]
WINDOWS_ONLY = "*Windows only:*"
SHELLS = {"sh", "console", "powershell"}
LANGUAGES = {*SHELLS, "python", "json", "toml", "text"}

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"\s+#.*$")
_CWAI = re.compile(r"(\S+[\\/])?cwai\b")
_SPAN = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block, where it stands, and whether it is for real Windows alone."""

    document: str
    line: int
    language: str
    text: str
    windows_only: bool

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def script(self) -> str:
        """What a reader types: of a `console` block the lines behind the prompt, without what was printed."""
        if self.language != "console":
            return self.text
        typed = [line.removeprefix("$ ") for line in self.text.splitlines() if line.startswith("$ ")]
        return "\n".join(typed) + "\n"

    @property
    def lines(self) -> set[str]:
        """The lines without what is said of them."""
        return {_COMMENT.sub("", line) for line in self.script.splitlines() if line.strip()}


def read_blocks(document: Path) -> Iterator[Block]:
    """The fenced blocks of a document, in its order."""
    text = document.read_text(encoding="utf-8")
    for fence in _FENCE.finditer(text):
        before = text[: fence.start()]
        marked = before.rstrip().rpartition("\n")[2].strip() == WINDOWS_ONLY
        yield Block(document.name, before.count("\n") + 1, fence["language"], textwrap.dedent(fence["text"]), marked)


BLOCKS = [block for document in DOCUMENTS for block in read_blocks(document)]


def blocks(*languages: str, windows_only: bool = False) -> list[Block]:
    """The blocks in these languages, but for those of which every line, comments aside, is in one before."""
    found: list[Block] = []
    for block in BLOCKS:
        known = set[str]().union(*(before.lines for before in found))
        if block.language in languages and block.windows_only == windows_only and not block.lines <= known:
            found.append(block)
    return found


def cwai_commands(line: str) -> Iterator[list[str]]:
    """The arguments of each `cwai` in a line of a shell, of Linux or Windows."""
    if not _CWAI.search(line):
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();|&")
    lexer.escape = ""  # a path of Windows
    lexer.whitespace_split = True
    command: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= set("();|&"):
            command.append(word)
            continue
        if command and _CWAI.fullmatch(command[0]):
            yield command[1:]
        command = []


def lines_of_code(document: Path) -> Iterator[str]:
    """Every line of a document's blocks, indented ones as well."""
    for line in document.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line.startswith("    "):
            yield line.strip()
    for block in read_blocks(document):
        if block.language == "text":
            continue
        yield from block.script.replace("\\\n", " ").splitlines()


def spans_of_code(document: Path) -> Iterator[str]:
    """What stands in backquotes within the document's sentences."""
    yield from _SPAN.findall(_FENCE.sub("", document.read_text(encoding="utf-8")))

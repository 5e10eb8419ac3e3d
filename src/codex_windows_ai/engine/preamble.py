"""What a model may say before its answer, between two marks: a thinking model's thoughts.

They are no part of the answer: nothing that is asked of the answer holds for them, neither stop strings nor a grammar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from codex_windows_ai.engine.sampling.stop_strings import overlap


@dataclass(frozen=True, slots=True)
class Preamble:
    """The form of a model's preamble.

    `begin` and `end` are the marks as text. `begin_tokens` write the first; `end_tokens` close a preamble, and write
    what stands between it and an answer, which `joint_tokens` are alone. `begun`: the prompt ends inside of one. One
    that has `most_tokens` is closed; 0: none is wanted. With `in_grammar` the answer's grammar lets preambles through
    itself, and another may follow on one that was not closed.
    """

    begin: str
    end: str
    begin_tokens: tuple[int, ...]
    end_tokens: tuple[int, ...]
    joint_tokens: tuple[int, ...] = ()
    begun: bool = False
    most_tokens: int | None = None
    in_grammar: bool = False


class PreambleReader:
    """Tells the bytes of preambles from those of the answer while both are written, however tokens cut them.

    Newlines at the ends of a preamble, and between it and the answer, belong to neither, nor do blanks before it.
    Another one may follow on the first. Nothing of the answer's text is taken for a mark once the answer has begun.
    """

    def __init__(self, preamble: Preamble) -> None:
        self._begin, self._end = preamble.begin.encode(), preamble.end.encode()
        self._state: Literal["before", "inside", "behind", "answer"] = "inside" if preamble.begun else "before"
        self._held: bytes = b""
        self._said = False
        """Something of a preamble was told."""
        self._fresh = True
        """Nothing was told since the mark that began it."""
        self.found = preamble.begun
        """There is a preamble, or was one."""

    @property
    def inside(self) -> bool:
        """A preamble is being written."""
        return self._state == "inside"

    @property
    def answering(self) -> bool:
        """The answer has begun."""
        return self._state == "answer"

    @property
    def undecided(self) -> bool:
        """Nothing says yet whether there is a preamble."""
        return self._state == "before"

    @property
    def pending(self) -> bool:
        """Bytes are held back that may become the answer's."""
        return bool(self._held) and (self.undecided or (self._state == "behind" and bool(self._held.strip(b"\n"))))

    def push(self, data: bytes) -> tuple[bytes, bytes]:
        """What is known now of the preamble, and of the answer."""
        self._held += data
        said = b""
        while self._state != "answer":
            if self._state == "inside":
                before, mark, rest = self._held.partition(self._end)
                if not mark:
                    return said + self._say(self._held[: self._certain()]), b""
                said += self._say(before.rstrip(b"\n"))
                self._state, self._held = "behind", rest
                continue
            opening = self._held.lstrip() if self.undecided else self._held.lstrip(b"\n")
            if opening.startswith(self._begin):
                self._state, self._held, self._fresh = "inside", opening.removeprefix(self._begin), True
                self.found = True
            elif self._begin.startswith(opening):
                return said, b""
            else:
                self._held = self._held if self.undecided else opening
                self._state = "answer"
        answer, self._held = self._held, b""
        return said, answer

    def begin_answer(self) -> None:
        """From here on all is the answer's; newlines that are held back are dropped."""
        self._state, self._held = "answer", b""

    def beyond_end(self, data: bytes) -> int:
        """How many bytes of the next `data` come behind the mark that ends the preamble."""
        behind = (self._held + data).partition(self._end)[2] if self.inside else b""
        return len(behind)

    def finish(self) -> tuple[bytes, bytes]:
        """What was held back, of the preamble and of the answer, when nothing more comes."""
        held, self._held = self._held, b""
        if self.inside:
            return self._say(held.rstrip(b"\n")), b""
        return b"", held if self.undecided else held.lstrip(b"\n")

    def _certain(self) -> int:
        """How many of the held bytes are the preamble's for certain: not newlines that may end it, nor half a mark."""
        half = overlap(self._held, self._end)
        return len(self._held[: len(self._held) - half].rstrip(b"\n"))

    def _say(self, data: bytes) -> bytes:
        """Takes these bytes of the preamble from what is held; those of another one begin on a line of their own."""
        self._held = self._held[len(data) :]
        told = data.lstrip(b"\n") if self._fresh else data
        if not told:
            return b""
        told = b"\n" + told if self._fresh and self._said else told
        self._fresh, self._said = False, True
        return told

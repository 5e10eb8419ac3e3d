"""Chat templates under bounds: compiled and rendered in a process of their own (`sandbox_worker.py`).

A template that takes too long is ended with its process, the work and not only the wait for it; one that takes too
much memory or writes too much is stopped by the process itself. The next template gets a new process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from codex_windows_ai.errors import InvalidRequestError, ModelFileError, TemplateOverLimitError
from codex_windows_ai.workers.pool import WorkerPool

_pool = WorkerPool(Path(__file__).with_name("sandbox_worker.py"), what="chat templates", probe=b'{"source": ""}')


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a template may take. Rendering takes milliseconds, and no request is as long as `characters`."""

    seconds: float = 5.0
    """Of processor time, for compiling it or rendering it once."""
    bytes: int = 1 << 30
    """Address space of its process, Python's own included."""
    characters: int = 32 << 20
    """What it may write."""


BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class Examined:
    """What stands in the source of a template."""

    literals: tuple[str, ...]
    """What it writes as it is, and the texts of its expressions."""
    variables: frozenset[str]
    """The names that it expects to be given."""


def examine(source: str, bounds: Bounds = BOUNDS) -> Examined:
    """Compiles a template, and does not run it.

    Raises ModelFileError: it does not compile, or not within its bounds.
    """
    try:
        answer = cast("dict[str, list[str]]", _ask({"source": source}, bounds))
    except InvalidRequestError as error:
        raise ModelFileError(error.message) from error
    return Examined(tuple(answer["literals"]), frozenset(answer["variables"]))


def render(source: str, variables: Mapping[str, Any], bounds: Bounds = BOUNDS) -> str:
    """What the template writes; the variables are JSON values.

    Raises InvalidRequestError: it fails. TemplateOverLimitError: it takes too much.
    """
    return cast(
        "str", _ask({"source": source, "variables": variables, "characters": bounds.characters}, bounds)["text"]
    )


def _ask(request: Mapping[str, Any], bounds: Bounds) -> dict[str, Any]:
    line = json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogatepass")
    reply = _pool.ask(line, seconds=bounds.seconds, most_bytes=bounds.bytes)
    if reply.limit:
        raise TemplateOverLimitError(reply.limit)
    answer: dict[str, Any] = json.loads(reply.answer)
    if "refused" in answer:
        raise InvalidRequestError(answer["refused"])
    return answer

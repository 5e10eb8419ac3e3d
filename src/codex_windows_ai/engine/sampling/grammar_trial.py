"""Whether a grammar can be followed, found out in a worker process before any thread of this one compiles it.

The library can be told neither to stop nor to take no more memory, and a hundred characters can keep it busy for hours:
`multipleOf` of eight numbers, which it multiplies to one automaton.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codex_windows_ai.engine.sampling.remembered import Remembered
from codex_windows_ai.engine.sampling.schemas import MOST_CHARACTERS, size_fault
from codex_windows_ai.errors import InvalidGrammarError
from codex_windows_ai.protocol.grammar import Grammar, GrammarKind
from codex_windows_ai.workers.pool import WorkerPool

GRAMMAR_SECONDS = 3.0
"""Of processor time, to compile a whole grammar; an ordinary tool takes a few thousandths."""

MOST_COMPOSED_CHARACTERS = 4 * 1024 * 1024
"""Of all that a composed grammar is made of."""

_MOST_BYTES = 1 << 30
_CONTROL_TOKEN = re.compile(r"<\[[0-9]+\]>")

_pool = WorkerPool(
    Path(__file__).with_name("grammar_worker.py"),
    what="grammars",
    probe=json.dumps({"kind": "regex", "definition": "a", "lenient": False}).encode(),
)
_faults = Remembered[str](1 << 20)


@dataclass(frozen=True, slots=True)
class SchemaSupport:
    """How far a JSON schema can be followed: not at all for a `fault`, else but for what is `ignored`.

    `late`: it was not found out, because it takes too much; the fault says so. `seconds` of processor time it took.
    """

    fault: str
    ignored: tuple[str, ...] = ()
    seconds: float = 0.0
    late: bool = False


def schema_support(schema: dict[str, Any], *, lenient: bool, seconds: float = GRAMMAR_SECONDS) -> SchemaSupport:
    """How far a schema can be followed; only a `lenient` reading ignores keywords that the library does not know."""
    try:
        definition = json.dumps(schema)
    except (ValueError, RecursionError) as error:
        return SchemaSupport(str(error))
    return _tried("json_schema", definition, lenient=lenient, seconds=seconds)


def check_grammar(grammar: Grammar) -> None:
    """Refuses what no model could follow; agents offer the same tools again and again, so what was found is kept.

    Raises InvalidGrammarError: it does not parse, nothing can match it, or it takes too much to compile.
    """
    most = MOST_COMPOSED_CHARACTERS if grammar.kind == "composed" else MOST_CHARACTERS
    if len(grammar.definition) > most:
        raise InvalidGrammarError(
            f"The {grammar_name(grammar)} has {len(grammar.definition):,} characters; up to {most:,} can be followed."
        )
    digest = hashlib.sha256(grammar.definition.encode("utf-8", "surrogatepass")).hexdigest()
    fault = _faults.get(lambda: _fault(grammar), grammar.kind, "lenient" if grammar.lenient else "", digest)
    if fault:
        raise InvalidGrammarError(f"The {grammar_name(grammar)} is not valid: {fault}")


def grammar_name(grammar: Grammar) -> str:
    """What it is, in words."""
    names = {"json_schema": "JSON schema", "regex": "regex", "lark": "Lark grammar", "composed": "composed grammar"}
    return names[grammar.kind]


def _fault(grammar: Grammar) -> str:
    if grammar.kind == "json_schema":
        try:
            fault = size_fault(json.loads(grammar.definition), grammar.definition)
        except (ValueError, RecursionError) as error:
            fault = str(error)
        if fault:
            return fault
    return _tried(grammar.kind, grammar.definition, lenient=grammar.lenient, seconds=GRAMMAR_SECONDS).fault


def _tried(kind: GrammarKind, definition: str, *, lenient: bool, seconds: float) -> SchemaSupport:
    if kind == "composed":  # the worker's vocabulary is another: any of its control tokens stands for one of a model's
        definition = _CONTROL_TOKEN.sub("<|tool|>", definition)
    request = {"kind": kind, "definition": definition, "lenient": lenient}
    reply = _pool.ask(json.dumps(request).encode(), seconds=seconds, most_bytes=_MOST_BYTES)
    if reply.limit:
        return SchemaSupport(f"it takes too much to compile: {reply.limit}", seconds=reply.seconds, late=True)
    found: dict[str, Any] = json.loads(reply.answer)
    return SchemaSupport(found["fault"], tuple(found["ignored"]), reply.seconds)

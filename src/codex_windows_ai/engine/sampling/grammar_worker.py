"""Grammars as `llguidance` takes them: in this process, and in the worker process where they are compiled first.

It loads nothing of ours, so that `workers/main.py` can load it alone.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

JSON_STYLE: JsonCompileOptions = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "lenient": False,
}
"""How JSON is written, in llguidance's terms: as `json.dumps` does, on one line, and no keyword left out.

Models have seen that form most, and with free whitespace small ones fill whole answers with it.
"""

# A schema with hundreds of optional properties, or a list of hundreds of tools, has that many ways to go on at once.
# The library's own bounds on what one token may take (`step_max_items`, `step_lexer_fuel`) stay: a second at most.
_LIMITS = LLParserLimits(max_items_in_row=50_000)

_LONGEST_FAULT = 2_000
_STACK_BYTES = 1 << 20


def begin(tokenizer: LLTokenizer, kind: str, definition: str, *, lenient: bool = False) -> LLMatcher:
    """A matcher at the start of a grammar of one of the kinds of `Grammar`.

    Raises ValueError: it does not parse, or nothing can match it.
    """
    try:
        compiled = _compiled(kind, definition, lenient=lenient)
    except (ValueError, RecursionError) as error:
        raise ValueError(_cut(str(error))) from error
    matcher = LLMatcher(tokenizer, compiled, log_level=0, limits=_LIMITS)
    if matcher.is_error():
        raise ValueError(reason(matcher))
    # The library finds out that nothing can match when it looks for the first token.
    if not any(matcher.compute_bitmask()):
        raise ValueError("nothing can match it, no token may begin the answer.")
    if matcher.is_error():
        raise ValueError(reason(matcher))
    return matcher


def reason(matcher: LLMatcher) -> str:
    """What the library says went wrong, without the dump of its state that follows."""
    return _cut(matcher.get_error().partition("<state>")[0].strip())


def answer(request: bytes) -> bytes:
    """Whether a grammar compiles: its `fault`, and what is `ignored` of a schema."""
    return _small_thread().submit(_tried, json.loads(request)).result()


def _tried(asked: dict[str, Any]) -> bytes:
    try:
        matcher = begin(_byte_tokenizer(), asked["kind"], asked["definition"], lenient=asked["lenient"])
    except ValueError as error:
        return json.dumps({"fault": str(error), "ignored": []}).encode()
    return json.dumps({"fault": "", "ignored": [_cut(line) for line in matcher.get_grammar_warnings()]}).encode()


def _compiled(kind: str, definition: str, *, lenient: bool) -> str:
    if kind == "json_schema":
        style: JsonCompileOptions = {**JSON_STYLE, "lenient": lenient}
        return LLMatcher.grammar_from_json_schema(json.loads(definition), overrides=style)
    if kind == "regex":
        return LLMatcher.grammar_from_regex(definition)
    return LLMatcher.grammar_from_lark(definition) if kind == "lark" else definition


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_FAULT else f"{text[:_LONGEST_FAULT]}…"


@cache
def _small_thread() -> ThreadPoolExecutor:
    """The library goes into what is nested by calls: what fits this stack fits that of any thread of the host."""
    threading.stack_size(_STACK_BYTES)
    return ThreadPoolExecutor(max_workers=1)


@cache
def _byte_tokenizer() -> LLTokenizer:
    return LLTokenizer("byte")

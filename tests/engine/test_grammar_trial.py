"""A grammar that takes too much holds up nobody: it is refused, in words, and remembered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_windows_ai.chat.schema import closest_text_schema
from codex_windows_ai.engine.generation import Generation
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sampling import grammar as following
from codex_windows_ai.engine.sampling.grammar import GrammarCompiler
from codex_windows_ai.engine.sampling.grammar_trial import check_grammar, schema_support
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import InvalidGrammarError
from codex_windows_ai.models.folder import read_model_folder
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.workers.pool import WorkerPool
from tests.engine.conftest import StartEngine

PRODUCT = {"allOf": [{"type": "integer", "multipleOf": factor} for factor in (3, 5, 7, 11, 13, 17, 19, 23)]}
MULTIPLE = {"type": "integer", "multipleOf": 99_998_300}
PATTERNS = {"type": "string", "allOf": [{"pattern": f"a{number}.*b"} for number in range(39)]}
ENDLESS = {"product": PRODUCT, "multiple": MULTIPLE, "patterns": PATTERNS}

AMBIGUOUS = Grammar("lark", 'start: s\ns: s s s s | "a" s "a" | s "a" | "a" | "aa" | ""')
"""It compiles at once, and has more ways to go on with every letter."""


@pytest.mark.parametrize("schema", ENDLESS.values(), ids=ENDLESS)
def test_a_schema_that_does_not_compile_in_time_is_refused_and_known_from_then_on(
    schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    grammar = Grammar("json_schema", json.dumps(schema))
    with pytest.raises(InvalidGrammarError, match="takes too much to compile: it does not end within 3 seconds"):
        check_grammar(grammar)

    monkeypatch.delattr(WorkerPool, "ask")

    with pytest.raises(InvalidGrammarError, match="takes too much to compile"):
        check_grammar(grammar)


@pytest.mark.parametrize("kind", ["lark", "composed"])
def test_so_is_one_that_is_a_part_of_another(kind: Any, tokenizer: Tokenizer, default_model: Path) -> None:
    folder = read_model_folder(default_model)
    compiler = GrammarCompiler(tokenizer, folder.vocabulary_size, folder.eos_token_ids)
    part = {"grammars": [{"lark_grammar": "start: @x"}, {"name": "x", "json_schema": PRODUCT}]}
    definition = f"start: %json {json.dumps(PRODUCT)}" if kind == "lark" else json.dumps(part)

    with pytest.raises(InvalidGrammarError, match="takes too much to compile"):
        compiler.compile(Grammar(kind, definition))


@pytest.mark.parametrize(
    "rules",
    [
        ["start: r0", *(f"r{n}: r{n + 1} r{n + 1}" for n in range(8000)), 'r8000: "a"'],
        ["start: R0", *(f'R{n}: R{n + 1} "b"' for n in range(8000)), 'R8000: "a"'],
    ],
    ids=["rules", "terminals"],
)
def test_one_that_is_nested_deeper_than_a_stack_ends_no_more_than_its_worker(rules: list[str]) -> None:
    with pytest.raises(InvalidGrammarError, match="takes too much to compile"):
        check_grammar(Grammar("lark", "\n".join(rules)))


def test_a_grammar_that_is_known_costs_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    grammar = Grammar("regex", "known to compile")
    check_grammar(grammar)
    monkeypatch.delattr(WorkerPool, "ask")

    check_grammar(grammar)


def test_the_time_of_a_try_is_told() -> None:
    late, quick = (schema_support(schema, lenient=True, seconds=0.2) for schema in (PRODUCT, {"type": "integer"}))

    assert (late.late, late.seconds) == (True, 0.2)
    assert (quick.late, quick.fault) == (False, "")
    assert 0 < quick.seconds < 0.2


def test_what_has_too_many_ways_to_go_on_ends_its_own_answer(tokenizer: Tokenizer, default_model: Path) -> None:
    folder = read_model_folder(default_model)
    matcher = GrammarCompiler(tokenizer, folder.vocabulary_size, folder.eos_token_ids).compile(AMBIGUOUS)
    [letter] = tokenizer.encode_text("a")

    with pytest.raises(InvalidGrammarError, match="takes too much to follow"):
        for _ in range(2_000):
            assert matcher.allowed()[letter]
            matcher.consume(letter)


def test_a_schema_of_many_properties_is_followed_to_its_end(tokenizer: Tokenizer, default_model: Path) -> None:
    folder = read_model_folder(default_model)
    schema = {"type": "object", "properties": {f"p{number}": {"type": "integer"} for number in range(600)}}
    grammar = Grammar("json_schema", json.dumps(schema | {"additionalProperties": False}))
    matcher = GrammarCompiler(tokenizer, folder.vocabulary_size, folder.eos_token_ids).compile(grammar)

    for token in tokenizer.encode_text(json.dumps({f"p{number}": number for number in range(0, 600, 5)})):
        assert matcher.allowed()[token]
        matcher.consume(token)
    assert matcher.finished


def test_a_grammar_that_takes_too_much_fails_alone(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = start_engine()
    words = EngineRequest(prompt=(5, 6, 7), max_output_tokens=20)
    bound = EngineRequest(prompt=(5, 6, 7), max_output_tokens=20, grammar=Grammar("regex", "[ -~]*"))
    other = engine.submit(words)
    monkeypatch.setattr(following, "FOLLOW_SECONDS", 0.0)
    monkeypatch.setattr(following, "TOKEN_SECONDS", 0.0)

    with pytest.raises(InvalidGrammarError, match="takes too much to follow"):
        list(engine.submit(bound))
    assert finished(other) == "length"


def finished(generation: Generation) -> str | None:
    return list(generation)[-1].finish_reason


def _leaves(number: int, word: str) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas that say little and can take long."""
    leaves: list[dict[str, Any]] = [
        {"type": "integer", "multipleOf": number},
        {"type": "string", "minLength": number, "maxLength": 10**9},
        {"type": "array", "items": {}, "minItems": number},
        {"type": "string", "pattern": f"(a|b)*a(a|b){{{number % 5000}}}"},
        {"type": "string", "pattern": f"{word}.*b"},
        {"$ref": "#"},
    ]
    return st.sampled_from(leaves)


def _branches(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    def branch(keyword: str, schemas: list[dict[str, Any]]) -> dict[str, Any]:
        if keyword != "properties":
            return {keyword: schemas}
        return {"type": "object", "properties": {f"p{number}": schema for number, schema in enumerate(schemas)}}

    keywords = st.sampled_from(["allOf", "anyOf", "oneOf", "properties"])
    return st.builds(branch, keywords, st.lists(inner, min_size=1, max_size=8))


WORDS = st.text("abc.*+?()[]{}|\\0", max_size=12)
SCHEMAS = st.recursive(
    st.tuples(st.integers(1, 10**9), WORDS).flatmap(lambda made: _leaves(*made)), _branches, max_leaves=12
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(SCHEMAS)
def test_the_closest_of_any_schema_compiles(schema: dict[str, Any]) -> None:
    found = closest_text_schema(schema, strict=False)

    check_grammar(Grammar("json_schema", json.dumps(found.schema), lenient=found.lenient))
    assert found.lenient == bool(found.loosened)

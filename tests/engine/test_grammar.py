"""Grammars: what matches, what is refused before any work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codex_windows_ai.engine.sampling.grammar import GrammarCompiler, GrammarMatcher
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import InvalidGrammarError
from codex_windows_ai.models.folder import read_model_folder
from codex_windows_ai.protocol.grammar import Grammar, GrammarKind

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def end_ids(default_model: Path) -> tuple[int, ...]:
    return read_model_folder(default_model).eos_token_ids


@pytest.fixture(scope="module")
def compiler(default_model: Path, tokenizer: Tokenizer, end_ids: tuple[int, ...]) -> GrammarCompiler:
    folder = read_model_folder(default_model)
    return GrammarCompiler(tokenizer, folder.vocabulary_size, end_ids)


def follow(matcher: GrammarMatcher, tokenizer: Tokenizer, text: str) -> bool:
    """Whether the grammar lets the answer go on by this text."""
    for token in tokenizer.encode_text(text):
        if not matcher.allowed()[token]:
            return False
        matcher.consume(token)
    return True


def schema(value: Any) -> Grammar:
    return Grammar("json_schema", json.dumps(value))


@pytest.mark.parametrize(
    ("grammar", "text", "accepted"),
    [
        (schema(PERSON), '{"name": "Ada", "age": 36}', True),
        (schema(PERSON), '{"name": "Ada", "age": "36"}', False),
        (schema(PERSON), '{"age": 36}', False),
        (schema(PERSON), '{"name": "Ada",\n "age": 36}', False),
        (Grammar("regex", r"[0-9]{4}-[0-9]{2}"), "2024-05", True),
        (Grammar("regex", r"[0-9]{4}-[0-9]{2}"), "24-05", False),
        (Grammar("lark", 'start: "yes" | "no"'), "no", True),
        (Grammar("lark", 'start: "yes" | "no"'), "maybe", False),
        (Grammar("lark", 'start: "(" start ")" | "x"'), "((x))", True),
        (Grammar("lark", 'start: "(" start ")" | "x"'), "((x)))", False),
    ],
)
def test_an_answer_may_be_what_the_grammar_says(
    compiler: GrammarCompiler,
    tokenizer: Tokenizer,
    end_ids: tuple[int, ...],
    grammar: Grammar,
    text: str,
    accepted: bool,
) -> None:
    matcher = compiler.compile(grammar)

    assert follow(matcher, tokenizer, text) == accepted
    if accepted:
        assert matcher.allowed()[end_ids[0]]


def test_the_answer_may_not_end_before_the_grammar(
    compiler: GrammarCompiler, tokenizer: Tokenizer, end_ids: tuple[int, ...]
) -> None:
    matcher = compiler.compile(Grammar("regex", "a{3,5}"))

    assert follow(matcher, tokenizer, "aa")
    assert not matcher.allowed()[list(end_ids)].any()
    assert follow(matcher, tokenizer, "a")
    assert matcher.allowed()[list(end_ids)].all()
    assert not matcher.finished
    assert follow(matcher, tokenizer, "aa")
    assert matcher.finished


def test_the_end_token_finishes_it(compiler: GrammarCompiler, tokenizer: Tokenizer, end_ids: tuple[int, ...]) -> None:
    for end in end_ids:
        matcher = compiler.compile(Grammar("regex", "a+"))
        assert follow(matcher, tokenizer, "a")
        matcher.consume(end)
        assert matcher.finished


def test_the_mask_is_as_long_as_the_models_vocabulary(
    default_model: Path, tokenizer: Tokenizer, end_ids: tuple[int, ...]
) -> None:
    folder = read_model_folder(default_model)
    padded = GrammarCompiler(tokenizer, folder.vocabulary_size + 100, end_ids)

    mask = padded.compile(Grammar("regex", "[a-z]+")).allowed()

    assert mask.shape == (folder.vocabulary_size + 100,)
    assert mask.dtype == np.bool_
    assert not mask[folder.vocabulary_size :].any()


def test_an_added_token_that_is_text_counts_as_text(
    default_model: Path, tmp_path: Path, end_ids: tuple[int, ...]
) -> None:
    # As the Qwen models have it: not special, but a token of its own.
    folder = read_model_folder(default_model)
    description = json.loads(folder.tokenizer_file.read_text(encoding="utf-8"))
    added = {"id": folder.vocabulary_size, "content": "<tool_call>", "special": False}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    description["added_tokens"].append(added | flags)
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(description), encoding="utf-8")
    tokenizer = Tokenizer(file)
    compiler = GrammarCompiler(tokenizer, folder.vocabulary_size + 1, end_ids)
    lark = 'start: TEXT | head "!"\nTEXT: /(?s:.*)/ & ~/(?s:.*)<tool_call>(?s:.*)/\nhead[lazy]: /(?s:.*)<tool_call>/'

    assert tokenizer.encode_text("<tool_call>") == [folder.vocabulary_size]
    for definition in ('start: "<tool_call>!"', lark):
        assert follow(compiler.compile(Grammar("lark", definition)), tokenizer, "<tool_call>!")
        assert not follow(compiler.compile(Grammar("lark", definition)), tokenizer, "<tool_call>?")
    assert not follow(compiler.compile(Grammar("lark", "start: /[a-z]*/")), tokenizer, "<tool_call>")


def test_tokens_without_a_choice_are_named(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    matcher = compiler.compile(schema(PERSON))
    text = b"".join(tokenizer.token_bytes[token] for token in matcher.forced()).decode()
    assert '{"name":'.startswith(text.replace(" ", ""))

    fixed = compiler.compile(Grammar("regex", "exactly this and nothing else"))
    forced = fixed.forced()
    assert b"".join(tokenizer.token_bytes[token] for token in forced).decode().startswith("exactly this and")
    for token in forced:
        assert fixed.allowed()[token]
        fixed.consume(token)

    assert compiler.compile(Grammar("regex", "[a-z]+")).forced() == []


def test_a_token_that_was_not_allowed_is_an_error_in_one_line(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    matcher = compiler.compile(Grammar("regex", "a"))
    matcher.consume(tokenizer.encode_text("a")[0])

    with pytest.raises(InvalidGrammarError, match="cannot go on") as failed:
        matcher.consume(tokenizer.encode_text("b")[0])
    assert "\n" not in failed.value.message


def test_matchers_of_one_grammar_are_independent(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    one, other = (compiler.compile(Grammar("regex", "ab")) for _ in range(2))
    assert follow(one, tokenizer, "ab")

    assert not other.finished
    assert follow(other, tokenizer, "ab")


@pytest.mark.parametrize(
    ("kind", "definition"),
    [
        ("json_schema", "{"),
        ("json_schema", ""),
        ("json_schema", "5"),
        ("json_schema", "null"),
        ("json_schema", '"text"'),
        ("json_schema", "[" * 100_000),
        ("json_schema", '{"type": "nonsense"}'),
        ("json_schema", '{"$ref": "#/nowhere"}'),
        ("json_schema", '{"not": {}}'),
        ("json_schema", '{"not": {}, "x-guidance": {"lenient": true}}'),
        ("json_schema", '{"const": "\\ud800"}'),
        ("regex", "("),
        ("regex", "[z-a]"),
        ("regex", "(?=look)ahead"),
        ("regex", "\ud800"),
        ("lark", ""),
        ("lark", "start: missing"),
        ("lark", "nonsense ((("),
    ],
)
def test_a_malformed_grammar_is_refused(compiler: GrammarCompiler, kind: GrammarKind, definition: str) -> None:
    with pytest.raises(InvalidGrammarError) as refused:
        compiler.compile(Grammar(kind, definition))

    assert refused.value.http_status == 400
    assert "<state>" not in refused.value.message


@pytest.mark.parametrize(
    ("kind", "definition"),
    [
        ("json_schema", "false"),
        ("json_schema", '{"enum": []}'),
        ("json_schema", '{"type": "integer", "minimum": 5, "maximum": 3}'),
        ("json_schema", '{"type": "string", "minLength": 5, "maxLength": 2}'),
        ("json_schema", '{"allOf": [{"type": "string"}, {"type": "integer"}]}'),
        ("json_schema", '{"type": "object", "properties": {"a": false}, "required": ["a"]}'),
        ("regex", r"[^\s\S]"),
        ("regex", r"a[^\s\S]"),
        ("lark", "start: start"),
    ],
)
def test_a_grammar_that_nothing_matches_is_refused(
    compiler: GrammarCompiler, kind: GrammarKind, definition: str
) -> None:
    with pytest.raises(InvalidGrammarError):
        compiler.compile(Grammar(kind, definition))


def test_the_empty_text_is_a_match(compiler: GrammarCompiler, end_ids: tuple[int, ...]) -> None:
    allowed = compiler.compile(Grammar("regex", "")).allowed()

    assert np.flatnonzero(allowed).tolist() == sorted(end_ids)

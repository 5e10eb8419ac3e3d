"""Whatever schemas foreign tools have: each can be called, as its schema has it where that can be followed."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher

from codex_windows_ai.api.openai.tools import make_tool_set, read_tools
from codex_windows_ai.chat import schema as tool_schema
from codex_windows_ai.chat.formats.hermes import HermesParser, answer_grammar
from codex_windows_ai.chat.grammar import check_answer, closest_json_grammar
from codex_windows_ai.chat.schema import MOST_TRIES, Search, arguments_schema, closest_schema, closest_text_schema
from codex_windows_ai.engine.sampling.grammar_trial import check_grammar
from codex_windows_ai.errors import InvalidGrammarError
from codex_windows_ai.protocol.answer import CallEnded
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.tools import ToolSet
from tests.api.responses.codex_requests import APPLY_PATCH, EXEC_COMMAND, MCP_SERVER
from tests.chat.foreign_tools import FOLLOWED, LOOSENED, ForeignTool
from tests.chat.test_calls_properties import BYTES, write
from tests.chat.test_grammar import accepts, function_call

NOT_ROOT = {"type": "string", "not": {"const": "root"}}
UNIQUE = {"type": "array", "uniqueItems": True}
LOOKAHEAD = {"type": "string", "pattern": "^(?=a)"}


def offered(schema: Any, **others: Any) -> ToolSet:
    """A set with one tool, which must be called."""
    tool = {"type": "function", "name": "it", "parameters": schema, **others}
    return make_tool_set(read_tools([tool]), {"type": "function", "name": "it"})


def takes(schema: Any, arguments: str) -> bool:
    return accepts(answer_grammar(offered(schema)), function_call("it", arguments))


def reason(schema: Any) -> str:
    """Why the schema is loosened."""
    return closest_schema(offered(schema).tools[0]).loosened


def properties(**schemas: Any) -> dict[str, Any]:
    return {"type": "object", "properties": schemas}


@pytest.mark.parametrize("tool", [*FOLLOWED, *LOOSENED], ids=lambda tool: tool.name)
def test_a_foreign_tool_takes_its_arguments_and_says_what_is_not_kept_to(tool: ForeignTool) -> None:
    tool_set = make_tool_set(read_tools([tool.function]), "required")

    assert accepts(answer_grammar(tool_set), function_call(tool.name, json.dumps(tool.arguments)))
    said = check_answer(tool_set, None)
    assert bool(said) == bool(tool.loosened)
    for remark in said:
        assert remark["tool"] == tool.name
        assert tool.loosened in remark["reason"]
        assert "\n" not in remark["reason"]


@pytest.mark.parametrize("tool", [*FOLLOWED, *LOOSENED], ids=lambda tool: tool.name)
def test_arguments_of_a_foreign_tool_are_an_object_whatever_its_schema(tool: ForeignTool) -> None:
    grammar = answer_grammar(make_tool_set(read_tools([tool.function]), "required"))

    for arguments in ("[]", '"text"', "{", '{"a" 1}', "{} {}"):
        assert not accepts(grammar, function_call(tool.name, arguments))


@pytest.mark.parametrize("tool", LOOSENED, ids=lambda tool: tool.name)
def test_a_strict_tool_is_refused_instead(tool: ForeignTool) -> None:
    strict = {**tool.function, "strict": True}

    with pytest.raises(InvalidGrammarError, match=f"tool `{tool.name}` cannot be offered") as refused:
        check_answer(make_tool_set(read_tools([strict])), None)
    assert refused.value.http_status == 400
    assert "strict" in str(refused.value.hint)


def test_all_tools_are_offered_together() -> None:
    foreign = [tool.function for tool in [*FOLLOWED, *LOOSENED]]
    tool_set = make_tool_set(read_tools([EXEC_COMMAND, APPLY_PATCH, MCP_SERVER, *foreign]))
    grammar = answer_grammar(tool_set)

    assert {remark["tool"] for remark in check_answer(tool_set, None)} == {tool.name for tool in LOOSENED}
    for tool in [*FOLLOWED, *LOOSENED]:
        assert accepts(grammar, "Look. " + function_call(tool.name, json.dumps(tool.arguments)))


@pytest.mark.parametrize(
    ("schema", "kept", "given_up"),
    [
        (properties(a=NOT_ROOT, b={"type": "integer"}), '{"b": "x"}', '{"a": "root"}'),
        (properties(a=LOOKAHEAD, b={"type": "integer"}), '{"b": "x"}', '{"a": "b"}'),
        (properties(a={**LOOKAHEAD, "maxLength": 2}), '{"a": "bbb"}', '{"a": "bb"}'),
        (properties(a=LOOKAHEAD) | {"required": ["a"]}, "{}", '{"a": "b"}'),
        (properties(a=LOOKAHEAD), '{"b": 1}', '{"a": "b"}'),
        (properties(a={"type": "array", "items": LOOKAHEAD}), '{"a": [1]}', '{"a": ["b"]}'),
        (properties(a={"anyOf": [LOOKAHEAD, {"type": "integer"}]}), '{"a": null}', '{"a": "b"}'),
        (properties(a={"additionalProperties": LOOKAHEAD}), '{"a": {"x": 1}}', '{"a": {"x": "b"}}'),
        (
            properties(a={"$ref": "#/$defs/a"}, b={"$ref": "#/$defs/b"})
            | {"$defs": {"a": LOOKAHEAD, "b": {"type": "integer"}}},
            '{"a": 1}',
            '{"a": "b", "b": 1}',
        ),
        (
            properties(a={"$ref": "#/$defs/gone"}, b={"$ref": "#/$defs/b"}) | {"$defs": {"b": {"type": "integer"}}},
            '{"b": "x"}',
            '{"a": [null], "b": 1}',
        ),
        ({"minProperties": 2, **properties(a={}, b={"type": "integer"}, c={})}, '{"b": "x"}', '{"b": 1}'),
        (
            {"required": ["a"], "additionalProperties": False, "properties": None},
            "[]",
            '{"a": 1, "b": [2]}',
        ),
        (
            properties(a={"prefixItems": 3, "items": {"type": "integer"}, "type": "array"}),
            '{"a": {}}',
            '{"a": ["x"]}',
        ),
    ],
)
def test_only_what_cannot_be_followed_is_given_up(schema: dict[str, Any], kept: str, given_up: str) -> None:
    assert reason(schema)
    assert not takes(schema, kept)
    assert takes(schema, given_up)


def test_the_reason_names_the_places() -> None:
    nested = properties(a={"type": "array", "items": LOOKAHEAD}, b={"anyOf": [{"type": "nothing"}, NOT_ROOT]})

    first, second, third = reason(nested).split("; ")
    assert first.startswith("#/properties/a/items/pattern: ")
    assert second.startswith("#/properties/b/anyOf/0/type: ")
    assert "not" in third


def test_many_reasons_are_counted_and_long_ones_are_cut() -> None:
    many = reason(properties(**{name: {"type": "x" * 1000} for name in "abcdefgh"}))

    assert many.endswith("; and 3 more")
    assert len(many) < 1200


def test_how_json_is_written_is_not_the_tools_to_say() -> None:
    schema = properties(a=NOT_ROOT) | {"x-guidance": {"lenient": True, "whitespace_flexible": True}}

    assert reason(schema)
    assert not takes(schema, '{ "a":"b" }')
    assert takes(schema, '{"a": "b"}')


def test_a_schema_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = properties(a=LOOKAHEAD, once={"type": "integer"})
    said = reason(schema)

    monkeypatch.delattr(tool_schema, "schema_support")

    assert said
    assert reason(schema) == said


def test_a_schema_with_more_faults_than_are_looked_for_is_still_usable() -> None:
    schema = properties(**{f"p{number}": LOOKAHEAD for number in range(MOST_TRIES)})

    assert takes(schema, '{"p0": "b"}')
    assert not takes(schema, '{"p0": 1}')
    assert takes(schema, f'{{"p{MOST_TRIES - 1}": 1}}')
    assert reason(schema).endswith(" more")


def test_the_search_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = properties(timed=LOOKAHEAD, other={"type": "integer"})
    monkeypatch.setattr(tool_schema, "SCHEMA_SECONDS", 0)

    assert "not tried" in reason(schema)
    assert takes(schema, '{"other": "anything"}')


def test_of_thousands_of_properties_those_that_fit_are_found_together() -> None:
    schema = properties(**{f"q{number}": {"type": "integer"} for number in range(300)}, bad=LOOKAHEAD)

    assert reason(schema).startswith("#/properties/bad/pattern: ")
    assert not takes(schema, '{"q299": "x"}')


def test_what_one_request_has_no_time_for_is_looked_at_with_the_next() -> None:
    tool = offered(properties(later=LOOKAHEAD)).tools[0]

    assert closest_schema(tool, Search(0)).loosened.endswith("any object is taken")
    assert closest_schema(tool).loosened.startswith("#/properties/later/pattern: ")


def test_a_strict_tool_for_which_there_is_no_time_is_refused() -> None:
    tool = offered(properties(strictly=LOOKAHEAD), strict=True).tools[0]

    with pytest.raises(InvalidGrammarError, match="not tried"):
        closest_schema(tool, Search(0))


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        (properties(**{f"p{number}": {} for number in range(5000)}), "5,000 optional properties"),
        (properties(a={"enum": [f"{number} {'x' * 100}" for number in range(3000)]}), "characters"),
    ],
)
def test_a_huge_schema_is_not_even_tried(schema: dict[str, Any], what: str) -> None:
    assert what in reason(schema)
    assert takes(schema, '{"anything": 1}')
    grammar, loosened = closest_json_grammar(schema, strict=False)
    assert what in loosened
    check_grammar(grammar)
    with pytest.raises(InvalidGrammarError, match=what):
        closest_json_grammar(schema, strict=True)
    with pytest.raises(InvalidGrammarError, match=what):
        check_grammar(Grammar("json_schema", json.dumps(schema)))
    with pytest.raises(InvalidGrammarError, match=what):
        check_answer(offered(schema, strict=True))


def test_as_many_schemas_are_remembered_as_one_request_has(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = [
        {"type": "function", "name": f"t{number}", "parameters": properties(a={"not": {}, "title": str(number)})}
        for number in range(600)
    ]
    tool_set = make_tool_set(read_tools(tools))
    while "not tried" in str(said := check_answer(tool_set)):
        pass

    monkeypatch.delattr(tool_schema, "schema_support")

    assert check_answer(tool_set) == said
    assert len(said) == 600


def test_an_answers_schema_is_loosened_unless_it_is_strict() -> None:
    schema = properties(to={"type": "string", "format": "email", "pattern": "^(?!\\.)[a-z.]+@[a-z]+$"}, n=UNIQUE)

    grammar, loosened = closest_json_grammar(schema, strict=False)

    assert "pattern" in loosened
    assert accepts(grammar, '{"to": "a@b.cd", "n": [1, 1]}')
    assert not accepts(grammar, '{"to": 3}')
    assert accepts(answer_grammar(offered(properties()), grammar), function_call("it", "{}"))
    with pytest.raises(InvalidGrammarError, match="not valid"):
        closest_json_grammar(schema, strict=True)


def test_what_is_ignored_of_an_answers_schema_is_named() -> None:
    grammar, loosened = closest_json_grammar(
        {"type": "array", "uniqueItems": True, "items": {"const": 1}}, strict=False
    )

    assert "uniqueItems" in loosened
    check_grammar(grammar)
    assert accepts(grammar, "[1, 1]")
    assert not accepts(grammar, "[2]")
    tool_set = make_tool_set(read_tools([{"type": "function", "name": "it", "parameters": properties()}]))
    assert accepts(answer_grammar(tool_set, grammar), "[1, 1]")


def test_an_answers_schema_may_be_of_any_type_and_open() -> None:
    for schema, answer in (({}, "3"), ({"type": "string"}, '"x"'), (properties(a={}), '{"a": 1, "b": 2}')):
        grammar, loosened = closest_json_grammar(schema, strict=True)
        assert (loosened, accepts(grammar, answer)) == ("", True)


def test_a_tool_may_have_hundreds_of_optional_properties() -> None:
    schema = properties(**{f"p{number}": {} for number in range(600)})

    assert reason(schema) == ""
    assert takes(schema, '{"p599": 1}')


@pytest.mark.parametrize("depth", [60, 200, 400])
def test_a_schema_may_be_nested_as_deeply_as_a_request(depth: int) -> None:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}

    assert takes(properties(a=schema, b={"type": "integer"}), '{"a": [[]]}')
    assert bool(reason(properties(a=schema, b={"type": "integer"}))) == (depth > 60)


@pytest.mark.parametrize(
    ("parameters", "closed"),
    [
        ({"properties": {"a": {}}}, True),
        ({"properties": {}}, True),
        ({}, False),
        ({"type": "object"}, False),
        ({"properties": {}, "additionalProperties": {"type": "string"}}, False),
        ({"properties": {}, "anyOf": [{"required": ["b"], "properties": {"b": {}}}]}, False),
    ],
)
def test_arguments_have_no_names_that_a_tool_does_not_list(parameters: dict[str, Any], closed: bool) -> None:
    schema = arguments_schema(parameters)

    assert schema["type"] == "object"
    assert (schema.get("additionalProperties") is False) == closed


# Any mixture of keywords, of values that they take and of values that they do not.
NAMES = st.sampled_from(["a", "b", "$ref", "type"])
NONSENSE = st.sampled_from([None, True, 3, -1, "text", "(", [], {}, [1], {"a": 1}, 1e300, "#/$defs/a", ["a"]])
KEYWORDS = st.sampled_from(
    [
        *("type", "properties", "required", "additionalProperties", "items", "prefixItems", "anyOf", "oneOf", "allOf"),
        *("not", "if", "then", "else", "enum", "const", "pattern", "format", "minLength", "maxLength", "minimum"),
        *("maximum", "multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "$ref"),
        *("patternProperties", "propertyNames", "$defs", "definitions", "$schema", "$id", "$anchor", "dependencies"),
    ]
)
TYPES = st.sampled_from([{"type": name} for name in ("string", "integer", "object", "array", "null")])


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    of_several = st.lists(inner, max_size=2)
    of_names = st.dictionaries(NAMES, inner, max_size=2)
    sound = st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", "string", ["string", "null"]]),
            "properties": of_names,
            "required": st.lists(NAMES, max_size=2),
            "additionalProperties": inner,
            "patternProperties": of_names,
            "items": inner,
            "prefixItems": of_several,
            "anyOf": of_several,
            "oneOf": of_several,
            "allOf": of_several,
            "not": inner,
            "$defs": of_names,
            "$ref": st.sampled_from(["#/$defs/a", "#/properties/a", "#", "gone"]),
            "pattern": st.sampled_from(["^a+$", "^(?=a)"]),
            "minProperties": st.integers(0, 3),
            "uniqueItems": st.booleans(),
        },
    )
    return st.builds(lambda good, bad: good | bad, sound, st.dictionaries(KEYWORDS, NONSENSE, max_size=2))


@settings(deadline=None, max_examples=150)
@given(
    st.recursive(TYPES | NONSENSE, schemas, max_leaves=6).filter(lambda schema: isinstance(schema, dict)), st.integers()
)
@example(properties(a=LOOKAHEAD), 0)
@example({"$ref": "#"}, 0)
def test_whatever_the_schema_calls_are_well_formed(schema: dict[str, Any], seed: int) -> None:
    tool_set = offered(schema)
    grammar = answer_grammar(tool_set)
    assert grammar is not None

    text, cut = write(LLMatcher(BYTES, grammar.definition, log_level=0), "", random.Random(seed), longest=300)

    parts = HermesParser(tool_set).push(text)
    calls = [part for part in parts if isinstance(part, CallEnded)]
    assert cut or len(calls) == 1
    for call in calls:
        assert isinstance(json.loads(call.body), dict)


PRODUCT = {"allOf": [{"type": "integer", "multipleOf": factor} for factor in (3, 5, 7, 11, 13, 17, 19, 23)]}


@pytest.mark.parametrize(
    "endless",
    [PRODUCT, {"multipleOf": 99_998_300}, {"allOf": [{"pattern": f"a{number}.*b"} for number in range(39)]}],
    ids=["product", "multiple", "patterns"],
)
def test_what_takes_too_long_is_given_up_and_nothing_beside_it(endless: dict[str, Any]) -> None:
    schema = properties(a=endless, b={"type": "integer"})

    said = reason(schema)
    assert said.startswith("#/properties/a/")
    assert takes(schema, '{"b": 1}')
    assert not takes(schema, '{"b": "x"}')
    assert not takes(schema, '{"d": 1}')


def test_tools_beside_one_that_takes_too_long_are_kept_to() -> None:
    def tool(name: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {"type": "function", "name": name, "parameters": schema}

    slow, good = tool("slow", properties(slow=PRODUCT)), tool("good", properties(good={"type": "integer"}))
    tool_set = make_tool_set(read_tools([slow, good]), "required")

    assert [remark["tool"] for remark in check_answer(tool_set)] == ["slow"]
    grammar = answer_grammar(tool_set)
    assert accepts(grammar, function_call("good", '{"good": 1}'))
    assert not accepts(grammar, function_call("good", '{"good": "x"}'))
    assert accepts(grammar, function_call("slow", '{"slow": 0}'))


def test_a_strict_schema_that_takes_too_long_is_refused_and_known_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    tool_set = offered(properties(strictly=PRODUCT), strict=True)
    with pytest.raises(InvalidGrammarError, match=r"tool `it` cannot be offered.*takes too much to compile"):
        check_answer(tool_set)

    monkeypatch.delattr(tool_schema, "schema_support")

    with pytest.raises(InvalidGrammarError, match="takes too much to compile"):
        check_answer(tool_set)


def test_what_is_put_together_is_followed_as_a_whole() -> None:
    schema = {"type": "object", "properties": {"a": {"allOf": [{"allOf": [{"$ref": "#"}]}, {"oneOf": [{}, {}]}]}}}

    found = closest_text_schema(schema, strict=False)

    check_grammar(Grammar("json_schema", json.dumps(found.schema), lenient=found.lenient))
    assert found.loosened

"""What a schema says nothing by never counts against it, and objects take no properties that nobody named."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llguidance import LLMatcher

from codex_windows_ai.api.openai.tools import read_tools
from codex_windows_ai.chat.grammar import closest_json_grammar
from codex_windows_ai.chat.schema import closest_schema
from codex_windows_ai.chat.schema_form import close, simplify
from codex_windows_ai.engine.sampling.grammar import start_matcher
from codex_windows_ai.errors import InvalidGrammarError
from codex_windows_ai.protocol.grammar import Grammar
from tests.chat.test_calls_properties import BYTES, write

Schema = dict[str, Any]


def obj(*required: str, **properties: Any) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def ref(name: str, **others: Any) -> Schema:
    return {"$ref": f"#/$defs/{name}", **others}


STRING: Schema = {"type": "string"}
A, B = obj("a", a=STRING), obj(b=STRING)
CAT = obj("kind", kind={"const": "cat"}, lives=STRING)
DOG = obj("kind", kind={"const": "dog"}, bones=STRING)


def is_closed(schema: Schema) -> bool:
    return schema.get("additionalProperties") is False


def closed(schema: Schema) -> Schema:
    copy = deepcopy(schema)
    close(copy)
    return copy


@pytest.mark.parametrize(
    "schema",
    [
        obj(x=A),
        obj(x={"type": "array", "items": A}),
        obj(x={"type": "array", "prefixItems": [A], "items": False}),
        obj(x={"type": "object", "additionalProperties": A}),
        obj(x={"type": "object", "patternProperties": {"^x": A}}),
        obj(x={"anyOf": [A, {"type": "null"}], "description": "one or none"}),
        obj(x={"allOf": [A], "description": "as pydantic 1 writes it"}),
        obj(x={"oneOf": [CAT, DOG], "discriminator": {"propertyName": "kind"}}),
        obj(x=ref("a", description="it")) | {"$defs": {"a": A}},
        obj(x={"$ref": "#/definitions/a"}) | {"definitions": {"a": A}},
        obj(x={"oneOf": [ref("cat"), ref("dog")]}) | {"$defs": {"cat": CAT, "dog": DOG}},
    ],
)
def test_an_object_anywhere_takes_only_what_it_names(schema: Schema) -> None:
    written = json.dumps(closed(schema))

    assert written.count('"additionalProperties": false') == written.count('"properties": {')


@pytest.mark.parametrize(
    "schema",
    [
        obj(x={"allOf": [A, B]}),
        obj(x={"anyOf": [A, B], "required": ["b"]}),
        obj(x={"anyOf": [A, B], **B}),
        obj(x={"oneOf": [A, B]}),
        obj(x={"oneOf": [obj(kind={"const": 1}), obj(kind={"const": 1.0})]}),
        obj(x={"not": A}),
        obj(x={"if": A, "then": B, "else": B}),
        obj(x={"contains": A, "type": "array"}),
        obj(x=ref("a", properties={"b": STRING})) | {"$defs": {"a": A}},
        obj(x={"allOf": [ref("a"), B]}) | {"$defs": {"a": A}},
        obj(x={"allOf": [ref("b"), B]}) | {"$defs": {"a": A, "b": ref("a")}},
        obj(x={"oneOf": [ref("a"), ref("b")]}) | {"$defs": {"a": A, "b": B}},
        obj(x={"allOf": [obj(y=A), obj(y=B)]}),
        obj(x={**obj(y=A), "anyOf": [obj(y=B)]}),
        obj(x={**A, "additionalProperties": True}),
        obj(x={**A, "additionalProperties": STRING}),
        obj(x={"type": "object", "properties": {"a": STRING}, "required": ["unnamed"]}),
        obj(x={"type": "object", "properties": {"a": STRING}, "minProperties": 2}),
        {"properties": {"properties": {"type": "string"}}, "default": A, "examples": [A], "enum": [A], "const": A},
    ],
)
def test_where_schemas_meet_they_stay_as_they_are(schema: Schema) -> None:
    inner = closed(schema)
    inner.pop("additionalProperties", None)

    assert inner == schema


def test_a_tree_takes_no_properties_at_any_depth() -> None:
    node = {
        "type": "object",
        "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": ref("Node")}},
        "required": ["v"],
    }
    tool = function(obj("node", node=ref("Node")) | {"$defs": {"Node": node}})

    assert takes(tool, '{"node": {"v": 1, "kids": [{"v": 2, "kids": []}]}}')
    assert not takes(tool, '{"node": {"v": 1, "kids": [{"v": 2, "children": []}]}}')
    assert not takes(tool, '{"node": {"v": 1, "children": []}}')


KEYS = st.sampled_from(["a", "b", "kind"])
OF_ONE_VALUE: list[Schema] = [STRING, {"type": "integer"}, {"const": "x"}, {"const": 1}, {"enum": ["x", "y"]}, {}]
LEAVES = st.sampled_from(OF_ONE_VALUE)


BESIDE: list[Schema] = [{}, {"description": "x"}, {"properties": {"b": STRING}}]
EXTRA: list[Schema] = [{}, {}, {}, {"additionalProperties": True}, {"additionalProperties": STRING}]


def _objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Schema]:
    def make(properties: Schema, required: set[str], extra: Schema) -> Schema:
        return obj(*sorted(required), **properties) | extra

    return st.builds(
        make,
        st.dictionaries(KEYS, values, min_size=1, max_size=3),
        st.sets(KEYS, max_size=2),
        st.sampled_from(EXTRA),
    )


def _composed(keyword: str, parts: list[Schema], beside: Schema) -> Schema:
    return {keyword: parts, **beside}


def _array(items: Any) -> Schema:
    return {"type": "array", "items": items, "maxItems": 2}


SCHEMAS = _objects(
    st.recursive(
        LEAVES | st.sampled_from(["one", "two"]).map(ref),
        lambda inner: (
            _objects(inner)
            | inner.map(_array)
            | st.builds(
                _composed,
                st.sampled_from(["anyOf", "oneOf", "allOf"]),
                st.lists(_objects(inner), min_size=1, max_size=2),
                st.sampled_from(BESIDE),
            )
        ),
        max_leaves=6,
    )
)


@given(SCHEMAS, st.fixed_dictionaries({"one": _objects(LEAVES), "two": _objects(LEAVES)}), st.integers(0, 2**32))
def test_what_is_not_loosened_matches_the_tools_own_schema(schema: Schema, definitions: Schema, seed: int) -> None:
    own = {**schema, "$defs": definitions}
    found = closest_schema(function(own))
    if found.loosened:
        return

    written, cut = write(matcher(found.schema, lenient=found.lenient), "", random.Random(seed), 300)
    if not cut:
        jsonschema.validate(json.loads(written), own)


def _named(schema: Schema) -> str:
    return "+".join(sorted(schema))


NOTHING_SAID: list[Schema] = [
    {"uniqueItems": False, "type": "array"},
    {"minItems": 0, "additionalItems": True, "unevaluatedItems": True, "type": "array"},
    {"contains": STRING, "minContains": 0, "type": "array"},
    {"minContains": 1, "type": "array"},
    *({"format": name, "type": "string"} for name in ("password", "binary", "byte", "int64", "color", "markdown")),
    *({"format": name, "type": "integer"} for name in ("int32", "int64", "uint8")),
    *({"format": name, "type": "number"} for name in ("float", "double", "decimal")),
    {"minLength": 0, "contentMediaType": "text/html", "contentEncoding": "base64", "type": "string"},
    {"title": "T", "$comment": "c", "examples": ["x"], "example": "x", "default": "x", "deprecated": True, **STRING},
    {"readOnly": True, "writeOnly": False, "nullable": False, "x-order": 1, "x-enum-varnames": ["A"], **STRING},
    {"xml": {"name": "x"}, "externalDocs": {"url": "https://example.org"}, **A},
    {"discriminator": {"propertyName": "a"}, "minProperties": 0, "unevaluatedProperties": True, **A},
    {"propertyNames": {"type": "string"}, "type": "object", "additionalProperties": STRING},
    {"dependentRequired": {}, "dependentSchemas": {}, "dependencies": {}, **A},
    {"not": False, "then": True, "$dynamicAnchor": "a", "$recursiveAnchor": False, **A},
    {"if": A, **A},
    {"exclusiveMinimum": False, "exclusiveMaximum": False, "type": "integer"},
]


@pytest.mark.parametrize("schema", NOTHING_SAID, ids=_named)
@pytest.mark.parametrize("strict", [False, True])
def test_a_keyword_that_says_nothing_neither_refuses_nor_loosens(schema: Schema, strict: bool) -> None:
    for place in (obj(x=schema), obj(x={"type": "array", "items": schema}), obj(x={"anyOf": [schema]})):
        assert closest_schema(function(place, strict=strict)).loosened == ""
        assert closest_json_grammar(place, strict=strict)[1] == ""


@pytest.mark.parametrize(
    "schema",
    [
        {"uniqueItems": True, "type": "array"},
        {"contains": STRING, "type": "array"},
        {"not": True},
        {"propertyNames": {"maxLength": 3}, "type": "object"},
        {"format": "idn-email", "type": "string"},
        {"if": A, "then": B},
    ],
    ids=_named,
)
def test_one_that_says_something_is_not_passed_over(schema: Schema) -> None:
    keyword = next(iter(schema))
    name = "idn-email" if keyword == "format" else keyword

    assert name in closest_schema(function(obj(x=schema))).loosened
    with pytest.raises(InvalidGrammarError, match=name):
        closest_schema(function(obj(x=schema), strict=True))


def test_names_of_properties_are_no_keywords() -> None:
    schema = obj(format={"const": "password"}, uniqueItems={"const": False})
    kept = deepcopy(schema)

    simplify(schema)

    assert schema == kept


def function(schema: Schema, *, strict: bool = False) -> Any:
    return read_tools([{"type": "function", "name": "it", "parameters": schema, "strict": strict}])[0]


def matcher(schema: Schema, *, lenient: bool = False) -> LLMatcher:
    return start_matcher(BYTES, Grammar("json_schema", json.dumps(schema), lenient=lenient))


def takes(tool: Any, arguments: str) -> bool:
    found = closest_schema(tool)
    of_schema, tokens = matcher(found.schema, lenient=found.lenient), list(arguments.encode())
    return of_schema.validate_tokens(tokens) == len(tokens)


def test_tens_of_thousands_of_alternatives_and_names_are_looked_at_once() -> None:
    names = [f"p{number}" for number in range(15_000)]
    alternatives: list[Any] = [{"required": names, "properties": {name: {} for name in names}}, {"required": names}]
    wide = {"anyOf": [{"oneOf": alternatives}, {"oneOf": [{"title": str(number)} for number in range(15_000)]}]}

    close(wide)

    assert "additionalProperties" not in json.dumps(wide)

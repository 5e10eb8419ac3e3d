"""A tool's schema in the form in which it is followed: nothing that says nothing, no properties that it does not name.

Both leave less to be written, never more: what matches the new schema matches the old one.
"""

from __future__ import annotations

import json
from typing import Any, cast

from codex_windows_ai.engine.sampling.schemas import Schema, all_schemas, schemas_in

COMPOSITIONS = frozenset(
    {
        "allOf", "anyOf", "oneOf", "$ref", "$dynamicRef", "$recursiveRef", "if", "then", "else", "patternProperties",
        "unevaluatedProperties", "dependentSchemas", "dependencies",
    }
)  # fmt: skip
"""Keywords beside which `properties` are not all that there may be."""

# What changes nothing of what a schema allows, beside a keyword that does.
_REMARKS = frozenset(
    {
        "type", "title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly",
        "nullable", "discriminator", "xml", "externalDocs", "$comment", "$schema", "$id", "id", "$anchor", "$defs",
        "definitions",
    }
)  # fmt: skip

# Parts of a schema that are refused where what they say of a value is not so, or that apply beside other parts.
_BESIDE_OTHERS = frozenset({"not", "if", "then", "else", "contains", "dependentSchemas", "dependencies"})

_MOST_REFERENCES = 4
"""One to another, as people write them; those that lead in a circle have no end."""

_ANYTHING: tuple[Any, ...] = (True, {})
_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "uniqueItems": (False,),
    "unevaluatedItems": _ANYTHING,
    "unevaluatedProperties": _ANYTHING,
    "additionalItems": _ANYTHING,
    "propertyNames": (*_ANYTHING, {"type": "string"}),
    "dependentRequired": ({},),
    "dependentSchemas": ({},),
    "dependencies": ({},),
    "not": (False,),
    "then": _ANYTHING,
    "else": _ANYTHING,
    "exclusiveMinimum": (False,),
    "exclusiveMaximum": (False,),
    "$recursiveAnchor": (False, True),
}
"""Values with which a keyword says nothing."""

_ANNOTATING_FORMATS = frozenset(
    {
        "password", "binary", "byte", "base64", "base64url", "char", "text", "textarea", "multiline", "color",
        "commonmark", "markdown", "html", "media-range", "phone", "tel",
        "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "integer", "long", "double-int",
        "single", "half", "float", "float32", "float64", "double", "decimal", "decimal128", "number", "currency",
        "sf-binary", "sf-boolean", "sf-decimal", "sf-integer", "sf-string", "sf-token",
    }
)  # fmt: skip
"""Formats that say how a value is shown or stored, and test nothing: https://spec.openapis.org/registry/format/."""


def simplify(schema: Schema) -> None:
    """Takes out, in place, the keywords whose value says nothing."""
    for node in all_schemas(schema):
        for keyword in [keyword for keyword, value in node.items() if _says_nothing(keyword, value)]:
            del node[keyword]
        if str(node.get("format")) in _ANNOTATING_FORMATS:
            del node["format"]
        if (node.get("minContains") == 0 and "maxContains" not in node) or "contains" not in node:
            node.pop("minContains", None)
            node.pop("contains", None)
        if "if" not in node or not {"then", "else"} & node.keys():
            for keyword in ("if", "then", "else"):
                node.pop(keyword, None)
        node.pop("$dynamicAnchor", None)  # means something only to a `$dynamicRef`, which is refused itself


def _says_nothing(keyword: str, value: Any) -> bool:
    # In JSON, 0 is not false and 1 is not true.
    return any(value == default and type(value) is type(default) for default in _DEFAULTS.get(keyword, ()))


def close(schema: Schema) -> None:
    """Has each object, in place, take only the properties that it names, where its schema says nothing of others.

    A schema that is applied to a value beside others, or to find out whether it does not match, stays as it is: there
    the properties of one are not all, and what one refuses another would take.
    """
    composed = _Composed(schema)
    for node in all_schemas(schema):
        if id(node) not in composed and names_all(node):
            node["additionalProperties"] = False


def names_all(node: Schema) -> bool:
    """Whether the properties of an object's schema are all that it can be meant to have."""
    named = node.get("properties")
    if not isinstance(named, dict) or "additionalProperties" in node or COMPOSITIONS & node.keys():
        return False
    required: Any = node.get("required") or []
    least: Any = node.get("minProperties") or 0
    return (
        isinstance(required, list)
        and all(name in named for name in cast("list[Any]", required) if isinstance(name, str))
        and not (isinstance(least, int | float) and least > len(cast("Schema", named)))
    )


class _Composed:
    """Which schemas inside one are applied beside others, directly or through a reference."""

    def __init__(self, schema: Schema) -> None:
        self._root = schema
        self._found: set[int] = set()
        self._alone: set[int] = set()
        self._waiting: list[tuple[Any, bool]] = [(schema, False)]
        while self._waiting:
            node, composed = self._waiting.pop()
            if isinstance(node, dict):
                self._visit(cast("Schema", node), composed=composed)

    def __contains__(self, node: int) -> bool:
        return node in self._found

    def _visit(self, node: Schema, *, composed: bool) -> None:
        known = self._found if composed else self._alone
        if id(node) in known or id(node) in self._found:
            return
        known.add(id(node))
        significant = {keyword for keyword in node if keyword not in _REMARKS and not keyword.startswith("x-")}
        mixed = bool(COMPOSITIONS & significant) and len(significant) > 1
        alternatives = node.get("oneOf")
        mixed_up = isinstance(alternatives, list) and not self._told_apart(cast("list[Any]", alternatives))
        for keyword, inner in schemas_in(node):
            if keyword in ("$defs", "definitions"):  # judged by who refers to it
                self._waiting.append((inner, False))
                continue
            beside = keyword in _BESIDE_OTHERS or (keyword == "allOf" and len(node["allOf"]) > 1)
            beside = beside or (keyword == "oneOf" and mixed_up)
            self._waiting.append((inner, composed or mixed or beside))
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(reference := node.get(keyword), str):
                self._waiting.append((self._target(reference), composed or significant != {"$ref"}))

    def _told_apart(self, members: list[Any]) -> bool:
        """Whether no value can match two of them, because each requires another value of one property."""
        schemas = [self._resolved(member) for member in members]
        first = cast("Any", schemas[0].get("required")) if schemas else None
        if not isinstance(first, list):
            return False
        required = [_required(schema) for schema in schemas]
        names = dict.fromkeys(name for name in cast("list[Any]", first) if isinstance(name, str))
        return any(all(name in one for one in required) and _values_differ(schemas, name) for name in names)

    def _resolved(self, member: Any) -> Schema:
        for _ in range(_MOST_REFERENCES):
            reference = cast("Schema", member).get("$ref") if isinstance(member, dict) else None
            if not isinstance(reference, str):
                break
            member = self._target(reference)
        return cast("Schema", member) if isinstance(member, dict) else {}

    def _target(self, reference: str) -> Any:
        """The schema that a reference within this one points at; None where that is no plain pointer."""
        if not reference.startswith("#"):
            return None
        node: Any = self._root
        for part in reference.removeprefix("#").split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict):
                node = cast("Schema", node).get(name)
            elif isinstance(node, list) and name.isdecimal() and int(name) < len(cast("list[Any]", node)):
                node = cast("list[Any]", node)[int(name)]
            else:
                return None
        return node


def _values_differ(schemas: list[Schema], name: str) -> bool:
    """Whether each schema names a property so, with values that no other one takes."""
    seen: set[str] = set()
    for schema in schemas:
        named = schema.get("properties")
        rule = cast("Schema", named).get(name) if isinstance(named, dict) else None
        if not isinstance(rule, dict):
            return False
        one = cast("Schema", rule)
        values: Any = [one["const"]] if "const" in one else one.get("enum")
        if not isinstance(values, list):
            return False
        written = {_canonical(value) for value in cast("list[Any]", values)}
        if written & seen:
            return False
        seen |= written
    return True


def _required(schema: Schema) -> frozenset[str]:
    names = schema.get("required")
    listed = cast("list[Any]", names) if isinstance(names, list) else []
    return frozenset(name for name in listed if isinstance(name, str))


def _canonical(value: Any) -> str:
    """Two that JSON Schema takes for equal have the same text."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return repr(float(value)) if number else json.dumps(value, sort_keys=True)

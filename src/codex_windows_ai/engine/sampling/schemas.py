"""A JSON schema and the schemas in it, whatever the depth, and how much of it there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

Schema = dict[str, Any]

_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_SINGLE = (
    "items", "additionalItems", "unevaluatedItems", "contains", "additionalProperties", "unevaluatedProperties",
    "propertyNames", "not", "if", "then", "else", "contentSchema",
)  # fmt: skip

MOST_CHARACTERS = 256 * 1024
"""Of a schema as JSON text, and of any other grammar: a library that began to compile one cannot be interrupted."""

MOST_OPTIONAL = 2_000
"""Optional properties in one schema: the time to compile it, and to go on by a token, grows with their square."""


def schemas_in(schema: Schema) -> Iterator[tuple[str, Any]]:
    """The schemas directly in one, each with its keyword."""
    for keyword in _MAPS:
        if isinstance(value := schema.get(keyword), dict):
            yield from ((keyword, inner) for inner in cast("Schema", value).values())
    for keyword in _LISTS:
        if isinstance(value := schema.get(keyword), list):
            yield from ((keyword, inner) for inner in cast("list[Any]", value))
    for keyword in _SINGLE:
        if isinstance(value := schema.get(keyword), dict):
            yield keyword, value


def all_schemas(schema: Any) -> Iterator[Schema]:
    """The schema and all that are in it."""
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield cast("Schema", node)
            waiting += [inner for _, inner in schemas_in(cast("Schema", node))]


def size_fault(schema: Any, definition: str) -> str:
    """Why a schema with this text is too large to be followed; nothing where it is not."""
    if len(definition) > MOST_CHARACTERS:
        return f"it has {len(definition):,} characters, up to {MOST_CHARACTERS:,} can be followed"
    optional = sum(_optional(node) for node in all_schemas(schema))
    if optional > MOST_OPTIONAL:
        return f"it has {optional:,} optional properties, up to {MOST_OPTIONAL:,} can be followed"
    return ""


def _optional(schema: Schema) -> int:
    named, required = schema.get("properties"), schema.get("required")
    if not isinstance(named, dict):
        return 0
    return len(cast("Schema", named)) - (len(cast("list[Any]", required)) if isinstance(required, list) else 0)

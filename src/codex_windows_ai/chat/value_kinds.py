"""What kinds of JSON a schema allows, for forms in which a value does not say itself which kind it is."""

from __future__ import annotations

import json
from typing import Any, cast

from codex_windows_ai.protocol.json_values import as_object

Schema = dict[str, Any]
TEXT_ALONE = frozenset({"string"})
KINDS = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
_WORDS = {"True": True, "False": False, "None": None}
_MOST_REFERENCES = 8


def resolved(schema: Any, root: Schema) -> Schema:
    """The schema behind plain references within `root`; an empty one where there is none."""
    for _ in range(_MOST_REFERENCES):
        found = as_object(schema)
        reference = found.get("$ref")
        if not isinstance(reference, str):
            return found
        schema = _target(reference, root)
    return {}


def _target(reference: str, root: Schema) -> Any:
    node: Any = root
    if not reference.startswith("#"):
        return None
    for name in reference.removeprefix("#").split("/")[1:]:
        name = name.replace("~1", "/").replace("~0", "~")
        node = as_object(node).get(name)
    return node


def kinds_of(schema: Any, root: Schema, depth: int = 0) -> frozenset[str]:
    """The kinds that a value of this schema may have; all where it does not say."""
    one = resolved(schema, root)
    if depth > _MOST_REFERENCES:
        return KINDS
    if "const" in one:
        return frozenset({kind_of(one["const"])})
    if isinstance(values := one.get("enum"), list):
        return frozenset(kind_of(value) for value in cast("list[Any]", values))
    named = one.get("type")
    listed: list[Any] = cast("list[Any]", named) if isinstance(named, list) else [named] if named else []
    kinds = frozenset(kind for kind in listed if kind in KINDS) or KINDS
    for keyword in ("anyOf", "oneOf"):
        if isinstance(members := one.get(keyword), list) and members:
            several = (kinds_of(member, root, depth + 1) for member in cast("list[Any]", members))
            kinds &= frozenset[str]().union(*several)
    for member in cast("list[Any]", one.get("allOf") or []):
        kinds &= kinds_of(member, root, depth + 1)
    return kinds or KINDS


def kind_of(value: Any) -> str:
    """The kind of a JSON value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def allows(kinds: frozenset[str], value: Any) -> bool:
    """Whether a value has one of these kinds."""
    kind = kind_of(value)
    return kind in kinds or (kind == "integer" and "number" in kinds)


def as_json(text: str, kinds: frozenset[str]) -> str:
    """What was written as it is, as JSON of one of these kinds: a string, unless it is another that is allowed."""
    word = text.strip()
    if kinds != TEXT_ALONE:
        try:
            value: Any = _WORDS[word] if word in _WORDS else json.loads(word)
        except (ValueError, RecursionError):
            value = text
        if not isinstance(value, str) and allows(kinds, value):
            return json.dumps(value, ensure_ascii=False) if word in _WORDS else word
    return json.dumps(text, ensure_ascii=False)

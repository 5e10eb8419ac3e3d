"""The schema that a function's arguments are made by: its own, or the closest one that can be followed.

Tools of foreign MCP servers use every keyword there is. One that cannot be followed would stop every
turn that offers it, so it is left out, and the answer says so. Every step only widens what a schema
allows (but that it stays an object), so whatever the tool takes can still be written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from codex_windows_ai.engine.sampling.grammar import JSON_STYLE, schema_support
from codex_windows_ai.errors import InvalidGrammarError
from codex_windows_ai.protocol.tools import Tool

MOST_TRIES = 200
"""Schemas compiled in search of the closest one, 1 to 10 ms each; what was not tried by then is left out."""

_MOST_REASONS = 5
_LONGEST_REASON = 200

_COMPOSITIONS = frozenset({"allOf", "anyOf", "oneOf", "$ref", "if", "patternProperties", "unevaluatedProperties"})
_DEFINITIONS = ("$defs", "definitions")
_SCHEMA_MAPS = frozenset({"properties", "patternProperties", *_DEFINITIONS})
_SCHEMA_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})
_SCHEMAS = frozenset({"items", "additionalProperties"})

# Limits on a count are worth less than the properties that stand in their way.
_LAST = frozenset({"minProperties", "maxProperties"})

# What the second says of "all others" would be wrong without the first.
_RESTS = {
    "properties": "additionalProperties",
    "patternProperties": "additionalProperties",
    "prefixItems": "items",
    "items": "additionalItems",
}


@dataclass(frozen=True, slots=True)
class ArgumentsSchema:
    """A schema that can be followed, and why it is not the tool's own; `loosened` is empty where it is.

    `part` is that schema as a part of a composed grammar, in llguidance's JSON form. It is shared.
    """

    part: dict[str, Any]
    loosened: str = ""


def closest_schema(tool: Tool) -> ArgumentsSchema:
    """What a function's arguments are made by; found once for each schema, as agents offer the same tools again.

    Raises InvalidGrammarError: the tool is strict, and its schema cannot be followed as it is.
    """
    return _closest(json.dumps(arguments_schema(tool.parameters), ensure_ascii=False), strict=tool.strict)


def arguments_schema(parameters: dict[str, Any]) -> dict[str, Any]:
    """The schema of the arguments as it should be: an object, and nothing that the tool does not name.

    A schema without `additionalProperties` would let a small model invent parameters; leaving them
    out still matches it. One made of parts (`allOf`, `$ref`, …) is taken as it is. How JSON is
    written (`x-guidance`) is not the tool's to say.
    """
    schema = {**parameters, "type": "object"}
    schema.pop("x-guidance", None)
    if "properties" in schema and not _COMPOSITIONS & schema.keys():
        schema.setdefault("additionalProperties", False)
    return schema


@lru_cache(maxsize=256)
def _closest(definition: str, *, strict: bool) -> ArgumentsSchema:
    schema: dict[str, Any] = json.loads(definition)
    fault = schema_support(schema, lenient=False).fault
    if not fault:
        return ArgumentsSchema(_part(schema, lenient=False))
    if strict:
        raise InvalidGrammarError(f"The JSON schema is not valid: {fault}")
    support = schema_support(schema, lenient=True)
    if not support.fault:
        # What is ignored without a warning was the fault itself.
        return ArgumentsSchema(_part(schema, lenient=True), _listed(list(support.ignored) or [fault]))
    rebuilt = _Rebuilt(schema)
    return ArgumentsSchema(_part(rebuilt.schema, lenient=True), _listed([*rebuilt.left_out, *rebuilt.ignored]))


def _part(schema: dict[str, Any], *, lenient: bool) -> dict[str, Any]:
    return {"json_schema": {**schema, "x-guidance": {**JSON_STYLE, "lenient": lenient}}}


def _listed(reasons: list[str]) -> str:
    """One line, whatever the library's messages look like."""
    lines = [" ".join(reason.split()) for reason in dict.fromkeys(reasons)]
    lines = [line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…" for line in lines]
    more = len(lines) - _MOST_REASONS
    return "; ".join([*lines[:_MOST_REASONS], *([f"and {more} more"] if more > 0 else [])])


class _Rebuilt:
    """A schema put together again from any object, keyword by keyword, without those that cannot be followed.

    What fits is put in whole, so that only the way to what does not is walked. A keyword that holds
    schemas first gets empty ones, which allow anything; a list gets its members one after the other, as
    an empty alternative would hide what is wrong with the others. Definitions are filled last: only
    what refers to them shows whether they can be followed.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema: dict[str, Any] = {"type": "object"}
        self.left_out: list[str] = []
        self.ignored: tuple[str, ...] = ()
        self._tries = MOST_TRIES
        maps = {name: schema[name] for name in _DEFINITIONS if isinstance(schema.get(name), dict)}
        self.schema |= {name: _emptied(name, definitions) for name, definitions in maps.items()}
        try:
            others = {name: value for name, value in schema.items() if name != "type" and name not in maps}
            self._grow(self.schema, others, "#")
            for name, definitions in maps.items():
                self._put_schemas(self.schema[name], definitions, f"#/{name}")
        except RecursionError:
            self.schema, self.ignored = {"type": "object"}, ()
            self.left_out = ["it is nested too deeply, any object is taken"]

    def _grow(self, node: dict[str, Any], source: dict[str, Any], place: str) -> None:
        """Adds to a schema what can be followed of the one that it stands for."""
        for keyword, value in sorted(source.items(), key=lambda item: item[0] in _LAST):
            self._put_keyword(node, keyword, value, f"{place}/{keyword}")
        for keyword, rest in _RESTS.items():
            if keyword in source and keyword not in node:
                node.pop(rest, None)

    def _put_keyword(self, node: dict[str, Any], keyword: str, value: Any, place: str) -> None:
        node[keyword] = value
        fault = self._fault()
        if not fault:
            return
        emptied = _emptied(keyword, value)
        if emptied is not None:
            node[keyword] = emptied
            if not self._fault():
                if isinstance(value, dict) and keyword not in _SCHEMA_MAPS:
                    self._put_schema(node, keyword, cast("dict[str, Any]", value), place)
                else:
                    self._put_schemas(emptied, value, place)
                return
        del node[keyword]
        self.left_out.append(f"{place}: {fault}")

    def _put_schemas(self, holder: Any, schemas: Any, place: str) -> None:
        """Puts several in place of the empty ones of `_emptied`."""
        if isinstance(schemas, dict):
            for name, schema in cast("dict[str, Any]", schemas).items():
                self._put_schema(holder, name, schema, f"{place}/{name}")
            return
        for index, schema in enumerate(cast("list[Any]", schemas)):
            if index:
                holder.append({})
            self._put_schema(holder, index, schema, f"{place}/{index}")

    def _put_schema(self, holder: Any, key: str | int, schema: Any, place: str) -> None:
        holder[key] = schema
        fault = self._fault()
        if not fault:
            return
        holder[key] = node = dict[str, Any]()
        if isinstance(schema, dict):
            self._grow(node, cast("dict[str, Any]", schema), place)
        else:
            self.left_out.append(f"{place}: {fault}")

    def _fault(self) -> str:
        """Why the whole cannot be followed as it is now."""
        if not self._tries:
            return f"not tried, {MOST_TRIES} others were"
        self._tries -= 1
        support = schema_support(self.schema, lenient=True)
        if not support.fault:
            self.ignored = support.ignored
        return support.fault


def _emptied(keyword: str, value: Any) -> Any:
    """The value with an empty schema for each that it holds, in a list for the first; None where it holds none."""
    if keyword in _SCHEMA_MAPS and isinstance(value, dict):
        return {name: dict[str, Any]() for name in cast("dict[str, Any]", value)}
    if keyword in _SCHEMA_LISTS and isinstance(value, list):
        return [dict[str, Any]()] if value else []
    return dict[str, Any]() if keyword in _SCHEMAS and isinstance(value, dict) else None

"""The schema that JSON is made by: a function's own or an answer's, or the closest one that can be followed.

Tools of foreign MCP servers use every keyword there is. One that cannot be followed would stop every
turn that offers it, so it is left out, and the answer says so. Every step only widens what a schema
allows (but that it stays an object), so whatever the tool takes can still be written.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, cast

from codex_windows_ai.chat.schema_form import close, names_all, simplify
from codex_windows_ai.engine.sampling.grammar import JSON_STYLE, schema_support
from codex_windows_ai.engine.sampling.remembered import Remembered
from codex_windows_ai.engine.sampling.schemas import size_fault
from codex_windows_ai.errors import InvalidGrammarError
from codex_windows_ai.protocol.tools import Tool

MOST_TRIES = 200
"""Schemas compiled in search of the closest one, 1 to 10 ms each; what was not tried by then is left out."""

SCHEMA_SECONDS, REQUEST_SECONDS = 1.0, 3.0
"""Processor time for one schema, and for all that one request brings and that are not known from earlier ones."""

_MOST_REASONS = 5
_LONGEST_REASON = 200

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
class FollowedSchema:
    """A schema that can be followed, and why it is not the one that was given; `loosened` is empty where it is.

    `part` is that schema as a part of a composed grammar, in llguidance's JSON form. It is shared.
    """

    schema: dict[str, Any]
    lenient: bool = False
    loosened: str = ""

    @property
    def part(self) -> dict[str, Any]:
        """As a part of a composed grammar, in llguidance's JSON form."""
        return {"json_schema": {**self.schema, "x-guidance": {**JSON_STYLE, "lenient": self.lenient}}}


class Search:
    """The time that one request has to find out what can be followed."""

    def __init__(self, seconds: float = REQUEST_SECONDS) -> None:
        self._ends = time.thread_time() + seconds

    @property
    def left(self) -> float:
        """Seconds of this thread's processor time."""
        return self._ends - time.thread_time()


_found = Remembered[FollowedSchema](8 * 1024 * 1024)


def closest_schema(tool: Tool, search: Search | None = None) -> FollowedSchema:
    """What a function's arguments are made by; found once for each schema, as agents offer the same tools again.

    Raises InvalidGrammarError: the tool is strict, and its schema cannot be followed as it is.
    """
    return _remembered(arguments_schema(tool.parameters), "arguments", strict=tool.strict, search=search)


def closest_text_schema(schema: dict[str, Any], *, strict: bool) -> FollowedSchema:
    """What an answer that is JSON is made by.

    Raises InvalidGrammarError: it is strict, and cannot be followed as it is.
    """
    given = {name: value for name, value in schema.items() if name != "x-guidance"}
    return _remembered(given, "text", strict=strict, search=None)


def arguments_schema(parameters: dict[str, Any]) -> dict[str, Any]:
    """The schema of the arguments as it should be: an object, and nothing that the tool does not name.

    A schema without `additionalProperties` would let a small model invent parameters; leaving them
    out still matches it. One made of parts (`allOf`, `$ref`, …) is taken as it is. How JSON is
    written (`x-guidance`) is not the tool's to say.
    """
    schema = {**parameters, "type": "object"}
    schema.pop("x-guidance", None)
    if names_all(schema):
        schema["additionalProperties"] = False
    return schema


def _remembered(schema: dict[str, Any], of: str, *, strict: bool, search: Search | None) -> FollowedSchema:
    definition = json.dumps(schema, ensure_ascii=False)
    key = of, "strict" if strict else "", definition
    if found := _found.find(*key):
        return found
    search = search or Search()
    copy: dict[str, Any] = json.loads(definition)  # changed in place, and the caller's own is not
    fault = size_fault(copy, definition)
    if not fault and search.left <= 0:
        # Not remembered: the next request may have the time.
        fault = f"not tried, those before it took {REQUEST_SECONDS:g} s"
        return _anything(copy, fault, strict=strict)
    simplify(copy)
    return _found.keep(
        _anything(copy, fault, strict=strict) if fault else _closest(copy, strict, search, closed=of == "arguments"),
        *key,
    )


def _anything(schema: dict[str, Any], fault: str, *, strict: bool) -> FollowedSchema:
    """Without a look at the schema. Raises InvalidGrammarError: it must be kept to."""
    if strict:
        raise InvalidGrammarError(f"The JSON schema is too large: {fault}.")
    return FollowedSchema(_whole(schema), lenient=True, loosened=f"{fault}; any {_kind(schema)} is taken")


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """What stays when nothing else can be followed."""
    return {"type": "object"} if schema.get("type") == "object" else {}


def _kind(schema: dict[str, Any]) -> str:
    return "object" if _whole(schema) else "JSON"


def _closest(schema: dict[str, Any], strict: bool, search: Search, *, closed: bool) -> FollowedSchema:
    """As `closest_schema`; `closed` objects take no properties that they do not name, where that can be followed."""
    if closed:
        narrower: dict[str, Any] = json.loads(json.dumps(schema))
        close(narrower)
        if not schema_support(narrower, lenient=False).fault:
            return FollowedSchema(narrower)
    fault = schema_support(schema, lenient=False).fault
    if not fault:
        return FollowedSchema(schema)
    if strict:
        raise InvalidGrammarError(f"The JSON schema is not valid: {fault}")
    if closed:
        close(schema)
    support = schema_support(schema, lenient=True)
    if not support.fault:
        # What is ignored without a warning was the fault itself.
        return FollowedSchema(schema, lenient=True, loosened=_listed(list(support.ignored) or [fault]))
    rebuilt = _Rebuilt(schema, min(SCHEMA_SECONDS, search.left))
    return FollowedSchema(rebuilt.schema, lenient=True, loosened=_listed([*rebuilt.left_out, *rebuilt.ignored]))


def _listed(reasons: list[str]) -> str:
    """One line, whatever the library's messages look like."""
    lines = [" ".join(reason.split()) for reason in dict.fromkeys(reasons)]
    lines = [line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…" for line in lines]
    more = len(lines) - _MOST_REASONS
    return "; ".join([*lines[:_MOST_REASONS], *([f"and {more} more"] if more > 0 else [])])


class _Rebuilt:
    """A schema put together again from any object, keyword by keyword, without those that cannot be followed.

    What fits is put in whole, so that only the way to what does not is walked. A keyword that holds
    schemas first gets empty ones, which allow anything, and then those that fit together, in halves; a list
    gets its members one after the other, as an empty alternative would hide what is wrong with the others.
    Definitions are filled last: only what refers to them shows whether they can be followed. What was not
    tried within `seconds` of processor time, and `MOST_TRIES`, is left out as well.
    """

    def __init__(self, schema: dict[str, Any], seconds: float) -> None:
        self.schema: dict[str, Any] = _whole(schema)
        self._seconds = seconds
        self._ends = time.thread_time() + seconds
        self.left_out: list[str] = []
        self.ignored: tuple[str, ...] = ()
        self._tries = MOST_TRIES
        maps = {name: schema[name] for name in _DEFINITIONS if isinstance(schema.get(name), dict)}
        self.schema |= {name: _emptied(name, definitions) for name, definitions in maps.items()}
        try:
            known = {*self.schema, *maps}
            others = {name: value for name, value in schema.items() if name not in known}
            self._grow(self.schema, others, "#")
            for name, definitions in maps.items():
                self._put_schemas(self.schema[name], definitions, f"#/{name}")
        except RecursionError:
            self.schema, self.ignored = _whole(schema), ()
            self.left_out = [f"it is nested too deeply, any {_kind(schema)} is taken"]

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
            self._put_named(holder, list(cast("dict[str, Any]", schemas).items()), place)
            return
        for index, schema in enumerate(cast("list[Any]", schemas)):
            if index:
                holder.append({})
            self._put_schema(holder, index, schema, f"{place}/{index}")

    def _put_named(self, holder: dict[str, Any], schemas: list[tuple[str, Any]], place: str) -> None:
        """Puts in the halves of several that do not fit all together."""
        if len(schemas) == 1:
            self._put_schema(holder, *schemas[0], f"{place}/{schemas[0][0]}")
            return
        middle = len(schemas) // 2
        for half in (schemas[:middle], schemas[middle:]):
            holder.update(half)
            if half and self._fault():
                holder.update((name, dict[str, Any]()) for name, _ in half)
                self._put_named(holder, half, place)

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
        if time.thread_time() >= self._ends:
            return f"not tried, the others took {self._seconds:.1g} s"
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

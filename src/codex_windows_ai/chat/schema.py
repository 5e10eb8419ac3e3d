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
from codex_windows_ai.engine.sampling.grammar_trial import SchemaSupport, schema_support
from codex_windows_ai.engine.sampling.grammar_worker import JSON_STYLE
from codex_windows_ai.engine.sampling.remembered import Remembered
from codex_windows_ai.engine.sampling.schemas import size_fault
from codex_windows_ai.errors import InvalidGrammarError
from codex_windows_ai.protocol.tools import Tool

MOST_TRIES = 200
"""Schemas compiled in search of the closest one, 1 to 10 ms each; what was not tried by then is left out."""

SCHEMA_SECONDS, REQUEST_SECONDS = 1.0, 3.0
"""Processor time to compile a schema as it is, and again to search for the closest one; and for all that one request
brings and that are not known from earlier ones."""

_TRY_SECONDS, _TRY_TIMES = 0.1, 3
"""For one schema of a search, and how much longer than the last that could be followed it may take besides: what takes
more is left out, and there is time for the others."""

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
    refused: str = ""
    """Why a strict one cannot be followed."""

    @property
    def part(self) -> dict[str, Any]:
        """As a part of a composed grammar, in llguidance's JSON form."""
        return {"json_schema": {**self.schema, "x-guidance": {**JSON_STYLE, "lenient": self.lenient}}}


class Search:
    """Processor time to find out what can be followed: of this thread, and of the workers that compile for it."""

    def __init__(self, seconds: float = REQUEST_SECONDS, of: Search | None = None) -> None:
        self._ends = time.thread_time() + seconds
        self._of = of  # takes the time of this one, too

    @property
    def left(self) -> float:
        """In seconds."""
        return self._ends - time.thread_time()

    def support(self, schema: dict[str, Any], *, lenient: bool, seconds: float) -> SchemaSupport:
        """As `schema_support`."""
        support = schema_support(schema, lenient=lenient, seconds=seconds)
        self._spend(support.seconds)
        return support

    def _spend(self, seconds: float) -> None:
        self._ends -= seconds
        if self._of is not None:
            self._of._spend(seconds)


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
    found = _found.find(*key)
    if found is None:
        copy: dict[str, Any] = json.loads(definition)  # changed in place, and the caller's own is not
        search = search or Search()
        fault = size_fault(copy, definition)
        if fault:
            found = _anything(copy, fault, strict=strict)
        elif search.left <= 0:  # not remembered: the next request may have the time
            fault = f"not tried, those before it took {REQUEST_SECONDS:g} s"
            return _or_refused(_anything(copy, fault, strict=strict))
        else:
            simplify(copy)
            found = _closest(copy, strict, search, closed=of == "arguments")
        _found.keep(found, *key)
    return _or_refused(found)


def _or_refused(found: FollowedSchema) -> FollowedSchema:
    if found.refused:
        raise InvalidGrammarError(found.refused)
    return found


def _anything(schema: dict[str, Any], fault: str, *, strict: bool) -> FollowedSchema:
    """Any JSON of the schema's type, whatever its other keywords say; refused where it must be kept to."""
    if strict:
        return FollowedSchema(schema, refused=f"The JSON schema is too large: {fault}.")
    return FollowedSchema(_whole(schema), lenient=True, loosened=f"{fault}; any {_kind(schema)} is taken")


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """What stays when nothing else can be followed."""
    return {"type": "object"} if schema.get("type") == "object" else {}


def _kind(schema: dict[str, Any]) -> str:
    return "object" if _whole(schema) else "JSON"


def _closest(schema: dict[str, Any], strict: bool, search: Search, *, closed: bool) -> FollowedSchema:
    """As `closest_schema`; `closed` objects take no properties that they do not name, where that can be followed."""
    forms = [schema]
    if closed:
        forms.insert(0, json.loads(json.dumps(schema)))
        close(forms[0])
    support = SchemaSupport("")
    for form in forms:
        support = search.support(form, lenient=False, seconds=SCHEMA_SECONDS)
        if not support.fault:
            return FollowedSchema(form)
        if support.late:  # and so would be the others
            break
    fault = support.fault
    if strict:
        return FollowedSchema(schema, refused=f"The JSON schema is not valid: {fault}")
    if closed:
        close(schema)
    if not support.late:
        support = search.support(schema, lenient=True, seconds=SCHEMA_SECONDS)
        if not support.fault:
            # What is ignored without a warning was the fault itself.
            return FollowedSchema(schema, lenient=True, loosened=_listed(list(support.ignored) or [fault]))
    rebuilt = _Rebuilt(schema, Search(SCHEMA_SECONDS, of=search), 0.0 if support.late else support.seconds)
    # What was left out may have been what let the rest be followed, such as a member of a list by its place.
    fault = search.support(rebuilt.schema, lenient=True, seconds=SCHEMA_SECONDS).fault
    if fault:
        return _anything(schema, fault, strict=False)
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
    Definitions are filled last: only what refers to them shows whether they can be followed. What takes too long is
    walked after all others of its place, which are sure to be tried then. What was not tried within the time of
    `search`, and `MOST_TRIES`, is left out as well. `seconds` are what the whole took.
    """

    def __init__(self, schema: dict[str, Any], search: Search, seconds: float) -> None:
        self.schema: dict[str, Any] = _whole(schema)
        self._search = search
        self._seconds = seconds
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
        late: list[tuple[str, Any, str]] = []
        for keyword, value in sorted(source.items(), key=lambda item: item[0] in _LAST):
            node[keyword] = value
            support = self._support()
            if support.late:
                del node[keyword]
                late.append((keyword, value, support.fault))
            elif support.fault:
                self._put_part(node, keyword, value, f"{place}/{keyword}", support.fault)
        for keyword, value, fault in late:
            self._put_part(node, keyword, value, f"{place}/{keyword}", fault)
        for keyword, rest in _RESTS.items():
            if keyword in source and keyword not in node:
                node.pop(rest, None)

    def _put_part(self, node: dict[str, Any], keyword: str, value: Any, place: str, fault: str) -> None:
        """Puts in what fits of a keyword that does not fit as it is."""
        emptied = _emptied(keyword, value)
        if emptied is not None:
            node[keyword] = emptied
            if not self._support().fault:
                if isinstance(value, dict) and keyword not in _SCHEMA_MAPS:
                    self._put_schema(node, keyword, cast("dict[str, Any]", value), place)
                else:
                    self._put_schemas(emptied, value, place)
                return
        node.pop(keyword, None)
        self.left_out.append(f"{place}: {fault}")

    def _put_schemas(self, holder: Any, schemas: Any, place: str) -> None:
        """Puts several in place of the empty ones of `_emptied`."""
        if isinstance(schemas, dict):
            self._put_named(holder, list(cast("dict[str, Any]", schemas).items()), place)
            return
        late: list[tuple[int, Any, str]] = []
        for index, schema in enumerate(cast("list[Any]", schemas)):
            if index:
                holder.append({})
            holder[index] = schema
            support = self._support()
            if support.late:
                holder[index] = {}
                late.append((index, schema, support.fault))
            elif support.fault:
                self._put_inside(holder, index, schema, f"{place}/{index}", support.fault)
        for index, schema, fault in late:
            self._put_inside(holder, index, schema, f"{place}/{index}", fault)

    def _put_named(self, holder: dict[str, Any], schemas: list[tuple[str, Any]], place: str) -> None:
        for name, schema, fault in self._put_halves(holder, schemas, place):
            self._put_inside(holder, name, schema, f"{place}/{name}", fault)

    def _put_halves(
        self, holder: dict[str, Any], schemas: list[tuple[str, Any]], place: str
    ) -> list[tuple[str, Any, str]]:
        """Puts in the halves of several that do not fit all together; returns those that take too long alone."""
        if len(schemas) == 1:
            [(name, schema)] = schemas
            holder[name] = schema
            support = self._support()
            if support.fault:
                holder[name] = dict[str, Any]()
                if support.late:
                    return [(name, schema, support.fault)]
                self._put_inside(holder, name, schema, f"{place}/{name}", support.fault)
            return []
        middle = len(schemas) // 2
        unfit: list[list[tuple[str, Any]]] = []
        for half in (schemas[:middle], schemas[middle:]):
            if len(half) > 1:
                holder.update(half)
                if not self._support().fault:
                    continue
                holder.update((name, dict[str, Any]()) for name, _ in half)
            if half:
                unfit.append(half)
        return [late for half in unfit for late in self._put_halves(holder, half, place)]

    def _put_schema(self, holder: Any, key: str | int, schema: Any, place: str) -> None:
        holder[key] = schema
        if fault := self._support().fault:
            self._put_inside(holder, key, schema, place, fault)

    def _put_inside(self, holder: Any, key: str | int, schema: Any, place: str, fault: str) -> None:
        """Puts in what fits of a schema that does not fit as it is."""
        holder[key] = node = dict[str, Any]()
        if isinstance(schema, dict):
            self._grow(node, cast("dict[str, Any]", schema), place)
        else:
            self.left_out.append(f"{place}: {fault}")

    def _support(self) -> SchemaSupport:
        """How far the whole can be followed as it is now."""
        if not self._tries:
            return SchemaSupport(f"not tried, {MOST_TRIES} others were")
        if self._search.left <= 0:
            return SchemaSupport(f"not tried, the others took {SCHEMA_SECONDS:g} s")
        self._tries -= 1
        most = min(_TRY_SECONDS + _TRY_TIMES * self._seconds, SCHEMA_SECONDS)
        support = self._search.support(self.schema, lenient=True, seconds=most)
        if not support.fault:
            self.ignored = support.ignored
            self._seconds = support.seconds
        return support


def _emptied(keyword: str, value: Any) -> Any:
    """The value with an empty schema for each that it holds, in a list for the first; None where it holds none."""
    if keyword in _SCHEMA_MAPS and isinstance(value, dict):
        return {name: dict[str, Any]() for name in cast("dict[str, Any]", value)}
    if keyword in _SCHEMA_LISTS and isinstance(value, list):
        return [dict[str, Any]()] if value else []
    return dict[str, Any]() if keyword in _SCHEMAS and isinstance(value, dict) else None

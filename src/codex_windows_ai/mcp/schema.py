"""JSON schemas of tools, as small as they can be: agents pay for every word of them with context."""

from __future__ import annotations

from typing import Any, cast

from pydantic import TypeAdapter, ValidationError


def compact_schema(described: TypeAdapter[Any], *, output: bool = False) -> dict[str, Any]:
    """A type's JSON schema, without the titles, class descriptions, null branches and null defaults of pydantic's.

    An argument left out and an argument that is null mean the same to a type that accepts both, so
    only the first is advertised; what a tool returns (`output`) keeps its nulls.
    """
    schema = _compact(described.json_schema(mode="serialization" if output else "validation"), keep_null=output)
    for described_class in (schema, *schema.get("$defs", {}).values()):
        described_class.pop("description", None)
    return cast("dict[str, Any]", schema)


def describe_validation(error: ValidationError) -> str:
    """What is wrong with a call's arguments, in words that a model can act on."""
    wrong: list[str] = []
    for fault in error.errors(include_url=False, include_context=False):
        name = ".".join(str(part) for part in fault["loc"])
        wrong.append(f"`{name}`: {fault['msg']}" if name else fault["msg"])
    return "; ".join(wrong)


def _compact(node: Any, *, keep_null: bool) -> Any:
    if isinstance(node, list):
        return [_compact(item, keep_null=keep_null) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    schema = cast("dict[str, Any]", node)
    compacted: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "default" and value is None:
            continue
        if key in ("properties", "$defs"):  # names chosen by the type's author, not keywords
            named = cast("dict[str, Any]", value)
            compacted[key] = {name: _compact(inner, keep_null=keep_null) for name, inner in named.items()}
        elif key == "anyOf" and not keep_null:
            compacted |= _without_null(_compact(value, keep_null=False))
        else:
            compacted[key] = _compact(value, keep_null=keep_null)
    return compacted


def _without_null(branches: list[Any]) -> dict[str, Any]:
    others = [branch for branch in branches if branch != {"type": "null"}]
    return others[0] if len(others) == 1 else {"anyOf": others}

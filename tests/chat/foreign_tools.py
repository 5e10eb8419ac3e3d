"""Tools in the style of well-known MCP servers, each with arguments that it takes.

Their schemas are as the usual generators write them: zod (draft 7 and 2020-12), pydantic, Go's and
.NET's reflection, OpenAPI documents, and by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"
STRING, INTEGER, BOOLEAN = ({"type": kind} for kind in ("string", "integer", "boolean"))
STRINGS: Schema = {"type": "array", "items": STRING}


@dataclass(frozen=True)
class ForeignTool:
    """A tool's name, its schema, what it takes, and a part of the reason for which its schema is loosened."""

    name: str
    schema: Schema
    arguments: dict[str, Any]
    loosened: str = ""

    @property
    def function(self) -> dict[str, Any]:
        """It as a tool of the Responses API, as Codex offers it."""
        return {"type": "function", "name": self.name, "strict": False, "parameters": self.schema}


def closed(properties: Schema, *required: str, **others: Any) -> Schema:
    schema = {"type": "object", "properties": properties, "additionalProperties": False, **others}
    return {**schema, "required": list(required)} if required else schema


def optional(schema: Schema) -> Schema:
    """As pydantic writes it."""
    return {"anyOf": [schema, {"type": "null"}], "default": None}


FILTER: Schema = {
    "oneOf": [
        closed({"and": {"type": "array", "items": {"$ref": "#/$defs/filter"}, "minItems": 1}}, "and"),
        closed({"field": STRING, "equals": {"type": ["string", "number", "boolean", "null"]}}, "field", "equals"),
    ]
}

FOLLOWED = [
    ForeignTool(
        "filesystem_read_file",
        closed({"path": STRING, "head": {"type": "number"}, "tail": {"type": "number"}}, "path") | {"$schema": DRAFT_7},
        {"path": "a.txt", "head": 10},
    ),
    ForeignTool(
        "filesystem_edit_file",
        closed(
            {
                "path": STRING,
                "edits": {
                    "type": "array",
                    "items": closed({"oldText": STRING, "newText": STRING}, "oldText", "newText"),
                    "minItems": 1,
                },
                "dryRun": {"type": "boolean", "default": False, "description": "Preview only."},
            },
            "path",
            "edits",
        ),
        {"path": "a.txt", "edits": [{"oldText": "a", "newText": "b"}], "dryRun": True},
    ),
    ForeignTool(
        "filesystem_list_allowed_directories",
        {"type": "object", "properties": {}, "required": []},
        {},
    ),
    ForeignTool(
        "github_create_issue",
        {
            "type": "object",
            "properties": {
                "owner": {"type": "string", "description": "Repository owner"},
                "repo": STRING,
                "title": {"type": "string", "minLength": 1, "maxLength": 256},
                "body": STRING,
                "labels": STRINGS,
                "milestone": {"type": "integer", "minimum": 1},
            },
            "required": ["owner", "repo", "title"],
        },
        {"owner": "o", "repo": "r", "title": "It fails", "labels": ["bug"]},
    ),
    ForeignTool(
        "github_list_commits",
        {
            "type": "object",
            "properties": {
                "owner": STRING,
                "repo": STRING,
                "since": {"type": "string", "format": "date-time"},
                "page": {"type": "number", "minimum": 1},
                "perPage": {"type": "number", "minimum": 1, "maximum": 100, "default": 30},
                "sort": {"enum": ["created", "updated"], "type": "string"},
            },
            "required": ["owner", "repo"],
        },
        {"owner": "o", "repo": "r", "since": "2025-01-31T12:00:00Z", "perPage": 100, "sort": "updated"},
    ),
    ForeignTool(
        "github_push_files",
        {
            "$schema": DRAFT_2020,
            "$defs": {"file": closed({"path": STRING, "content": STRING}, "path", "content")},
            **closed({"branch": STRING, "files": {"type": "array", "items": {"$ref": "#/$defs/file"}}}, "files"),
        },
        {"branch": "main", "files": [{"path": "a", "content": "b"}]},
    ),
    ForeignTool(
        "playwright_browser_navigate",
        closed({"url": {"type": "string", "format": "uri"}}, "url", **{"$schema": DRAFT_2020}),
        {"url": "https://example.com/a?b=c"},
    ),
    ForeignTool(
        "playwright_browser_click",
        closed(
            {
                "element": STRING,
                "ref": STRING,
                "doubleClick": BOOLEAN,
                "button": {"type": "string", "enum": ["left", "right", "middle"]},
                "modifiers": {"type": "array", "items": {"type": "string", "enum": ["Alt", "Control", "Shift"]}},
            },
            "element",
            "ref",
        ),
        {"element": "Send", "ref": "e12", "button": "left", "modifiers": ["Shift"]},
    ),
    ForeignTool(
        "playwright_browser_fill_form",
        closed(
            {
                "fields": {
                    "type": "array",
                    "items": {
                        "anyOf": [
                            closed({"type": {"const": "textbox"}, "value": STRING}, "type", "value"),
                            closed({"type": {"const": "checkbox"}, "checked": BOOLEAN}, "type", "checked"),
                        ]
                    },
                }
            },
            "fields",
        ),
        {"fields": [{"type": "textbox", "value": "x"}, {"type": "checkbox", "checked": True}]},
    ),
    ForeignTool(
        "postgres_query",
        closed(
            {
                "sql": {"type": "string", "minLength": 1},
                "params": {"type": "array", "items": {"type": ["string", "number", "boolean", "null"]}},
                "timeout_ms": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9007199254740991, "default": 5000},
            },
            "sql",
        ),
        {"sql": "select $1", "params": [None, 1.5, "a"], "timeout_ms": 1},
    ),
    ForeignTool(
        "sqlite_write",
        {
            "title": "write_arguments",
            "type": "object",
            "properties": {
                "table": {"title": "Table", "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
                "row": {"title": "Row", "type": "object", "additionalProperties": True},
                "limit": optional({"type": "integer"}) | {"title": "Limit"},
            },
            "required": ["table", "row"],
        },
        {"table": "people", "row": {"name": "A", "age": 3}, "limit": None},
    ),
    ForeignTool(
        "memory_create_entities",
        closed(
            {
                "entities": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"name": STRING, "entityType": STRING, "observations": STRINGS},
                        "required": ["name", "entityType", "observations"],
                    },
                }
            },
            "entities",
        ),
        {"entities": [{"name": "A", "entityType": "person", "observations": []}]},
    ),
    ForeignTool(
        "slack_post_message",
        closed(
            {"channel_id": STRING, "text": STRING, "thread_ts": {"type": "string", "nullable": True, "example": "1.2"}},
            "channel_id",
            "text",
        ),
        {"channel_id": "C1", "text": "Hi", "thread_ts": "1.2"},
    ),
    ForeignTool(
        "linear_update_issue",
        closed(
            {"id": {"type": "string", "format": "uuid"}, "title": STRING, "priority": {"type": "integer"}},
            "id",
            minProperties=1,
        ),
        {"id": "01900000-0000-7000-8000-000000000001", "priority": 2},
    ),
    ForeignTool(
        "kubernetes_apply",
        {
            "type": "object",
            "properties": {
                "manifest": {
                    "type": "object",
                    "properties": {"kind": STRING, "metadata": {"$ref": "#/definitions/metadata"}},
                    "required": ["kind"],
                },
                "replicas": {"type": "integer", "format": "int32", "minimum": 0},
            },
            "definitions": {"metadata": {"type": "object", "additionalProperties": STRING}},
            "required": ["manifest"],
        },
        {"manifest": {"kind": "Pod", "metadata": {"name": "a"}}, "replicas": 2},
    ),
    ForeignTool(
        "email_send",
        closed(
            {
                "to": {"type": "array", "items": {"type": "string", "format": "email"}, "minItems": 1},
                "send_at": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
                "priority": {"oneOf": [{"const": "low"}, {"const": "high"}]},
            },
            "to",
        ),
        {"to": ["a@example.com"], "send_at": "2025-02-01", "priority": "high"},
    ),
    ForeignTool(
        "notion_append_children",
        closed(
            {"blocks": {"type": "array", "items": {"$ref": "#/$defs/block"}}},
            "blocks",
            **{
                "$defs": {
                    "block": closed(
                        {"text": STRING, "children": {"type": "array", "items": {"$ref": "#/$defs/block"}}}, "text"
                    )
                }
            },
        ),
        {"blocks": [{"text": "a", "children": [{"text": "b"}]}]},
    ),
    ForeignTool(
        "database_find",
        closed({"filter": {"$ref": "#/$defs/filter"}}, "filter", **{"$defs": {"filter": FILTER}}),
        {"filter": {"and": [{"field": "a", "equals": None}]}},
    ),
]

LOOSENED = [
    ForeignTool(
        "jira_set_labels",
        closed({"issue": STRING, "labels": {**STRINGS, "uniqueItems": True}}, "issue", "labels"),
        {"issue": "A-1", "labels": ["a", "b"]},
        "uniqueItems",
    ),
    ForeignTool(
        "search_code",
        closed({"query": STRING, "pattern": {"type": "string", "format": "regex"}}, "query"),
        {"query": "a", "pattern": "a.*"},
        "Unknown format: regex",
    ),
    ForeignTool(
        "payment_create",
        closed({"amount": {"oneOf": [INTEGER, {"type": "number", "minimum": 0.5}]}}, "amount"),
        {"amount": 0.7},
        "oneOf",
    ),
    ForeignTool(
        "contact_reach",
        closed(
            {"way": {"enum": ["phone", "email"]}, "phone": STRING, "email": STRING},
            "way",
            **{
                "if": {"properties": {"way": {"const": "phone"}}},
                "then": {"required": ["phone"]},
                "else": {"required": ["email"]},
            },
        ),
        {"way": "phone", "phone": "1"},
        '"if"',
    ),
    ForeignTool(
        "environment_set",
        closed(
            {"variables": {"type": "object", "propertyNames": {"pattern": "^[A-Z_]+$"}, "additionalProperties": STRING}}
        ),
        {"variables": {"PATH": "x"}},
        "propertyNames",
    ),
    ForeignTool(
        "user_create",
        closed({"name": {"type": "string", "not": {"const": "root"}}, "password": STRING}, "name"),
        {"name": "a", "password": "x"},
        '"not"',
    ),
    ForeignTool(
        "password_change",
        closed(
            {"user": STRING, "password": {"type": "string", "pattern": "^(?=.*[0-9]).+$", "minLength": 8}},
            "user",
            "password",
        ),
        {"user": "a", "password": "abcdefg1"},
        "#/properties/password/pattern: ",
    ),
    ForeignTool(
        "calendar_add",
        closed({"title": STRING, "place": {"$ref": "https://example.com/place.json"}}, "title"),
        {"title": "a", "place": {"any": "thing"}},
        "#/properties/place/$ref: ",
    ),
    ForeignTool(
        "headers_set",
        closed({}, patternProperties={"^X-": STRING, "-Id$": INTEGER}),
        {"X-Name": "a", "Item-Id": 1},
        "#/patternProperties: ",
    ),
    ForeignTool(
        "profile_update",
        closed({"name": STRING, "email": STRING, "phone": STRING}, minProperties=2),
        {"name": "a", "phone": "1"},
        "minProperties",
    ),
    ForeignTool(
        "legacy_call",
        {"$schema": "https://example.com/schema", **closed({"method": STRING, "id": {"type": "any"}}, "method")},
        {"method": "a", "id": [1]},
        "#/properties/id/type: ",
    ),
    ForeignTool(
        "broken", {"type": "object", "properties": ["path"], "required": "path"}, {"path": 1}, "#/properties: "
    ),
]

"""Fifty tools as MCP servers offer them: files, version control, databases, chat, calendars, browsers, and others."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
SWITCH: Schema = {"type": "boolean", "default": False}
NAME: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,20}$"}
DAY: Schema = {"type": "string", "format": "date"}
TIME: Schema = {"type": "string", "format": "date-time", "maxLength": 25}
MAIL: Schema = {"type": "string", "format": "email", "maxLength": 40}
URI: Schema = {"type": "string", "format": "uri"}
ID: Schema = {"type": "string", "format": "uuid"}
HASH: Schema = {"type": "string", "pattern": "^[0-9a-f]{7,12}$"}
COLOUR: Schema = {"type": "string", "pattern": "^#[0-9a-f]{6}$"}
PAGE: Schema = {"type": "integer", "minimum": 1, "maximum": 100, "default": 1}


def short(most: int = 40) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": most}


def one_of(*values: object) -> Schema:
    return {"enum": list(values)}


def many(items: Schema, most: int = 3) -> Schema:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


def maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def fields(required: str, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


POINT = fields("latitude longitude", latitude=NUMBER, longitude=NUMBER)

TOOLS: dict[str, tuple[str, Schema]] = {
    "read_file": ("Read the file src/main.py.", fields("path", path=short(), head=WHOLE)),
    "write_file": ("Write hello to hello.txt.", fields("path content", path=short(), content=short())),
    "edit_file": (
        "In a.py rename x to y.",
        fields("path edits", path=short(), edits=many(fields("old new", old=short(), new=short())), dry_run=SWITCH),
    ),
    "list_directory": ("List the folder docs by size.", fields("path", path=short(), sort=one_of("name", "size"))),
    "search_files": (
        "Find Python files.",
        fields("path pattern", path=short(), pattern=short(), exclude=many(short())),
    ),
    "move_file": ("Move a.txt to b.txt.", fields("source destination", source=short(), destination=short())),
    "git_status": ("Show the state of the repository.", fields("repository", repository=short())),
    "git_log": ("Show the last five commits.", fields("repository", repository=short(), most=PAGE, since=maybe(DAY))),
    "git_show": ("Show commit 1a2b3c4.", fields("revision", revision=HASH)),
    "git_commit": ("Commit with a message.", fields("message", message=short(72), files=many(short()), amend=SWITCH)),
    "git_branch": ("Make a branch named fix.", fields("name", name=NAME, base=NAME)),
    "create_issue": (
        "Report that the login page is slow.",
        fields(
            "title", title=short(), body=short(80), labels=many(one_of("bug", "docs", "speed")), assignee=maybe(NAME)
        ),
    ),
    "list_pull_requests": (
        "List open pull requests.",
        fields("state", state=one_of("open", "closed", "all"), page=PAGE),
    ),
    "review_pull_request": (
        "Approve pull request 12.",
        fields(
            "number event",
            number={"type": "integer", "minimum": 1},
            event=one_of("APPROVE", "COMMENT", "REQUEST_CHANGES"),
            comments=many(fields("path line body", path=short(), line=WHOLE, body=short())),
        ),
    ),
    "search_code": (
        "Search for the word scheduler.",
        fields("query", query=short(), language=one_of("c", "go", "python")),
    ),
    "query_database": (
        "Count the users.",
        fields("sql", sql=short(80), parameters=many({"type": ["string", "number"]})),
    ),
    "describe_table": ("Describe the table users.", fields("table", table=NAME, schema=NAME)),
    "insert_rows": (
        "Insert a user named Ada who is 36.",
        fields("table rows", table=NAME, rows=many({"type": "object", "additionalProperties": {"type": "string"}})),
    ),
    "get_key": ("Get the key session.", fields("key", key=short())),
    "set_key": ("Set colour to blue for an hour.", fields("key value", key=short(), value=short(), seconds=PAGE)),
    "send_message": (
        "Say hello in the channel general.",
        fields("channel text", channel=NAME, text=short(), thread=maybe(ID)),
    ),
    "add_reaction": ("React with a smile.", fields("message emoji", message=ID, emoji=one_of("smile", "eyes", "tada"))),
    "list_channels": ("List ten channels.", fields("", limit=PAGE, cursor=maybe(TEXT), archived=SWITCH)),
    "send_mail": (
        "Write to ada@example.org that the build passed.",
        fields("to subject", to=many(MAIL), subject=short(), body=short(80), urgent=SWITCH),
    ),
    "search_mail": ("Find mail since 2026-01-05.", fields("query", query=short(), since=DAY, unread=SWITCH)),
    "create_event": (
        "Plan a review on 2026-03-02 at ten.",
        fields("title start", title=short(), start=TIME, minutes=one_of(15, 30, 60), guests=many(MAIL)),
    ),
    "list_events": ("What is on 2026-03-02?", fields("day", day=DAY, calendar=NAME)),
    "get_time": ("What time is it in Tokyo?", fields("zone", zone=one_of("Asia/Tokyo", "Europe/Paris", "UTC"))),
    "convert_time": (
        "What is 10:30 in Paris in UTC?",
        fields("time zone", time={"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"}, zone=short()),
    ),
    "fetch_page": (
        "Fetch https://example.org.",
        fields("url", url=URI, characters={"type": "integer", "minimum": 1}, raw=SWITCH),
    ),
    "web_search": (
        "Search for memory bandwidth.",
        fields("query", query=short(), count=PAGE, fresh=maybe(one_of("day", "week"))),
    ),
    "browser_open": ("Open https://example.org.", fields("url", url=URI, width=one_of(800, 1280))),
    "browser_click": ("Click the button Send.", fields("selector", selector=short(), button=one_of("left", "right"))),
    "browser_type": (
        "Type hello into the field name.",
        fields("selector text", selector=short(), text=short(), submit=SWITCH),
    ),
    "browser_screenshot": (
        "Take a picture of the page.",
        fields("name", name=NAME, box=fields("x y", x=WHOLE, y=WHOLE)),
    ),
    "remember": (
        "Remember that Ada likes tea.",
        fields("entities", entities=many(fields("name facts", name=short(), facts=many(short())))),
    ),
    "recall": ("What does Ada like?", fields("query", query=short())),
    "relate": (
        "Ada knows Bob.",
        fields("from to kind", **{"from": short(), "to": short(), "kind": one_of("knows", "owns")}),
    ),
    "get_weather": ("What is the weather in Paris?", fields("city", city=short(), units=one_of("metric", "imperial"))),
    "get_forecast": (
        "Forecast for 48.9, 2.4.",
        fields("place", place=POINT, days={"type": "integer", "minimum": 1, "maximum": 7}),
    ),
    "find_route": (
        "From Paris to Lyon by train.",
        fields("from to", **{"from": short(), "to": short(), "by": one_of("train", "car")}),
    ),
    "run_command": (
        "Run the tests.",
        fields(
            "command",
            command=many(short(), 4),
            timeout=NUMBER,
            environment={"type": "object", "additionalProperties": TEXT, "maxProperties": 2},
        ),
    ),
    "list_processes": ("List processes by memory.", fields("", sort=one_of("cpu", "memory"), limit=PAGE)),
    "scale_service": (
        "Run three copies of web.",
        fields("service copies", service=NAME, copies={"type": "integer", "minimum": 0, "maximum": 9}),
    ),
    "read_logs": (
        "Show errors of web.",
        fields("service", service=NAME, level=one_of("error", "info"), since=maybe(TIME)),
    ),
    "create_ticket": (
        "A ticket for the slow login.",
        fields(
            "project summary",
            project={"type": "string", "pattern": "^[A-Z]{2,5}$"},
            summary=short(),
            points=one_of(1, 2, 3, 5, 8),
        ),
    ),
    "move_ticket": (
        "Move WEB-12 to done.",
        fields(
            "key state",
            key={"type": "string", "pattern": "^[A-Z]{2,5}-[0-9]{1,4}$"},
            state=one_of("todo", "doing", "done"),
        ),
    ),
    "draw_chart": (
        "A bar chart of 1, 2, 3.",
        fields("kind values", kind=one_of("bar", "line"), values=many(NUMBER, 5), colour=COLOUR),
    ),
    "translate": ("Translate good morning to Japanese.", fields("text target", text=short(), target={"const": "ja"})),
    "think_in_steps": (
        "Think in two steps.",
        fields("thought step more", thought=short(), step=PAGE, more={"type": "boolean"}),
    ),
}
"""By name: what a user asks, and what the tool takes."""

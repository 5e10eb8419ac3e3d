#!/usr/bin/env bash
# llguidance refuses a JSON schema for a keyword that it lacks even where the value is the default, or forbids nothing,
# as generators of schemas write out; and for a `format` that only annotates, but with strings alone.
#
# Expected: what forbids nothing in draft 2020-12 changes nothing, as if it were absent; a `format` that the draft does
# not define is an annotation. (That `uniqueItems: true` is refused is right: it could not be kept.)
# Seen, llguidance 1.9.1: some keywords pass at their default and some do not, whatever the type beside them; OpenAPI's
# `int32` passes with a number and `password` does not with a string, yet does with an integer. `lenient` lets all of
# them pass, and `uniqueItems: true` and `not` as well, so that it is no way to allow the harmless ones only.
# Fails when one of these changes. Needs python3 with venv, and a package index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install llguidance==1.9.1

cat >"$work/defaults.py" <<'PYTHON'
"""Which schemas llguidance takes, and which of the others `lenient` lets pass."""
import json

from llguidance import LLMatcher

TAKEN: list[dict[str, object]] = [
    {"type": "array", "minItems": 0, "items": True, "prefixItems": [True]},
    {"type": "string", "minLength": 0},
    {"type": "object", "minProperties": 0, "required": [], "patternProperties": {}, "additionalProperties": True},
    {"type": "string", "deprecated": False, "readOnly": False, "writeOnly": False, "contentSchema": {}},
    {"type": "integer", "format": "int32"},
    {"type": "number", "format": "double"},
    {"type": "integer", "format": "password"},
]
REFUSED_FOR_NOTHING: list[dict[str, object]] = [
    {"type": "array", "uniqueItems": False},
    {"type": "array", "minContains": 1},
    {"type": "array", "unevaluatedItems": True},
    {"type": "object", "unevaluatedProperties": True},
    {"type": "object", "propertyNames": True},
    {"type": "object", "dependentRequired": {}},
    {"type": "object", "dependentSchemas": {}},
    {"type": "string", "not": False},
    {"type": "string", "if": True, "then": True, "else": True},
    {"type": "string", "uniqueItems": False},
    {"type": "string", "format": "password"},
    {"type": "string", "format": "byte"},
    {"type": "string", "format": "uri-reference"},
    {"enum": ["a"], "format": "password"},
]
REFUSED_RIGHTLY: list[dict[str, object]] = [{"type": "array", "uniqueItems": True}, {"not": {"type": "string"}}]


def taken(schema: dict[str, object], **overrides: object) -> bool:
    grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=overrides or None)
    return not LLMatcher.validate_grammar(grammar)


changed = False
for wanted, schemas in ((True, TAKEN), (False, REFUSED_FOR_NOTHING), (False, REFUSED_RIGHTLY)):
    for schema in schemas:
        found, lenient = taken(schema), taken(schema, lenient=True)
        changed |= found is not wanted or not lenient
        word = {True: "taken", False: "refused"}
        print(f"{json.dumps(schema)}: {word[found]} (expected: {word[wanted]}), lenient: {word[lenient]} (expected: taken)")
raise SystemExit("changed" if changed else 0)
PYTHON

"$work/venv/bin/python" "$work/defaults.py"

"""Whatever a model writes under the grammar, its calls are whole and match their schemas."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer

from codex_windows_ai.api.openai.tools import make_tool_set, read_tools
from codex_windows_ai.chat.formats.hermes import MOST_CALLS, HermesParser, answer_grammar
from codex_windows_ai.protocol.answer import CallEnded, TextPiece

BYTES = LLTokenizer("byte")
# Drawn as often as all other bytes together, so that strings, numbers and lists come to an end.
CLOSING = [ord(character) for character in '"}],\n</']

NAMES = st.text("abc_", min_size=1, max_size=4)
SIMPLE = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "maxLength": 5},
        {"type": "integer"},
        {"type": "number", "minimum": 0, "maximum": 10},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": ["a", "<tool_call>", 3, None]},
        {"const": '"}\n</tool_call>'},
    ]
)


def objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(NAMES, values, max_size=3).flatmap(
        lambda properties: st.sets(st.sampled_from(sorted(properties) or ["a"])).map(
            lambda required: {
                "type": "object",
                "properties": properties,
                "required": sorted(required & properties.keys()),
                "additionalProperties": False,
            }
        )
    )


SCHEMAS = objects(
    st.recursive(
        SIMPLE,
        lambda inner: (
            objects(inner)
            | inner.map(lambda items: {"type": "array", "items": items, "maxItems": 2})
            | st.lists(inner, min_size=1, max_size=2).map(lambda several: {"anyOf": several})
        ),
        max_leaves=4,
    )
)


def write(matcher: LLMatcher, beginning: str, source: random.Random, longest: int) -> tuple[str, bool]:
    """An answer with this beginning by a model that takes any byte it may, and whether it was cut off."""
    written = bytearray(beginning.encode())
    assert matcher.consume_tokens(list(written))
    while not matcher.is_stopped() and len(written) < longest:
        mask = matcher.compute_bitmask()
        allowed = [token for token in range(BYTES.vocab_size) if mask[token >> 3] >> (token & 7) & 1]
        closing = [token for token in CLOSING if token in allowed]
        token = source.choice(closing if closing and source.random() < 0.5 else allowed)
        assert matcher.consume_token(token)
        if token < 256:
            written.append(token)
    return written.decode(errors="ignore"), not matcher.is_stopped()


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(NAMES, SCHEMAS, min_size=1, max_size=3),
    st.sampled_from([("required", ""), ("auto", "Hello <tool_call>")]),
    st.integers(),
)
def test_calls_are_whole_and_match_their_schemas(schemas: dict[str, Any], asked: tuple[str, str], seed: int) -> None:
    choice, beginning = asked
    items = [{"type": "function", "name": name, "parameters": schema} for name, schema in schemas.items()]
    tool_set = make_tool_set(read_tools(items), choice)
    grammar = answer_grammar(tool_set)
    assert grammar is not None

    matcher = LLMatcher(BYTES, grammar.definition, log_level=0)
    text, cut = write(matcher, beginning, random.Random(seed), longest=600)

    parser = HermesParser(tool_set)
    parts = parser.push(text) + parser.finish(cut=cut)
    calls = [part for part in parts if isinstance(part, CallEnded)]
    for call in calls:
        if call.complete:
            jsonschema.validate(json.loads(call.body), schemas[call.tool.name])
    assert len(calls) <= MOST_CALLS
    assert cut or all(call.complete for call in calls)
    assert cut or calls
    assert [part.text for part in parts if isinstance(part, TextPiece)] == ([] if choice == "required" else ["Hello "])

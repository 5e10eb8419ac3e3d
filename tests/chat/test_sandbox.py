"""Chat templates are ended where they take too much, and have what Transformers gives them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import psutil
import pytest

from codex_windows_ai.chat import sandbox
from codex_windows_ai.chat.sandbox import Bounds
from codex_windows_ai.errors import InvalidRequestError, ModelFileError, TemplateOverLimitError, WindowsAiError

SHORT = Bounds(seconds=1.0, bytes=1 << 29, characters=1 << 20)

ENDLESS = {
    "nested loops": "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "loops that test": "{% for a in range(100000) if range(100000) | select('eq', 1) | list %}{% endfor %}",
    "a macro that calls itself twice": (
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}"
    ),
    "one filter": "{{ lipsum(n=100000000) }}",
    "a list within itself, written": (
        "{% set n = namespace(a=[1]) %}{% for i in range(60) %}{% set n.a = [n.a, n.a] %}{% endfor %}{{ n.a | tojson }}"
    ),
}
LARGE = {
    "pieces": "{% for a in range(100000) %}{{ 'a' * 1000 }}{% endfor %}",
    "a block that is set": "{% set x %}{% for a in range(100000) %}{{ 'a' * 10000 }}{% endfor %}{% endset %}",
    "a string repeated": "{{ 'a' * 10 ** 12 }}",
    "a list repeated": "{{ ([1] * 10 ** 11) | length }}",
    "a power": "{{ (10 ** (10 ** 12)) % 7 }}",
    "a string doubled": (
        "{% set n = namespace(a='x') %}{% for i in range(60) %}{% set n.a = n.a ~ n.a %}{% endfor %}{{ n.a | length }}"
    ),
    "a list doubled": (
        "{% set n = namespace(a=[1]) %}{% for i in range(60) %}{% set n.a = n.a + n.a %}{% endfor %}{{ n.a | length }}"
    ),
    "a width": "{{ '%1000000000d' % 1 }}",
    "a width of format": "{{ '{:10000000000}'.format(1) }}",
    "a filter's width": "{{ 'x' | center(10 ** 11) }}",
    "an indent": "{{ [[1]] | tojson(indent=10 ** 10) }}",
    "replaced": "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
    "joined": "{{ range(100000) | join('b' * 100000) }}",
    "a constant, folded when it compiles": "{{ 'x' | center(100000000000) }}",
}


@pytest.mark.parametrize("source", [*ENDLESS.values(), *LARGE.values()], ids=[*ENDLESS, *LARGE])
def test_a_template_that_takes_too_much_is_ended(source: str) -> None:
    with pytest.raises(TemplateOverLimitError):
        sandbox.render(source, {"messages": []}, SHORT)


def workers() -> set[psutil.Process]:
    """The processes in which templates run."""
    found: set[psutil.Process] = set()
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it has ended
            found |= {child} if any("sandbox_worker" in part for part in child.cmdline()) else set()
    return found


def test_what_runs_too_long_ends_with_its_process_and_the_next_one_is_answered() -> None:
    assert sandbox.render("one", {}, SHORT) == "one"
    before = workers()
    with pytest.raises(TemplateOverLimitError, match="within 1 seconds"):
        sandbox.render(ENDLESS["nested loops"], {}, SHORT)

    assert workers() < before
    assert sandbox.render("{{ two }}", {"two": "two"}, SHORT) == "two"


def test_one_that_does_not_end_keeps_no_other_waiting_and_one_that_dies_fails_alone() -> None:
    with ThreadPoolExecutor(1) as pool:
        endless = pool.submit(sandbox.render, ENDLESS["nested loops"], {}, replace(SHORT, seconds=600.0))
        others = [sandbox.render("{{ n }}", {"n": n}, SHORT) for n in range(3)]
        while not endless.done():
            for worker in workers():
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
        with pytest.raises(WindowsAiError, match="ended with exit code"):
            endless.result()

    assert others == ["0", "1", "2"]


def test_a_process_that_somebody_ends_while_it_waits_is_replaced() -> None:
    sandbox.render("one", {}, SHORT)
    for worker in workers():
        worker.kill()

    assert sandbox.render("two", {}, SHORT) == "two"


@pytest.mark.parametrize("source", ["{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ range(1000000) }}"])
def test_what_the_sandbox_itself_bounds_is_refused(source: str) -> None:
    with pytest.raises(InvalidRequestError):
        sandbox.render(source, {}, SHORT)


def test_a_template_that_does_not_compile_is_refused_with_the_reason() -> None:
    with pytest.raises(ModelFileError, match="Expected an expression"):
        sandbox.examine("{% for message in %}")


def test_the_texts_of_a_template_are_found_without_running_it() -> None:
    source = "<a>{% if x == '<b>' %}{{ '<c>' ~ x }}{% endif %}{{ x() }}{% generation %}<d>{% endgeneration %}"

    assert {"<a>", "<b>", "<c>", "<d>"} <= set(sandbox.examine(source).literals)


def test_the_variables_of_a_template_are_those_that_it_neither_sets_nor_finds_here() -> None:
    source = "{% set a = namespace(b=c) %}{% for d in messages %}{{ d }}{% endfor %}{{ strftime_now('%Y') ~ e }}"

    assert sandbox.examine(source).variables == {"c", "messages", "e"}


@pytest.mark.parametrize("text", ["\ud83d", "\u2028\n\r\0", "é\U0001f600", "\ufdd00\ufdd1"])
def test_every_text_comes_through_as_it_is(text: str) -> None:
    assert sandbox.render("{{ text }}", {"text": text}) == text


def test_the_tag_of_training_writes_what_it_holds() -> None:
    source = (
        "{% for m in messages %}{% generation %}{{ m }}{% set x = m %}<{{ loop.index }}>{% endgeneration %}{% endfor %}"
    )

    assert sandbox.render(source, {"messages": ["a", "b"]}) == "a<1>b<2>"


VALUE: dict[str, Any] = {"b": [1, 2], "a": "<é>"}


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("", {}),
        ("indent=4", {"indent": 4}),
        ("separators=(',', ':'), sort_keys=true", {"separators": (",", ":"), "sort_keys": True}),
        ("ensure_ascii=true", {"ensure_ascii": True}),
        ("true, 2, (',', ':'), true", {"ensure_ascii": True, "indent": 2, "separators": (",", ":"), "sort_keys": True}),
    ],
)
def test_json_is_written_as_transformers_writes_it(arguments: str, options: Any) -> None:
    expected = json.dumps(VALUE, **({"ensure_ascii": False} | options))

    assert sandbox.render(f"{{{{ value | tojson({arguments}) }}}}", {"value": VALUE}) == expected


def test_dictionaries_and_namespaces_can_be_made() -> None:
    source = "{{ dict(a=1).a }}{{ dict.fromkeys(['b']) }}{% set n = namespace(c=2) %}{% set n.c = 3 %}{{ n.c }}"

    assert sandbox.render(source, {}) == "1{'b': None}3"


@pytest.mark.parametrize("source", ["{{ namespace(_a=1) }}", "{{ dict.__class__.__mro__ }}", "{{ dict.mro() }}"])
def test_what_makes_them_leads_nowhere(source: str) -> None:
    with pytest.raises(InvalidRequestError):
        sandbox.render(source, {})

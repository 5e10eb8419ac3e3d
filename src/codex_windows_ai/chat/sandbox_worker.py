"""How chat templates are compiled and rendered, in a worker process (`workers/main.py`) that `sandbox.py` speaks with.

A template is a program of whoever made the model. Jinja's sandbox keeps it from files and from Python; it bounds
neither time nor memory, and a single expression can take all of both (`'a' * 10**12`).

It loads nothing of ours, and what Transformers gives to templates is here as Transformers 5 has it
(utils/chat_template_utils.py).
"""

from __future__ import annotations

import datetime
import json
from functools import lru_cache
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

_KEPT = 8
"""Compiled templates that are kept, the last used ones."""


class Generation(Extension):
    """The tag `{% generation %}`, by which training knows what the assistant said: it renders what it holds."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """What stands up to `{% endgeneration %}`, in a scope of its own as Transformers has it."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return [nodes.Scope(body, lineno=line)]


class GuardedNamespace(Namespace):
    """A `namespace` without names that begin with an underscore."""

    def __init__(*arguments: Any, **values: Any) -> None:
        names = dict(*arguments[1:], **values)
        for name in names:
            _check_name(name)
        Namespace.__init__(arguments[0], names)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


class DictFactory:
    """`dict`, of which a template gets what it makes and not the type."""

    def __call__(self, *arguments: Any, **values: Any) -> dict[Any, Any]:
        """A dictionary, as of `dict`."""
        return dict(*arguments, **values)

    def fromkeys(self, *arguments: Any) -> dict[Any, Any]:
        """A dictionary with these keys."""
        return dict.fromkeys(*arguments)


def _check_name(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"A namespace cannot hold {name!r}.")


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(pattern: str) -> str:
    return datetime.datetime.now().astimezone().strftime(pattern)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # Jinja's own filter escapes for HTML, which a model was never trained on.
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols], autoescape=False
    )
    environment.filters["tojson"] = _tojson
    names: dict[str, Any] = {
        "raise_exception": _raise_exception,
        "strftime_now": _strftime_now,
        "dict": DictFactory(),
        "namespace": GuardedNamespace,
    }
    environment.globals.update(names)
    return environment


_ENVIRONMENT = _environment()
_ENVIRONMENT.from_string("{{ [1] | map('string') | join }}").render()  # loads what Jinja loads late


@lru_cache(maxsize=_KEPT)
def _compiled(source: str) -> Template:
    return _ENVIRONMENT.from_string(source)


def _examined(source: str) -> dict[str, list[str]]:
    """The texts that stand in a template, written or compared with, and the variables that it is to be given."""
    tree = _ENVIRONMENT.parse(source)
    texts = [node.data for node in tree.find_all(nodes.TemplateData)]
    constants = [node.value for node in tree.find_all(nodes.Const)]
    variables = meta.find_undeclared_variables(tree) - _ENVIRONMENT.globals.keys()
    literals = dict.fromkeys([*texts, *(value for value in constants if isinstance(value, str))])
    return {"literals": list(literals), "variables": sorted(variables)}


def _render(source: str, variables: dict[str, Any], most_characters: int) -> str:
    pieces: list[str] = []
    room = most_characters
    for piece in _compiled(source).generate(**variables):
        room -= len(piece)
        if room < 0:
            raise _OverLimitError(f"it writes more than {most_characters:,} characters")
        pieces.append(piece)
    return "".join(pieces)


class _OverLimitError(Exception):
    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


def answer(request: bytes) -> bytes:
    """`text`, or what was found in the source, or why it is `refused`. Raises what has a `limit`: it is over that."""
    try:
        return json.dumps(_done(json.loads(request)), ensure_ascii=False).encode("utf-8", "surrogatepass")
    except (_OverLimitError, MemoryError):
        raise
    except Exception as error:  # a template is a program: it may fail in any way
        return json.dumps({"refused": str(error) or type(error).__name__}).encode()


def _done(request: dict[str, Any]) -> dict[str, Any]:
    source = request["source"]
    if "variables" in request:
        return {"text": _render(source, request["variables"], request["characters"])}
    _compiled(source)
    return _examined(source)

"""The tools a caller offers, in one form whichever API they came through."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from codex_windows_ai.protocol.grammar import Grammar

ToolKind = Literal["function", "custom"]
ToolMode = Literal["auto", "none", "required"]


def qualified_name(name: str, namespace: str | None) -> str:
    """The name that the model sees: that of a tool in a namespace is `namespace__name`."""
    return f"{namespace}__{name}" if namespace else name


@dataclass(frozen=True, slots=True)
class ToolName:
    """Which tool is meant. Tools of an MCP server have a namespace; callers get both names back."""

    kind: ToolKind
    name: str
    namespace: str | None = None

    @property
    def qualified(self) -> str:
        """The name that the model sees."""
        return qualified_name(self.name, self.namespace)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool on offer. A function has `parameters`, a JSON schema; a custom tool may have a `grammar`.

    A `strict` function's arguments must match its schema in every keyword.
    """

    kind: ToolKind
    name: str
    namespace: str | None = None
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    strict: bool = False
    grammar: Grammar | None = None

    @property
    def qualified_name(self) -> str:
        """The name that the model sees."""
        return qualified_name(self.name, self.namespace)

    @property
    def named(self) -> ToolName:
        """What a call of it says of it."""
        return ToolName(self.kind, self.name, self.namespace)


@dataclass(frozen=True, slots=True)
class ToolSet:
    """The tools of one request, and what the caller wants done with them.

    `mode` "auto" leaves it to the model whether to call one, "required" makes it call, "none" forbids
    it. `only` are the qualified names of those that may be called, None meaning all. Without
    `parallel` an answer has one call at most.
    """

    tools: tuple[Tool, ...] = ()
    mode: ToolMode = "auto"
    only: frozenset[str] | None = None
    parallel: bool = True

    @property
    def callable(self) -> tuple[Tool, ...]:
        """Those the model may call now."""
        if self.mode == "none":
            return ()
        return tuple(tool for tool in self.tools if self.only is None or tool.qualified_name in self.only)

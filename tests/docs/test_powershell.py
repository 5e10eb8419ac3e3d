"""Everything that is meant for PowerShell is PowerShell: no shell here runs it, but its grammar is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

from tests.docs.documents import BLOCKS, ROOT, Block

SCRIPTS = sorted((ROOT / "packaging").rglob("*.ps1"))
PRINTED = [block for block in BLOCKS if block.language == "powershell"]


def mistakes(text: str) -> list[str]:
    """What does not parse, with its line."""

    def of(node: Node) -> Iterator[str]:
        if node.is_error or node.is_missing:
            yield f"line {node.start_point[0] + 1}: {(node.text or b'').decode()[:60]!r}"
        for child in node.children:
            yield from of(child)

    return list(of(Parser(Language(tree_sitter_powershell.language())).parse(text.encode()).root_node))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_parses(script: Path) -> None:
    assert mistakes(script.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("block", PRINTED, ids=str)
def test_what_a_document_prints_parses(block: Block) -> None:
    assert mistakes(block.text) == []


def test_there_is_something_to_parse() -> None:
    assert [script.name for script in SCRIPTS] == ["register.ps1"]
    assert len(PRINTED) > 5


@pytest.mark.parametrize("text", ["if ($x { }", "function f { 'a", "Get-Item |"])
def test_a_mistake_is_found(text: str) -> None:
    assert mistakes(text)

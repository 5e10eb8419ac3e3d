"""What the documents tell users to type works as it is printed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from codex_windows_ai.errors import NotAvailableError
from tests.cli.program import cwai
from tests.docs.documents import (
    BLOCKS,
    DOCUMENTS,
    LANGUAGES,
    ROOT,
    SHELLS,
    WINDOWS_ONLY,
    Block,
    blocks,
    cwai_commands,
    lines_of_code,
    spans_of_code,
)
from tests.docs.reader import Reader

# Who follows these starts or ends the host himself.
OWN_HOST = re.compile(r"^cwai (serve|stop)\b", re.MULTILINE)
COMMANDS = [block for block in blocks(*SHELLS) if not OWN_HOST.search(block.script)]
COMMANDS_WITHOUT_HOST = [block for block in blocks(*SHELLS) if OWN_HOST.search(block.script)]
# These depend on the providers and programs of a Windows PC, and say so when they answer, or are the same everywhere.
ANSWERING = {"exec", "doctor", "stop"}


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_commands_work_as_printed(block: Block, reader: Reader) -> None:
    assert reader.type(block).strip()


@pytest.mark.parametrize("block", COMMANDS_WITHOUT_HOST, ids=str)
def test_commands_that_start_or_end_the_host_work_as_printed(block: Block, first_reader: Reader) -> None:
    assert first_reader.type(block).strip()


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_a_program_works_as_printed(block: Block, reader: Reader) -> None:
    assert reader.python(block.text).strip()


@pytest.mark.parametrize("block", blocks("python", windows_only=True), ids=str)
def test_a_program_for_windows_is_python_and_finds_what_it_imports(block: Block, reader: Reader) -> None:
    compile(block.text, str(block), "exec")
    reader.python("\n".join(re.findall(r"^(?:from|import) .*$", block.text, re.MULTILINE)))


@pytest.mark.parametrize("block", blocks(*SHELLS, windows_only=True), ids=str)
def test_what_only_windows_has_is_not_available_elsewhere_and_says_so(block: Block) -> None:
    """Else the block would not have to be marked."""
    ran = [
        cwai(*arguments)
        for line in block.script.splitlines()
        for arguments in cwai_commands(line)
        if arguments[0] not in ANSWERING
    ]

    assert all(
        "needs Windows" in tried.stdout + tried.stderr or tried.exit_code == NotAvailableError.exit_code
        for tried in ran
    ), ran
    others = [line for line in block.script.splitlines() if line.strip() and not line.startswith("cwai ")]
    chosen = [line for line in block.script.splitlines() if re.search(r"--provider (?!auto|engine(:cpu)?\b)", line)]
    assert [*ran, *others, *chosen]


def test_every_block_is_run_or_is_marked_as_only_for_windows() -> None:
    assert {block.language for block in BLOCKS} <= LANGUAGES
    for marked in (False, True):
        code = [block for block in BLOCKS if block.language in {*SHELLS, "python"} and block.windows_only == marked]
        assert set().union(*(block.lines for block in code)) == set().union(
            *(block.lines for block in [*blocks(*SHELLS, windows_only=marked), *blocks("python", windows_only=marked)])
        )
    for block in BLOCKS:
        if block.language == "text":  # what a program prints
            assert not block.windows_only, f"{block} is not run anyway"
            assert not re.search(r"^([$>] |cwai )", block.text, re.MULTILINE), f"{block} has commands that nobody runs"


def test_the_mark_stands_where_it_marks_a_block() -> None:
    marks = sum(document.read_text(encoding="utf-8").count(WINDOWS_ONLY) for document in DOCUMENTS)

    assert marks == sum(block.windows_only for block in BLOCKS) > 0


@pytest.fixture(scope="module")
def parser() -> Any:
    """The real command line, except that no command does anything."""
    from typer.main import get_command

    from codex_windows_ai.cli.main import app

    command = get_command(app)
    waiting: list[Any] = [command]
    while waiting:
        each = waiting.pop()
        each.callback = None  # of groups as well: `cwai setup codex` is one that does something by itself
        waiting += getattr(each, "commands", {}).values()
    return command


def parse(parser: Any, arguments: list[str]) -> None:
    parser.main(args=arguments, prog_name="cwai", standalone_mode=False)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_command_that_is_named_exists_with_its_options(document: Any, parser: Any) -> None:
    for line in lines_of_code(document):
        for arguments in cwai_commands(line):
            parse(parser, arguments)
    for span in spans_of_code(document):
        for arguments in cwai_commands(span):
            parse(parser, [*arguments, "--help"])  # in a sentence a command need not have its arguments


def test_a_command_that_does_not_exist_would_be_found(parser: Any) -> None:
    found = list(cwai_commands(r'git diff | .venv\Scripts\cwai exec --uses-windows-ai "a | b" -  # says it all'))

    assert found == [["exec", "--uses-windows-ai", "a | b", "-"]]
    with pytest.raises(Exception, match="uses-windows-ai"):
        parse(parser, found[0])
    with pytest.raises(Exception, match="fetsh"):
        parse(parser, ["gpu", "fetsh", "--help"])


def test_every_target_of_make_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    named = {
        (document.name, found[1])
        for document in DOCUMENTS
        for code in [*lines_of_code(document), *spans_of_code(document)]
        if (found := re.match(r"make ([a-z][\w-]*)", code))
    }
    assert named
    assert {target for _, target in named} <= targets, named


def test_every_file_that_a_document_points_to_is_there() -> None:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", text):
            assert (document.parent / target).exists(), f"{document.name} points to {target}"


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_path_that_contributors_are_told_of_is_there(name: str) -> None:
    package = ROOT / "src" / "codex_windows_ai"
    paths = [span for span in spans_of_code(ROOT / name) if re.fullmatch(r"\w+/[\w./]*", span) and "NAME" not in span]

    assert paths
    assert [path for path in paths if not any((root / path).exists() for root in (ROOT, package))] == []

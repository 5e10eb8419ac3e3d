"""The command line's frame: the commands, and the one place where errors become messages and exit codes.

Everything imported here runs before `cwai --help` can answer, so it is light; each command
imports what it needs when it runs.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import typer
from typer.main import get_command

from codex_windows_ai.cli import (
    bench,
    codex,
    config,
    doctor,
    driver,
    exec,
    gpu,
    launch,
    mcp,
    models,
    serve,
    setup,
    status,
    stop,
    token,
    top,
)
from codex_windows_ai.cli.output import prepare_streams, report_error, say, write, write_json
from codex_windows_ai.errors import EXIT_INTERRUPTED, WindowsAiError

EXIT_FAILED = 1
EXIT_USAGE = 2
DEBUG_VARIABLE = "CODEX_WINDOWS_AI_DEBUG"

app = typer.Typer(
    name="cwai",
    help="One on-device model, shared by every coding agent on the PC.",
    no_args_is_help=True,
    rich_markup_mode=None,  # Rich alone would take a third of the time that --help has.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("exec")(exec.command)
app.command("codex", cls=codex.PassThrough, options_metavar="[OPTIONS] [CODEX-ARGUMENTS]...")(codex.command)
app.command("launch", options_metavar="[OPTIONS]")(launch.command)
app.command("serve")(serve.command)
app.command("status")(status.command)
app.command("top")(top.command)
app.command("stop")(stop.command)
app.command("mcp")(mcp.command)
app.command("token")(token.command)
app.add_typer(setup.app, name="setup")
app.add_typer(models.app, name="models")
app.command("doctor")(doctor.command)
app.command("bench")(bench.command)
app.add_typer(driver.app, name="driver")
app.add_typer(gpu.app, name="gpu")
app.add_typer(config.app, name="config")


def _print_version(wanted: bool) -> None:
    if wanted:
        from codex_windows_ai.version import release

        write(f"cwai {release()}\n")
        raise typer.Exit


def _enable_debug(wanted: bool) -> None:
    if wanted:
        os.environ[DEBUG_VARIABLE] = "1"


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", help=f"Show the traceback of an error; {DEBUG_VARIABLE}=1 does the same.", callback=_enable_debug
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every error is reported here and nowhere else."""
    prepare_streams()
    # Until a command handles it better, SIGTERM ends the program the way Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    as_json = "--json" in arguments
    try:
        # Typer returns the command's own value, or the code of an Exit.
        result: Any = get_command(app).main(args=list(arguments), prog_name="cwai", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        if code == EXIT_INTERRUPTED:
            say("cwai: interrupted")
        return code
    except WindowsAiError as error:
        _trace()
        report_error(error, as_json=as_json)
        return error.exit_code
    except typer.TyperException as error:
        return _report_usage(error, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except Exception as error:  # the last resort: a person should read a sentence, not a traceback
        _trace()
        return _report_unforeseen(error, as_json=as_json)


def _report_unforeseen(error: Exception, *, as_json: bool) -> int:
    from codex_windows_ai.hardware.memory import SHORT_OF_MEMORY, is_short_of_memory

    message = f"{type(error).__name__}: {error}"
    hint = SHORT_OF_MEMORY if is_short_of_memory(error) else None
    say(f"cwai: internal error: {message}")
    say(f"hint: {hint or f'this is a bug; {DEBUG_VARIABLE}=1 shows where it happened.'}")
    if as_json:
        write_json({"error": {"code": WindowsAiError.code, "message": message, "hint": hint}})
    return EXIT_FAILED


def _report_usage(error: typer.TyperException, *, as_json: bool) -> int:
    if as_json:
        write_json({"error": {"code": "usage", "message": error.format_message(), "hint": None}})
    # Usage errors know their command and show its usage; other errors of Typer are a sentence.
    show: Callable[[], None] = getattr(error, "show", partial(say, error.format_message()))
    show()
    return EXIT_USAGE


def _trace() -> None:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exc()

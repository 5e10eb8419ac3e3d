"""`cwai exec`: one prompt, one answer."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codex_windows_ai.cli.interrupt import Interruption
from codex_windows_ai.cli.output import is_terminal, say, say_piece, write, write_json
from codex_windows_ai.cli.progress import ProgressReporter
from codex_windows_ai.errors import InvalidRequestError

if TYPE_CHECKING:
    from codex_windows_ai.client.execute import WindowsAiAnswer
    from codex_windows_ai.protocol.request import SamplingParameters
    from codex_windows_ai.protocol.source import AnswerSource
    from codex_windows_ai.settings import Settings


def command(
    prompt: Annotated[
        str | None,
        typer.Argument(
            metavar="PROMPT",
            help="What to ask; `-`, or nothing, reads it from standard input. "
            "Text piped in beside a prompt is appended to it.",
            show_default=False,
        ),
    ] = None,
    use_windows_ai: Annotated[
        bool, typer.Option("--use-windows-ai", help="Answer on this machine instead of handing over to `codex exec`.")
    ] = False,
    kernel_accelerated: Annotated[
        bool,
        typer.Option(
            "--kernel-accelerated",
            help="Answer on this machine over shared memory, brokered on Windows by the kernel driver; "
            "exit code 4 where there is none.",
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print one JSON object; without --use-windows-ai, Codex's own stream of JSON lines."
        ),
    ] = False,
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", "-f", metavar="FILE", help="Put this text file into the prompt; may be repeated."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="An installed model's name, or a model folder.")
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            metavar="NAME",
            help="Who answers on this machine: auto, language-model (Windows' own), action:ID (an app's), engine, "
            "engine:gpu, engine:npu or engine:cpu.",
        ),
    ] = None,
    require_device: Annotated[
        str | None,
        typer.Option("--require-device", metavar="KIND", help="Fail unless the gpu, npu or cpu answers."),
    ] = None,
    system: Annotated[str | None, typer.Option("--system", metavar="TEXT", help="The system message.")] = None,
    max_output_tokens: Annotated[
        int | None,
        typer.Option("--max-output-tokens", metavar="NUMBER", min=1, help="End the answer after so many tokens."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            "--temperature", metavar="NUMBER", min=0.0, help="0 takes the likeliest token each time (default)."
        ),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            "--top-p", metavar="NUMBER", min=0.0, max=1.0, help="Sample from the likeliest tokens of this mass."
        ),
    ] = None,
    show_thinking: Annotated[
        bool,
        typer.Option("--show-thinking", help="Show on standard error what a thinking model thinks before it answers."),
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="NUMBER", min=0, help="Makes a sampled answer repeatable.")
    ] = None,
) -> int:
    """Answer one prompt.

    With --use-windows-ai a model on this machine answers; without it the prompt goes to the real
    Codex CLI. The answer is all that standard output gets; who gave it and what it took follow on
    standard error.
    """
    from codex_windows_ai.client.prompt import compose_prompt

    local = use_windows_ai or kernel_accelerated
    options = {
        "--provider": provider,
        "--require-device": require_device,
        "--system": system,
        "--max-output-tokens": max_output_tokens,
        "--temperature": temperature,
        "--top-p": top_p,
        "--seed": seed,
        "--show-thinking": show_thinking or None,
    }
    refused = [name for name, value in options.items() if value is not None]
    if refused and not local:
        raise InvalidRequestError(
            f"`codex exec` knows no {', '.join(refused)}.",
            hint="Add --use-windows-ai to be answered on this machine, or leave that out.",
        )
    words = None if prompt == "-" else prompt
    whole_prompt = compose_prompt(words, files=files or (), piped=_read_piped(needed=not (words or files)))
    if not local:
        from codex_windows_ai.codex.launch import run_codex_exec

        return run_codex_exec(whole_prompt, model=model, as_json=as_json)

    from codex_windows_ai.protocol.request import SamplingParameters
    from codex_windows_ai.settings import load_settings

    given = {"temperature": temperature, "top_p": top_p, "seed": seed}
    sampling = SamplingParameters(**{name: value for name, value in given.items() if value is not None})  # pyright: ignore[reportArgumentType]  # one dict for values of several types
    settings = load_settings(model=model, provider=provider, require_device=require_device)
    question = _Question(whole_prompt, settings, system, sampling, max_output_tokens)
    return _LocalAnswer(as_json=as_json, show_thinking=show_thinking).show(
        question, use_kernel_driver=kernel_accelerated
    )


def _read_piped(*, needed: bool) -> str | None:
    """What was piped in. A terminal is only read when there is nothing else to ask."""
    from codex_windows_ai.client.prompt import decode_text

    if not sys.stdin or (is_terminal(sys.stdin) and not needed):
        return None
    if is_terminal(sys.stdin):
        say("cwai: type the prompt, then end it with Ctrl-D (on Windows Ctrl-Z and Enter)")
    # Programs that start others often leave a pipe open by mistake; do not wait for it in silence.
    notice = threading.Timer(1.0, say, ["cwai: reading standard input to its end…"])
    notice.daemon = True
    notice.start()
    try:
        return decode_text(sys.stdin.buffer.read(), source="Standard input")
    finally:
        notice.cancel()


@dataclass(frozen=True, slots=True)
class _Question:
    prompt: str
    settings: Settings
    system: str | None
    sampling: SamplingParameters
    max_output_tokens: int | None


class _LocalAnswer:
    """Shows an answer as it comes, or as one JSON object, also when it is interrupted."""

    def __init__(self, *, as_json: bool, show_thinking: bool) -> None:
        self._as_json = as_json
        self._show_thinking = show_thinking
        self._in_a_thought = False
        self._interruption = Interruption()
        self._progress = ProgressReporter()
        self._pieces: list[str] = []
        self._source: AnswerSource | None = None
        self._answer: WindowsAiAnswer | None = None

    def show(self, question: _Question, *, use_kernel_driver: bool) -> int:
        with self._progress:
            self._interruption.run(self._ask(question, use_kernel_driver), finish=self._finish)
        self._finish()
        return 0

    async def _ask(self, question: _Question, use_kernel_driver: bool) -> None:
        # The libraries behind this import take a while; in a thread, Ctrl-C need not wait for them.
        execute_with_windows_ai = await asyncio.to_thread(_import_integration)
        self._cancel = asyncio.Event()
        self._answer = await execute_with_windows_ai(
            question.prompt,
            use_kernel_driver,
            settings=question.settings,
            system=question.system,
            sampling=question.sampling,
            max_output_tokens=question.max_output_tokens,
            progress=self._progress,
            on_source=self._begin,
            on_text=self._show_text,
            on_reasoning=self._show_thought if self._show_thinking else None,
            cancel=self._cancel,
        )

    def _begin(self, source: AnswerSource) -> None:
        self._source = source
        self._progress.close()
        # From here on an answer can be ended so that it still says what it took.
        self._interruption.stop_with(self._cancel.set)

    def _show_thought(self, text: str) -> None:
        say_piece(text if self._in_a_thought else f"cwai: it thinks:\n{text}")
        self._in_a_thought = True

    def _end_thought(self) -> None:
        if self._in_a_thought:
            self._in_a_thought = False
            say("")

    def _show_text(self, text: str) -> None:
        self._end_thought()
        self._pieces.append(text)
        if not self._as_json:
            write(text)

    def _finish(self) -> None:
        self._end_thought()
        text = "".join(self._pieces)
        if self._as_json:
            write_json(_document(text, self._source, self._answer))
        elif text and not text.endswith("\n"):
            write("\n")
        if self._source:
            say(_summary(self._source, self._answer))
        if self._answer and self._answer.finish_reason == "length":
            count = self._answer.usage.output_tokens
            say(f"cwai: the answer was cut off after {count} tokens; --max-output-tokens sets another limit")
        if self._interruption.requested.is_set():
            say("cwai: interrupted")


def _import_integration() -> Callable[..., Coroutine[Any, Any, WindowsAiAnswer]]:
    from codex_windows_ai.client.execute import execute_with_windows_ai

    return execute_with_windows_ai


def _document(text: str, source: AnswerSource | None, answer: WindowsAiAnswer | None) -> dict[str, Any]:
    """The JSON object of an answer; what an interruption kept from being known is null."""
    usage, timings = (answer.usage, answer.timings) if answer else (None, None)
    return {
        "text": text,
        "reasoning": answer.reasoning if answer else None,
        "provider": source.provider if source else None,
        "device": source.device if source else None,
        "execution_provider": source.execution_provider if source else None,
        "model": source.model if source else None,
        "transport": source.transport if source else None,
        "brokered_by": source.brokered_by if source else None,
        "finish_reason": answer.finish_reason if answer else "cancelled",
        "usage": usage
        and {
            "input_tokens": usage.input_tokens,
            "cached_tokens": usage.cached_tokens,
            "output_tokens": usage.output_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "estimated": usage.estimated,
        },
        "timings_ms": answer
        and timings
        and {
            "load": round(answer.load_ms, 1),
            "queue": round(timings.queue, 1),
            "prefill": round(timings.prefill, 1),
            "decode": round(timings.decode, 1),
            "total": round(timings.total, 1),
        },
        "refused": [{"provider": name, "reason": reason} for name, reason in source.refused] if source else [],
        "left_out": list(source.left_out) if source else [],
    }


def _summary(source: AnswerSource, answer: WindowsAiAnswer | None) -> str:
    """Who answered and what it took, in a line; who would have been better and why not, in another."""
    transport = f"{source.transport} brokered by {source.brokered_by}" if source.brokered_by else source.transport
    parts = [f"{source.provider} on {source.device} ({source.execution_provider})", source.model, transport]
    if answer:
        usage, timings = answer.usage, answer.timings
        thought = f", {usage.reasoning_tokens} of them thought" if usage.reasoning_tokens else ""
        parts += [
            f"{'about ' if usage.estimated else ''}{usage.input_tokens} tokens in ({usage.cached_tokens} cached), "
            f"{usage.output_tokens} out{thought}",
            f"load {answer.load_ms:.0f} ms, queue {timings.queue:.0f} ms, prefill {timings.prefill:.0f} ms, "
            f"decode {timings.decode:.0f} ms, total {timings.total:.0f} ms",
        ]
    lines = ["cwai: " + " · ".join(parts)]
    if source.refused:
        lines.append("not used: " + "; ".join(f"{name} ({reason})" for name, reason in source.refused))
    if source.left_out:
        lines.append("not as asked: " + "; ".join(source.left_out))
    return "\n".join(lines)

"""Whom a user names to be compared with: servers that run already, and llama-server programs that the bench starts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

from codex_windows_ai.errors import InvalidRequestError

OURS = "ours"
"""What this project's side is called in reports, and so no peer may be."""
_LONGEST_PID = 9  # digits; what is longer overflows the system's own type
_FORM = "Write `--peer NAME=http://HOST:PORT`, or `--peer NAME=PATH` with the path of a llama-server program."


@dataclass(frozen=True, slots=True)
class Program:
    """A llama-server program and the GGUF file it is to serve."""

    path: Path
    model: Path


@dataclass(frozen=True, slots=True)
class Peer:
    """A server to compare with: where it listens, and its process where that is known; or a program to be started."""

    name: str
    address: str | None = None
    pid: int | None = None
    program: Program | None = None


def parse_peers(texts: Sequence[str], model: Path | None, pids: Sequence[str]) -> tuple[Peer, ...]:
    """The peers that `--peer NAME=ADDRESS|PATH`, `--peer-model FILE` and `--pid NAME=PID` name.

    Raises InvalidRequestError: one of them is not of that form, names nothing that is there, or nobody that is named.
    """
    if model is not None and not model.is_file():
        raise InvalidRequestError(f"There is no file {model}.", hint="Name it with `--peer-model FILE.gguf`.")
    processes = dict(_process(text) for text in pids)
    peers = [_peer(text, model, processes) for text in texts]
    names = [peer.name for peer in peers]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidRequestError(f"Two peers are called `{twice}`.", hint="Give each a name of its own.")
    if unknown := sorted(processes.keys() - {peer.name for peer in peers if peer.address}):
        raise InvalidRequestError(
            f"`--pid {unknown[0]}=…` names no peer that is given by its address.",
            hint="The processes of programs that the bench starts are known without it.",
        )
    return tuple(peers)


def _peer(text: str, model: Path | None, processes: dict[str, int]) -> Peer:
    name, _, place = text.partition("=")
    if not name.strip() or not place:
        raise InvalidRequestError(f"`--peer {text}` does not say what is called how.", hint=_FORM)
    if name == OURS:
        raise InvalidRequestError(f"`{OURS}` is what this program's side is called.", hint="Name the peer otherwise.")
    if "://" in place:
        return Peer(name, _address(text, place), processes.get(name))
    return Peer(name, program=_program(place, model))


def _address(text: str, place: str) -> str:
    """The address without the path of the API, which every server has."""
    try:
        url = httpx2.URL(place)
    except httpx2.InvalidURL as error:
        raise InvalidRequestError(f"`--peer {text}` has no sound address: {error}.", hint=_FORM) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidRequestError(f"`--peer {text}` has no address of a web server.", hint=_FORM)
    return place.rstrip("/").removesuffix("/v1")


def _program(place: str, model: Path | None) -> Program:
    program = Path(place).expanduser()
    if not (program.is_file() and os.access(program, os.X_OK)):
        raise InvalidRequestError(f"`{program}` is not a program that can be run.", hint=_FORM)
    if model is None:
        raise InvalidRequestError(
            "llama-server needs the GGUF file that the model was converted from: none was given.",
            hint="Name it with `--peer-model FILE.gguf`.",
        )
    return Program(program.absolute(), model.absolute())


def _process(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition("=")
    if not name or not number.isascii() or not number.isdigit():
        raise InvalidRequestError(f"`--pid {text}` is not of the form NAME=PID.")
    if len(number) > _LONGEST_PID or not psutil.pid_exists(int(number)):
        raise InvalidRequestError(f"`--pid {text}`: there is no such process on this machine.")
    return name, int(number)

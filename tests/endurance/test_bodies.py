"""Hostile bodies at every door: refused or answered, never a fault of ours, and memory stays.

`ENDURANCE_BODIES=100000` sends as many. The model's answers are one letter; the HTTP stack, the engine and all that
reads a request are the product's own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import psutil
import pytest

from codex_windows_ai.host.host import Host
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.settings import Settings
from tests.codex_cli.scripted import Script, ScriptedRuntime
from tests.endurance.lengths import BODIES, PATIENCE_SECONDS
from tests.endurance.mutation import BODIES as GOOD
from tests.endurance.mutation import hostile
from tests.hosting import TOKEN, OpenClient

pytestmark = pytest.mark.anyio

PATIENCE = 60.0
"""Seconds for one body; it is no figure of speed."""
WARM_UP = max(200, BODIES // 20)
"""After so many, whatever is kept for the next ones is there."""
OUR_FAULT = "internal_error"
BLOCK_NOTES = 800
"""Bytes beside its keys and values, measured: 760."""


class Faults(logging.Handler):
    """What a log would tell of faults: tracebacks and errors."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno >= logging.ERROR:
            self.records.append(self.format(record))


@pytest.fixture
def faults() -> Iterator[Faults]:
    handler = Faults()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


class OneLetter(Script):
    """Always the same answer; requests are not kept, which would be memory of the test's."""

    def next(self, request: GenerationRequest) -> str:
        return "x"


async def memory_beyond_the_cache(client: httpx2.AsyncClient) -> int:
    """Bytes of this process without the keys and values that the engine accounts for, and what it notes of each block.

    The tiny model's blocks have 8 KiB, so that the notes count; a real model's are some hundred KiB.
    """
    engine = (await client.get("/statistics")).json()["engine"]
    cache = engine["prefix_cache"]
    accounted = cache["bytes"] + cache["blocks"] * BLOCK_NOTES + engine["shared_prefix"]["bytes"]
    return psutil.Process().memory_info().rss - accounted


@pytest.fixture
def host(tiny_model_path: Path) -> Host:
    settings = Settings(model=str(tiny_model_path), threads=1)
    return Host(settings, token=TOKEN, make_runtime=partial(ScriptedRuntime, script=OneLetter()))


async def test_the_good_bodies_are_served(open_client: OpenClient, host: Host) -> None:
    async with open_client(host) as client:
        for path, bodies in GOOD.items():
            if path != "/mcp":
                answers = [await client.post(path, json=body, timeout=PATIENCE) for body in bodies]
                assert answers[0].status_code == 200, answers[0].text


@pytest.mark.timeout(PATIENCE_SECONDS)
async def test_no_body_is_our_fault(open_client: OpenClient, host: Host, faults: Faults) -> None:
    begin = answered = 0
    async with open_client(host) as client:
        await client.get("/v1/models")
        for number in range(BODIES):
            path, body, headers = hostile(number)
            answer = await client.post(path, content=body, headers=headers, timeout=PATIENCE)
            said = (number, path, body[:2000], answer.status_code, answer.text[:2000])
            assert answer.status_code < 500, said
            assert OUR_FAULT not in answer.text, said
            assert faults.records == [], said
            answered += answer.status_code == 200
            if number == WARM_UP:
                begin = await memory_beyond_the_cache(client)
        end = await memory_beyond_the_cache(client)
    print({"bodies": BODIES, "answered": answered, "memory_begin": begin, "memory_end": end})
    assert answered > BODIES // 100
    assert begin and end <= 2 * begin

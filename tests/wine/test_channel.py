"""The channel between two Windows processes, brokered by the real driver: messages, wake-ups, death of either side."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.wine.driver_machine import DriverMachine


class Side:
    """A process of tests/wine/programs/channel.py."""

    def __init__(self, machine: DriverMachine, *arguments: str) -> None:
        self.process: subprocess.Popen[str] = machine.python("-m", "tests.wine.programs.channel", *arguments)

    def says(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the program ended"
        return json.loads(line)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(60)
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()


@pytest.fixture
def sides(machine: DriverMachine) -> Iterator[list[Side]]:
    """A registered runtime; further sides are appended by the test."""
    started = [Side(machine, "runtime")]
    assert started[0].says() == {"registered": True}
    yield started
    for side in started:
        side.end()


def test_messages_of_all_sizes_come_back_through_the_driver(machine: DriverMachine, sides: list[Side]) -> None:
    sides.append(Side(machine, "client"))

    found = sides[1].says()

    assert all(found["same"])
    assert found["brokered_by"] == "ai_driver.sys"
    assert "it is the only one that fits" in found["why"]
    assert sides[1].says() == {"round_trips": 20}
    assert sides[1].says() == {"done": True}
    assert sides[0].says() == {"client": "gone"}


def test_a_client_that_is_killed_is_noticed_and_the_next_one_served(machine: DriverMachine, sides: list[Side]) -> None:
    for _ in range(2):
        sides.append(Side(machine, "client", "KEEP"))
        assert all(sides[-1].says()["same"])
        assert sides[-1].says() == {"round_trips": 20}
        sides[-1].process.kill()
        assert sides[0].says() == {"client": "gone"}


def test_a_runtime_that_is_killed_is_noticed(machine: DriverMachine, sides: list[Side]) -> None:
    sides.append(Side(machine, "client", "KEEP"))
    assert all(sides[1].says()["same"])
    assert sides[1].says() == {"round_trips": 20}

    sides[0].process.kill()

    assert sides[1].says() == {"ended": "ChannelClosedError"}
    assert sides[1].says() == {"done": True}

from collections.abc import Iterator

import pytest

from tests.rivals.models.rig import Rig
from tests.rivals.models.table import TABLE


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if lines := TABLE.lines():
        terminalreporter.section("mean divergence from the truth in nats, share of the same likeliest tokens in %")
        for line in lines:
            terminalreporter.write_line(line)

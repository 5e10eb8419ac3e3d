"""What a user who follows the documents has."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.cli.program import environment_with
from tests.served import ServedHost


@pytest.fixture
def user_environment(served_host: ServedHost) -> dict[str, str]:
    """`cwai` on the path, and a host that runs."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return environment_with(served_host.home, {"PATH": path})

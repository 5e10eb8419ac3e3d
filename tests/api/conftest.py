"""A host on a thinking model that is scripted, which the clients of every API ask."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from codex_windows_ai.settings import Settings
from tests.host.live import LiveHost
from tests.hosting import TOKEN
from tests.thinking_model import Script, ScriptedRuntime, make_thinking_model


@pytest.fixture(scope="module")
def script() -> Script:
    """What the model of `thinking_host` says."""
    return Script()


@pytest.fixture(scope="module")
def thinking_host(tmp_path_factory: pytest.TempPathFactory, script: Script) -> Iterator[LiveHost]:
    """The host, one for each module."""
    model = make_thinking_model(tmp_path_factory.mktemp("thinking"))
    settings = Settings(model=str(model.path), threads=1)
    with LiveHost(settings, TOKEN, make_runtime=partial(ScriptedRuntime, script=script)) as live:
        yield live

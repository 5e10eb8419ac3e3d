import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import settings

from codex_windows_ai.models.convert.convert import convert
from codex_windows_ai.models.progress import silent
from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.settings import DEFAULT_MODEL
from tests.models.synthetic import Tiny
from tests.served import PATIENCE, ServedHost, make_home, serving

pytest_plugins = ["tests.hosting"]

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")

# What a shell starts in the background ignores interruptions, and so does everything that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def default_model() -> Path:
    """Folder of the default model in the user's own cache; fetched and converted by whoever runs first."""
    return ModelStore().resolve(DEFAULT_MODEL).path


@pytest.fixture(scope="session")
def served_host(default_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedHost]:
    """`cwai serve` with the default model, loaded, shared by all tests that leave it at rest."""
    home = make_home(tmp_path_factory.mktemp("served") / "home", default_model)
    with serving(home) as host:
        # A request that needs the model waits for it.
        httpx2.get(f"{host.url}/v1/models", headers=host.headers, timeout=PATIENCE).raise_for_status()
        yield host


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that our converter makes of a small model with random weights; nobody changes it."""
    place = tmp_path_factory.mktemp("converted")
    target = place / "tiny"
    target.mkdir()
    convert(Tiny().write(place / "tiny.gguf"), target, silent)
    return target


@pytest.fixture
def folder(converted: Path, tmp_path: Path) -> Path:
    """A copy of `converted`, for a test to change."""
    return Path(shutil.copytree(converted, tmp_path / "tiny"))


@pytest.fixture
def silent_index() -> Iterator[str]:
    """The address of a package index that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/simple/"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """What asynchronous tests run on: the product is written for asyncio."""
    return "asyncio"

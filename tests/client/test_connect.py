"""A Windows client's way to a channel. The driver itself is the real one in tests/wine; here it is a double."""

from __future__ import annotations

from typing import Any, cast

import pytest

from codex_windows_ai.client import connect
from codex_windows_ai.client.connect import open_best_channel
from codex_windows_ai.errors import ChannelRefusedError, DriverError, NoRuntimeError, WindowsAiError
from codex_windows_ai.kernel.bridge import KernelDriverBridge, OptimizedPath

pytestmark = pytest.mark.anyio


class Driver:
    """A client's session: an error for each of the first attempts, at the path or at the channel."""

    def __init__(self, *, no_path: list[WindowsAiError] | None = None, refusals: list[WindowsAiError] | None = None):
        self.no_path, self.refusals = no_path or [], refusals or []
        self.asked: list[tuple[str, int]] = []
        self.tried: list[int] = []
        self.closed = False

    def get_optimized_path(self, model: str, *, prefix_hash: int) -> OptimizedPath:
        self.asked.append((model, prefix_hash))
        if self.no_path:
            raise self.no_path.pop(0)
        fields: dict[str, Any] = dict.fromkeys(OptimizedPath.__dataclass_fields__, 0)
        return OptimizedPath(**fields | {"runtime_id": len(self.asked)})

    def open_channel(self, runtime_id: int) -> str:
        self.tried.append(runtime_id)
        if self.refusals:
            raise self.refusals.pop(0)
        return f"a channel to {runtime_id}"

    def close(self) -> None:
        self.closed = True


class Reminder:
    """Reminds the host, which registers with `driver` then; without one it does not."""

    def __init__(self, driver: Driver | None = None) -> None:
        self.called = 0
        self._driver = driver

    async def __call__(self) -> None:
        self.called += 1
        if self._driver is not None:
            self._driver.no_path.clear()


def use(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KernelDriverBridge, "open", lambda: driver)


async def test_a_runtime_that_takes_no_client_just_now_is_asked_again_and_so_is_the_driver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = Driver(refusals=[ChannelRefusedError("busy"), ChannelRefusedError("busy")])
    use(driver, monkeypatch)
    remind = Reminder()

    bridge, path, channel = await open_best_channel("tiny", 7, remind=remind)

    assert driver.asked == [("tiny", 7)] * 3
    assert driver.tried == [1, 2, 3]
    assert remind.called == 0
    assert (cast(Driver, bridge), path.runtime_id, cast(str, channel)) == (driver, 3, "a channel to 3")
    assert not driver.closed


async def test_a_host_that_is_older_than_the_driver_is_reminded_of_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver(no_path=[NoRuntimeError("none")] * 5)
    use(driver, monkeypatch)
    remind = Reminder(driver)

    await open_best_channel("tiny", 0, remind=remind)

    assert remind.called == 1
    assert driver.tried == [2]


async def test_a_host_that_is_about_to_register_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver(no_path=[NoRuntimeError("none"), NoRuntimeError("none")])
    use(driver, monkeypatch)
    remind = Reminder()

    await open_best_channel("tiny", 0, remind=remind)

    assert driver.tried == [3]
    assert remind.called == 1


@pytest.mark.parametrize(
    ("driver", "kind", "hint"),
    [
        (Driver(no_path=[NoRuntimeError("none")] * 2), NoRuntimeError, "cwai status"),
        (Driver(refusals=[ChannelRefusedError("busy")] * 2), ChannelRefusedError, "--kernel-accelerated"),
    ],
)
async def test_patience_ends_with_the_reason_and_what_to_do(
    driver: Driver, kind: type[WindowsAiError], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(driver, monkeypatch)
    remind = Reminder()
    monkeypatch.setattr(connect, "PATIENCE_SECONDS", 0)

    with pytest.raises(kind) as caught:
        await open_best_channel("tiny", 0, remind=remind)

    assert hint in (caught.value.hint or "")
    assert len(driver.asked) == 1
    assert driver.closed


async def test_a_driver_that_fails_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver(refusals=[DriverError("out of memory")])
    use(driver, monkeypatch)
    remind = Reminder()

    with pytest.raises(DriverError, match="out of memory"):
        await open_best_channel("tiny", 0, remind=remind)

    assert driver.tried == [1]
    assert driver.closed

"""What the driver hands to each side of a channel: handles, not yet a ring."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from codex_windows_ai.kernel import abi
from codex_windows_ai.kernel.windows_api import kernel32

__all__ = ["BrokeredChannel"]


@dataclass(frozen=True, slots=True)
class BrokeredChannel:
    """One side's handles of a section and three events; whoever has it closes them, as a context manager or by `close`.

    The client sets `to_runtime` and waits for `to_client`, the runtime the other way round; both are auto-reset. The
    driver sets `closed` (manual-reset) as soon as the other side's session or process has ended. The section begins
    as zeros; nothing in it can be trusted, for the other side may write there at any time.
    """

    side: Literal["client", "runtime"]
    channel_id: int
    runtime_id: int
    peer_process_id: int
    section_bytes: int
    section: int
    to_runtime: int
    to_client: int
    closed: int

    @classmethod
    def of(cls, channel: abi.Channel, *, side: Literal["client", "runtime"]) -> Self:
        """The driver's reply as this."""
        return cls(
            side=side,
            channel_id=channel.channel_id,
            runtime_id=channel.runtime_id,
            peer_process_id=channel.peer_process_id,
            section_bytes=channel.section_bytes,
            section=channel.section,
            to_runtime=channel.to_runtime,
            to_client=channel.to_client,
            closed=channel.closed,
        )

    def close(self) -> None:
        """Close the four handles; exactly once, for Windows gives their numbers to others afterwards."""
        for handle in (self.section, self.to_runtime, self.to_client, self.closed):
            kernel32().CloseHandle(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

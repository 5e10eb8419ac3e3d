"""A request on its way through a core that the test steps itself, and what came of it."""

from __future__ import annotations

from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sequence import Sequence
from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.answer import Delta


class Client:
    """Asks as it is made; raises what `EngineCore.prepare` and `enqueue` raise."""

    def __init__(self, core: EngineCore, request: EngineRequest) -> None:
        self.request = request
        self.deltas: list[Delta] = []
        self.errors: list[WindowsAiError] = []
        self.sequence: Sequence = core.prepare(request, self.deliver)
        core.enqueue(self.sequence)

    def deliver(self, item: Delta | WindowsAiError) -> None:
        assert not self.ends, "nothing comes after the end"
        if isinstance(item, Delta):
            self.deltas.append(item)
        else:
            self.errors.append(item)

    @property
    def ends(self) -> int:
        return len(self.errors) + sum(delta.finish_reason is not None for delta in self.deltas)

    @property
    def error(self) -> WindowsAiError | None:
        return self.errors[0] if self.errors else None

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas)

    @property
    def tokens(self) -> list[int]:
        return [chosen.token_id for delta in self.deltas for chosen in delta.tokens]

    @property
    def said(self) -> list[tuple[int, float | None]]:
        """The tokens and how likely each was, to the last bit."""
        return chosen_in(self.deltas)

    @property
    def logprobs(self) -> list[float]:
        return [logprob or 0 for _, logprob in self.said]


def chosen_in(deltas: list[Delta]) -> list[tuple[int, float | None]]:
    return [(chosen.token_id, chosen.logprob) for delta in deltas for chosen in delta.tokens]


def run(core: EngineCore) -> None:
    """Steps until nothing runs or waits."""
    while not core.idle:
        core.step()

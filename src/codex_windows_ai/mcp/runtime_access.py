"""How tools and resources reach the one runtime of the process, which may still be loading."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from codex_windows_ai.serving.models import Loading
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime


@dataclass(frozen=True, slots=True)
class RuntimeAccess:
    """`open` waits until the model is loaded, or raises why it cannot be; `loading` says how far it is by now."""

    open: Callable[[], Awaitable[WindowsAiRuntime]]
    loading: Callable[[], Loading | None]

    def describe_loading(self) -> str:
        """How far the model is, in words."""
        loading = self.loading()
        if loading is None:
            return "asking the model"
        stage, done, total = loading
        return f"the model is {stage}: {100 * done // total} %" if total else f"the model is {stage}"

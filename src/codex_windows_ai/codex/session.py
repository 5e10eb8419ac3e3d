"""What `cwai codex` makes of the user's arguments: itself, or the settings of the profile as options before them.

Options and not `-p windows-ai`: they hold for this run whatever port the host got and whichever model it serves, need
no setup before, write nothing into Codex's folder, and Codex versions without profile files take them, too. The
user's own `-c` come later on the command line and win.
"""

from __future__ import annotations

from collections.abc import Sequence

from codex_windows_ai.agents.file_changes import write_text
from codex_windows_ai.codex.catalogue import catalogue_text, offers_tools
from codex_windows_ai.codex.host_facts import ask_host
from codex_windows_ai.codex.profile import CodexModel, as_overrides, profile_settings
from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.models.progress import Progress
from codex_windows_ai.settings import Settings, load_settings, state_folder


async def windows_ai_overrides(settings: Settings | None = None, *, progress: Progress | None = None) -> list[str]:
    """Settings (`KEY=VALUE`) that let the model of this machine answer, its host started where none runs.

    Raises as `ensure_host` does.
    """
    facts = await ask_host(settings, progress=progress)
    catalogue = state_folder() / "codex-models.json"
    write_text(catalogue, catalogue_text(facts.models))
    model = facts.models[0]
    served = CodexModel(facts.url, str(model["slug"]), catalogue, offers_tools(model))
    return as_overrides(profile_settings(served))


def with_overrides(overrides: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """The user's arguments behind a `-c` for each of our settings, with the user's own `-c` between the two.

    A `-c` behind a subcommand makes Codex 0.163 forget all that stand before it (0.169 joins them). Before the
    subcommand all of them count, in their order.
    """
    rest = list(arguments)
    own: list[str] = []
    kept: list[str] = []
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            kept += [argument, *rest]
            break
        if argument in ("-c", "--config") and rest:
            own += ["-c", rest.pop(0)]
        elif argument.startswith("--config="):
            own += ["-c", argument.removeprefix("--config=")]
        elif argument.startswith("-c") and "=" in argument:
            own += ["-c", argument.removeprefix("-c").removeprefix("=")]
        else:
            kept.append(argument)
    return [*(part for override in overrides for part in ("-c", override)), *own, *kept]


def kernel_path_refusal(settings: Settings | None = None) -> str | None:
    """Why Codex does not take the kernel path, for the user to read; None where it is not wanted.

    Raises NotAvailableError: it is wanted, and the setting `fallback` is `refuse`.
    """
    settings = settings or load_settings()
    if not settings.kernel_accelerated:
        return None
    reason = "Codex speaks HTTP to its model: there is no kernel-accelerated path for it."
    if settings.fallback == "refuse":
        raise NotAvailableError(
            reason,
            hint="Leave out --kernel-accelerated (and the setting `kernel_accelerated`), or set `fallback` to "
            "`announce`: HTTP is then taken, and said.",
        )
    return f"{reason} It takes HTTP instead (setting `fallback`)."

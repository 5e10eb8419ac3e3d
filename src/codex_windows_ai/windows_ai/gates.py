"""What must all hold before Windows lets a program use its own language model; each gate is judged on its own.

Sources: Microsoft's pages on the Windows AI APIs (get started, troubleshooting) of 2026-07. Windows asks for a
limited-access token on its stable channel only until Phi Silica's successor arrives, so a closed gate of that kind
is reported and the model is tried all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from codex_windows_ai.hardware.hresult import code_of, describe, meaning_of
from codex_windows_ai.windows_ai.windows_app_runtime import is_wine, package_full_name, start_app_runtime, windows_build

__all__ = [
    "LIMITED_ACCESS_FEATURE",
    "NOT_READY",
    "READY",
    "Gate",
    "hardware_gate",
    "identity_gate",
    "language_model_gates",
    "limited_access_gate",
    "os_build_gate",
    "ready_state_gate",
]

READY, NOT_READY = 0, 1
"""AIFeatureReadyState, of which the others say why it can never be ready as things are."""

LIMITED_ACCESS_FEATURE = "com.microsoft.windows.ai.languagemodel"

_NEEDED_BUILD = (26200, 7309)
_GUIDE = "docs/windows-ai-integration.md"


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition: whether it holds, what was found, and what opens it. `unknown` where only Windows can tell."""

    id: str
    state: Literal["open", "closed", "unknown"]
    found: str
    fix: str | None = None


def os_build_gate(build: tuple[int, int]) -> Gate:
    """Windows 11 25H2 with the update that made the language model public."""
    found = f"Windows build {build[0]}.{build[1]}"
    if build >= _NEEDED_BUILD:
        return Gate("os_build", "open", found)
    needed = ".".join(map(str, _NEEDED_BUILD))
    fix = f"Update Windows to 25H2, build {needed} or newer: Settings > Windows Update."
    return Gate("os_build", "closed", f"{found}; {needed} is needed", fix)


def hardware_gate(copilot_plus_pc: bool | None) -> Gate:
    """The NPU of a Copilot+ PC, or one of the GPUs that Windows supports as well; it alone knows which."""
    if copilot_plus_pc:
        return Gate("hardware", "open", "this is a Copilot+ PC")
    found = "Windows does not say" if copilot_plus_pc is None else "this is no Copilot+ PC"
    return Gate(
        "hardware",
        "unknown",
        f"{found}; an NVIDIA RTX 30 or newer with 6 GB of free memory may do as well: see the ready state",
    )


def identity_gate(full_name: str | None) -> Gate:
    """Windows gives its model to packages only."""
    if full_name:
        return Gate("package_identity", "open", f"running as the package {full_name}")
    fix = f'Register the sparse package: {_GUIDE}, "Package identity".'
    return Gate("package_identity", "closed", "this process has no package identity", fix)


_LIMITED_ACCESS = {0: "unavailable", 1: "available", 2: "available without a token", 3: "unknown to this build"}


def limited_access_gate(status: int | None, *, token_given: bool) -> Gate:
    """Microsoft's leave to use the model; `status` is LimitedAccessFeatureStatus, None where asking failed."""
    if status in (1, 2):
        return Gate("limited_access", "open", _LIMITED_ACCESS[status])
    found = "Windows could not be asked" if status is None else f"Windows says: {_LIMITED_ACCESS.get(status, status)}"
    fix = (
        "Check that the token was made for this package's family name."
        if token_given
        else f'Ask Microsoft for a token and set `limited_access_token`: {_GUIDE}, "Limited access".'
    )
    return Gate("limited_access", "closed", f"{found}; newer builds of Windows give access without it", fix)


_READY_STATES: dict[int, tuple[str, str | None]] = {
    0: ("ready", None),
    1: (
        "Windows has not fetched the model yet",
        'Let Windows fetch it once: cwai exec --use-windows-ai --provider language-model "hello"',
    ),
    2: ("not supported on this system", "Use the engine: set `provider` to `engine`."),
    3: ("switched off by the user", "Switch it on: Settings > Privacy & security > Text and image generation."),
    4: (
        "the package does not declare the capability systemAIModels",
        f'Declare it in the package\'s manifest: {_GUIDE}, "Package identity".',
    ),
    5: ("the hardware is not compatible", "Use the engine: set `provider` to `engine`."),
    6: ("Windows must be updated first", "Settings > Windows Update."),
}


def ready_state_gate(state: int | OSError | AttributeError) -> Gate:
    """What LanguageModel.GetReadyState says (AIFeatureReadyState), or how asking failed."""
    if isinstance(state, int):
        if state not in _READY_STATES:
            return Gate("ready_state", "closed", f"a ready state that this version does not know: {state}")
        return Gate("ready_state", "open" if state == READY else "closed", *_READY_STATES[state])
    return Gate("ready_state", "closed", describe(state), meaning_of(code_of(state)).fix)


def language_model_gates(token: str | None = None) -> list[Gate]:
    """Every gate of Windows' own language model, as this process finds it; none elsewhere than on Windows.

    They come in the order in which a person would open them: what Windows itself says before what it may not ask.
    `token` is the limited-access token, if the user has one. Asking takes a second at most, and downloads nothing.
    """
    build = windows_build()
    if build is None:
        return []
    runtime = _app_runtime_gate()  # first: without it no class is found
    copilot_plus_pc = _ask(_is_copilot_plus_pc)
    return [
        os_build_gate(build),
        runtime,
        hardware_gate(copilot_plus_pc if isinstance(copilot_plus_pc, bool) else None),
        ready_state_gate(_ask(_ready_state)),
        identity_gate(package_full_name()),
        limited_access_gate(_unlock(token), token_given=token is not None),
    ]


def _app_runtime_gate() -> Gate:
    if is_wine():
        return Gate("app_runtime", "unknown", "this is Wine, which has none; classes are found without it")
    try:
        start_app_runtime()
    except OSError as error:
        return Gate("app_runtime", "closed", describe(error), meaning_of(code_of(error)).fix)
    return Gate("app_runtime", "open", "the Windows App Runtime is there")


def _ask(question: Callable[[], int]) -> int | OSError | AttributeError:
    try:
        return question()
    except (OSError, AttributeError) as error:
        return error


def _is_copilot_plus_pc() -> bool:
    from winrt.microsoft.windows.ai import AICapabilities, AICapabilityCategory

    return AICapabilities.has_a_i_capability(AICapabilityCategory.COPILOT_PLUS_PC)


def _ready_state() -> int:
    from winrt.microsoft.windows.ai.text import LanguageModel

    return int(LanguageModel.get_ready_state())


def _unlock(token: str | None) -> int | None:
    """LimitedAccessFeatureStatus of the language model for this process; None where Windows cannot be asked."""
    from winrt.windows.applicationmodel import LimitedAccessFeatures

    # The sentence is Microsoft's and names the publisher, which a package's full name ends with.
    publisher = (package_full_name() or "").rpartition("__")[2]
    sentence = (
        f"{publisher} has registered their use of {LIMITED_ACCESS_FEATURE} with Microsoft "
        "and agrees to the terms of use."
    )
    try:
        return int(LimitedAccessFeatures.try_unlock_feature(LIMITED_ACCESS_FEATURE, token or "", sentence).status)
    except (OSError, AttributeError):
        return None

"""What endpoints do otherwise for one client that is known by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from codex_windows_ai.serving.served_model import ServedModel


def _nothing(models: Sequence[ServedModel]) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """A client that is served by rules of its own; a layer above hands it to `create_app`.

    `matches` says by the headers whether a request is this client's. `completes_cut_text`: an answer
    that was cut off ends as a completed one. `catalogue` gives the keys that GET /v1/models has for it; they stand in
    everybody's answer, because the client asks for it without a name.
    """

    name: str
    matches: Callable[[Mapping[str, str]], bool]
    completes_cut_text: bool = False
    catalogue: Callable[[Sequence[ServedModel]], Mapping[str, Any]] = _nothing


ANY_CLIENT = ClientProfile("any client", matches=lambda headers: True)
"""What every client gets that no other profile matches."""


def profile_of(request: Request) -> ClientProfile:
    """The first profile that matches a request, else ANY_CLIENT; those of the host are at `app.state.profiles`."""
    profiles: Sequence[ClientProfile] = request.app.state.profiles
    return next((profile for profile in profiles if profile.matches(request.headers)), ANY_CLIENT)

"""The environment of a program that is to reach this machine's host: loopback is kept out of proxies.

A program that was told of a proxy sends it every request, also those to its own machine: prompt and token would
leave it. `NO_PROXY` names what is asked directly; which of its two spellings a program reads differs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

__all__ = ["LOOPBACK", "around_proxies", "no_proxy_variables"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""What this machine is called by its own programs."""

_SPELLINGS = ("NO_PROXY", "no_proxy")
_EVERYTHING = "*"


def no_proxy_variables() -> tuple[str, ...]:
    """The variables that name what is asked directly; on Windows a variable has one spelling."""
    return _SPELLINGS[:1] if sys.platform == "win32" else _SPELLINGS


def around_proxies(environment: Mapping[str, str] | None = None, *, host: str | None = None) -> dict[str, str]:
    """`environment`, by default this process's own, with loopback added to what needs no proxy.

    `host` is where this machine's host listens, if that is not loopback: its own address needs no proxy either.
    """
    environment = dict(os.environ if environment is None else environment)
    # Both are read on every system: an environment that was handed in may have either.
    listed = [name.strip() for variable in _SPELLINGS for name in environment.get(variable, "").split(",")]
    if _EVERYTHING in listed:  # means that only where it stands alone
        return environment | dict.fromkeys(no_proxy_variables(), _EVERYTHING)
    direct = ",".join(dict.fromkeys(name for name in (*listed, *LOOPBACK, host) if name))
    return environment | dict.fromkeys(no_proxy_variables(), direct)

"""The environment of a program that is to reach this machine's host: loopback is kept out of proxies.

A program that was told of a proxy sends it every request, also those to its own machine: prompt and token would
leave it. `NO_PROXY` names what is asked directly; which of its two spellings a program reads differs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

__all__ = ["around_proxies"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NAMES = ("NO_PROXY", "no_proxy")


def around_proxies(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """`environment`, by default this process's own, with loopback added to what needs no proxy."""
    environment = dict(os.environ if environment is None else environment)
    listed = [name.strip() for variable in _NAMES for name in environment.get(variable, "").split(",")]
    direct = ",".join(dict.fromkeys(name for name in (*listed, *_LOOPBACK) if name))
    names = _NAMES[:1] if sys.platform == "win32" else _NAMES  # there a variable has one spelling
    return environment | dict.fromkeys(names, direct)

"""Ends this process when the one that started it has ended, even where somebody else keeps our input open."""

from __future__ import annotations

import os
import threading

import psutil


def end_with_parent() -> None:
    """From now on this process ends as soon as its parent does, at once and without clean-up.

    The parent's end is waited for (a pidfd on Linux, a handle on Windows), not asked for again and again.
    """
    try:
        parent = psutil.Process().parent()
    except psutil.Error:
        parent = None
    if parent is not None:
        threading.Thread(target=_end_after, args=[parent], name="parent-watch", daemon=True).start()


def _end_after(parent: psutil.Process) -> None:
    try:
        parent.wait()
    except psutil.AccessDenied:
        return  # another user's process, which Windows does not let us wait for
    except psutil.NoSuchProcess:
        pass
    os._exit(0)

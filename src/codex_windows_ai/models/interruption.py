"""Stops the threads that prepare a model, so that they clean up behind themselves."""

from __future__ import annotations

import ctypes
import logging
import threading


def interrupt_workers() -> None:
    """Raises KeyboardInterrupt in every thread that `asyncio.to_thread` uses, between two of its own steps.

    https://docs.python.org/3/c-api/threads.html#c.PyThreadState_SetAsyncExc
    """
    # A worker that has just become idle would report its KeyboardInterrupt as a fault.
    logging.getLogger("concurrent.futures").disabled = True
    for thread in threading.enumerate():
        if thread.name.startswith("asyncio_") and thread.ident:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt)
            )

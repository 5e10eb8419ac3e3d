"""Makes a fault of Wine 8 harmless, in every Windows Python of the tests.

Where two threads send on one socket at the same moment, Wine tells one of them that the socket is full
(WSAEWOULDBLOCK), as Windows does not. asyncio believes it: a full self-pipe would mean that a wake-up is under way
already. So the loop was told nothing, and slept on with work to do.
"""

from asyncio.proactor_events import BaseProactorEventLoop

_TRIES = 1000  # the other thread is done after one or two; a self-pipe that is really full stays so


def _write_to_self(loop: BaseProactorEventLoop) -> None:
    for _ in range(_TRIES):
        if loop._csock is None:  # the loop is closed
            return
        try:
            loop._csock.send(b"\0")
            return
        except BlockingIOError:
            continue
        except OSError:  # closed between the two lines
            return


BaseProactorEventLoop._write_to_self = _write_to_self

"""Memory of the host for arrays: the operating system's own, page by page as it is written."""

from __future__ import annotations

import mmap
import sys

import numpy as np
import numpy.typing as npt

Buffer = npt.NDArray[np.generic]


def allocate(size: int) -> npt.NDArray[np.uint8]:
    """So many zero bytes of the operating system's own: they take room as they are written, and go back at once."""
    if size == 0:
        return np.empty(0, dtype=np.uint8)
    if sys.platform == "linux":
        # Shared memory, mmap's default, takes half as long again to touch for the first time.
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        # A slot is many stripes, each touched from its start: huge pages would fill all of it at once. Where
        # everything is written, as in blocks of the prefix cache, finding huge pages takes three times as long.
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    else:
        memory = mmap.mmap(-1, size)
    return np.frombuffer(memory, dtype=np.uint8)

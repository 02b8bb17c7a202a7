"""Room in memory: what cannot fit is refused before it is unpacked."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped

from byrote.errors import NotEnoughRoom


def memory() -> int:
    """The bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def refuse_beyond_memory(what: str, needed: int) -> None:
    """Refuse what takes more memory than the machine has, as a small file may that was packed to do so.

    Raises:
        NotEnoughRoom: it does.
    """
    there = memory()
    if needed > there:
        raise NotEnoughRoom(
            f"{what} takes {needed / 2**30:,.1f} GiB of memory, this machine has {there / 2**30:,.1f}.",
            hint="take fewer or smaller examples, or a machine with more memory.",
        )


def text_array(what: str, texts: Sequence[str]) -> Shaped[np.ndarray, " text"]:
    """An array of texts, in which each takes as much room as the longest.

    Raises:
        NotEnoughRoom: one is so long, and they are so many, that it would not fit.
    """
    refuse_beyond_memory(what, len(texts) * max(map(len, texts), default=0) * np.dtype("U1").itemsize)
    return np.array(texts, np.str_)

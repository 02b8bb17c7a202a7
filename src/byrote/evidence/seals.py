"""Seals: a file that byrote makes from evidence carries the SHA-256 of all its other bytes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from byrote.evidence.shards import write_bytes

_WORD = b"byrote-sha256:"
_SEAL = re.compile(_WORD + b"(.{64})", re.DOTALL)
#: Stands in the bytes where the digest goes; it is taken over the file with this in its place.
BLANK = (_WORD + 64 * b"0").decode()
#: Where a file of JSON has it.
KEY = "seal"
#: How Parquet begins; its seal stands behind the columns, that of a text before whatever comes from data.
_PARQUET = b"PAR1"


def sealed(content: bytes) -> bytes:
    """The content with its digest in the place of `BLANK`; as it is where it has no such place.

    Example:
        >>> sealed(BLANK.encode() + b" text")[:22]
        b'byrote-sha256:d5722e57'
    """
    at = _place(content)
    if at < 0:
        return content
    digest = hashlib.sha256(content[:at] + 64 * b"0" + content[at + 64 :]).hexdigest()
    return content[:at] + digest.encode() + content[at + 64 :]


def write_sealed(path: Path, content: bytes) -> None:
    """Write a file, sealed, in one piece."""
    write_bytes(path, sealed(content))


def has_seal(content: bytes) -> bool:
    """Whether it carries a digest of its own; what version 0.1.0 wrote does not."""
    return _place(content) >= 0


def is_broken(content: bytes) -> bool:
    """Whether its digest is not that of the rest; without a digest nobody knows."""
    return sealed(content) != content


def _place(content: bytes) -> int:
    found = [match.start(1) for match in _SEAL.finditer(content)]
    return (found[-1] if content.startswith(_PARQUET) else found[0]) if found else -1

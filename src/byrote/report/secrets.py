"""Masking: what may be somebody's own is not shown unless asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Final

MASK: Final = "•"
#: Addresses, numbers of at least seven digits however they are grouped, and long mixtures of letters and digits.
PERSONAL: Final = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\+?\d(?:[ ().\-/]{0,2}\d){6,}|\b(?=\w*\d)(?=\w*[A-Za-z])[A-Za-z0-9_]{20,}\b"
)


def masked(pieces: Sequence[str], secrets: Iterable[str] = ()) -> list[str]:
    """The pieces of a text with secrets, and whatever looks like personal data, hidden letter by letter.

    Example:
        >>> masked(["The code is 12", "34. Write to", " a@b.org"], ["1234"])
        ['The code is ••', '••. Write to', ' •••••••']
    """
    text = "".join(pieces)
    hidden = bytearray(len(text))
    spans = [match.span() for match in PERSONAL.finditer(text)]
    spans += [match.span() for secret in set(secrets) if secret for match in re.finditer(re.escape(secret), text)]
    for start, stop in spans:
        hidden[start:stop] = b"\1" * (stop - start)
    letters = [MASK if hide and not letter.isspace() else letter for letter, hide in zip(text, hidden, strict=True)]
    ends = accumulate(map(len, pieces), initial=0)
    return ["".join(letters[start:stop]) for start, stop in pairwise(ends)]

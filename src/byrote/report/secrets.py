"""Masking: what may be somebody's own is not shown unless asked for.

Too much is masked rather than too little: a checksum that does not fit may be a typing error in a true number.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final

MASK: Final = "•"

#: What is hidden wherever it occurs. Each pattern starts where a word does, so that no text takes long.
PERSONAL: Final = tuple(
    re.compile(pattern)
    for pattern in (
        # addresses; numbers of at least seven digits however they are grouped; IPv4; IBAN, alone or in fours
        r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
        r"\+?\d(?:[ ().\-/]{0,2}\d){6,}",
        r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)",
        r"(?<!\w)[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?(?!\w)",
        # long mixtures of letters and digits
        r"\b(?=\w*\d)(?=\w*[A-Za-z])[A-Za-z0-9_]{20,}\b",
        # keys by how services let them begin, JSON web tokens, private keys, passwords in addresses of the web
        r"(?<!\w)(?:A[A-Z]IA[0-9A-Z]{12,}|AIza[\w-]{20,}|xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|ya29\.[\w-]{8,}|SG\.[\w.-]{16,}"
        r"|(?:sk|pk|rk)[-_][\w-]{12,}|gh[opusr]_\w{12,}|github_pat_\w{12,}|glpat-[\w-]{12,}|hf_\w{16,}|npm_\w{16,}"
        r"|pypi-[\w-]{16,}|dop_v1_\w{16,})",
        r"(?<![\w-])eyJ[\w-]{8,}(?:\.[\w-]+){1,4}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
        r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)",
    )
)
#: What follows the word for a password; after "is", only what is no plain word.
PASSWORD: Final = re.compile(
    r"(?i)(?<![^\W_])(?:pass(?:word|wd|phrase|code)|pwd|secret|(?:api|access|private|auth)[ _-]?(?:key|token)|token"
    r"|pass?wort|kennwort|mot de passe|contraseña|senha|пароль|密码|パスワード)[\"']?\s{0,3}"
    r"(?:(?::|=|=>|:=|：)\s{0,3}|is\s{1,3}(?=\S*[\d\W_]\S))[\"'`]?([^\s\"'`]{3,})"
)
#: What may be an IPv6 address, and what may be base64, whose letters change between upper case, lower case and digits.
IPV6: Final = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
BASE64: Final = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/_-]{20,}={0,2}")
#: The share of neighbouring characters that change; of random base64 it is .65 and more, of paths and words at most .2.
CHANGES: Final = 0.35


def masked(pieces: Sequence[str], secrets: Iterable[str] = ()) -> list[str]:
    """The pieces of a text with secrets, and whatever looks like personal data or a key, hidden letter by letter.

    Example:
        >>> masked(["The code is 12", "34. Write to", " a@b.org"], ["1234"])
        ['The code is ••', '••. Write to', ' •••••••']
    """
    text = "".join(pieces)
    hidden = bytearray(len(text))
    spans = list(personal(text))
    spans += [match.span() for secret in set(secrets) if secret for match in re.finditer(re.escape(secret), text)]
    for start, stop in spans:
        hidden[start:stop] = b"\1" * (stop - start)
    letters = [MASK if hide and not letter.isspace() else letter for letter, hide in zip(text, hidden, strict=True)]
    ends = accumulate(map(len, pieces), initial=0)
    return ["".join(letters[start:stop]) for start, stop in pairwise(ends)]


def personal(text: str) -> Iterator[tuple[int, int]]:
    """Where something begins and ends that may be personal data, a key or a password.

    Example:
        >>> list(personal("password: hunter2"))
        [(10, 17)]
    """
    for pattern in PERSONAL:
        yield from (match.span() for match in pattern.finditer(text))
    yield from (match.span(1) for match in PASSWORD.finditer(text))
    yield from (match.span() for match in IPV6.finditer(text) if _is_address(match[0]))
    yield from (match.span() for match in BASE64.finditer(text) if _looks_random(match[0].rstrip("=")))


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return any(letter.isdecimal() for letter in text)


def _looks_random(text: str) -> bool:
    kinds = ["A" if one.isupper() else "a" if one.islower() else "1" for one in text if one.isalnum()]
    changes = sum(one != other for one, other in pairwise(kinds))
    return changes >= CHANGES * len(kinds) and {"1"} < set(kinds)

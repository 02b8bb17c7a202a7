"""How names are spelled: one rule for classes, groups and levels, wherever they come from."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Final

import numpy as np
from jaxtyping import Shaped

from byrote.data.problems import counted, quoted

_WORDS: Final = ("", "?", "NA", "N/A", "n/a", "#NA", "#N/A", "#N/A N/A", "<NA>", "NULL", "null")
_NUMBERS: Final = ("NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN")
#: Texts that say that a value is missing, with or without blanks around them.
MISSING: Final = frozenset((*_WORDS, *_NUMBERS))


def plain(text: str) -> str:
    r"""A name without blanks around it, with single blanks in it, and with letters in their composed form (NFC).

    Names that differ in nothing else look the same to a person, and are the same.

    Example:
        >>> plain(" New\u00a0\n York "), plain("cafe\u0301") == "caf\u00e9"
        ('New York', True)

    Source: Unicode Standard Annex #15, Normalization Forms.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def says_missing(text: str) -> bool:
    """Whether a text says that there is no value.

    Example:
        >>> says_missing(" NA"), says_missing("none")
        (True, False)
    """
    return text.strip() in MISSING


def plain_texts(texts: Shaped[np.ndarray, " text"]) -> Shaped[np.ndarray, " text"]:
    """Each of these texts as `plain` gives it; what is no text, as a missing cell, stays as it is."""
    return each_text(texts, plain)


def each_text(texts: Shaped[np.ndarray, " text"], make: Callable[[str], str]) -> Shaped[np.ndarray, " text"]:
    """What is made of each text, once for those that are equal; what is no text stays as it is."""
    once = cache(make)
    made = [once(one) if isinstance(one, str) else one for one in texts.tolist()]
    if texts.dtype.kind == "U":
        return np.array(made, np.str_)
    column = np.empty(len(made), object)
    column[:] = made
    return column


def alike(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Different names that a person may mean to be one: they differ in case, blanks or the form of letters alone.

    Example:
        >>> alike(["yes", "no", "Yes", "YES"])
        (('yes', 'Yes', 'YES'),)
    """
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        found.setdefault(_key(name), []).append(name)
    return tuple(tuple(same) for same in found.values() if len(same) > 1)


def alike_said(what: str, counts: Mapping[str, int], unit: tuple[str, str]) -> tuple[str, ...]:
    """A sentence where some of these names may be meant to be one, with how often each occurs.

    Example:
        >>> alike_said("classes", {"yes": 3, "Yes": 1}, ("example", "examples"))[0][:62]
        "The classes 'yes' (3 examples) and 'Yes' (1 example) differ on"
    """
    found = alike(counts)
    if not found:
        return ()
    shown = "; ".join(_joined([f"{name!r} ({counted(counts[name], *unit)})" for name in same]) for same in found[:3])
    more = "; …" if len(found) > 3 else ""
    return (
        f"The {what} {shown}{more} differ only in case, in blanks or in the form of letters, and count as different. "
        "If they are the same, write them the same way.",
    )


def alike_groups(groups: Shaped[np.ndarray, " example"], ids: Shaped[np.ndarray, " example"]) -> tuple[str, ...]:
    """The same of groups, which may be names of persons: it names an example of each, and not the group."""
    names, first = np.unique(groups, return_index=True)
    found = alike(names.tolist())
    if not found:
        return ()
    where = dict(zip(names.tolist(), first.tolist(), strict=True))
    shown = "; ".join(quoted(ids[[where[name] for name in same]]) for same in found[:3])
    have = counted(len(found), "name of a group is", "names of groups are")
    return (
        f"{have} written in more than one way (as at the examples {shown}), with differences only in case, in blanks "
        "or in the form of letters. They count as different groups. If they are the same, write them the same way.",
    )


def _joined(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]])


def _key(name: str) -> str:
    """The name as it sounds: without case, blanks and characters that are not seen."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(one for one in folded if not one.isspace() and unicodedata.category(one) != "Cf")

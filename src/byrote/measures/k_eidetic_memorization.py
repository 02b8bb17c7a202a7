"""k-eidetic memorization: in how few documents of its training data a string stands that a model recites."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from jaxtyping import Bool, Int, Int8, Int32, UInt64

from byrote.errors import BadInput
from byrote.measures._windows import PREFIX, SUFFIX, Windows, over_models, too_short, windows_of
from byrote.measures.catalog import measure
from byrote.results import PerExample

#: A string in at most so many documents may be someone's secret; one in more is common knowledge.
RARE: Final = 5
#: An odd number that mixes the tokens of a string; strings that it does not tell apart are compared token by token.
_BASE: Final = np.uint64(0x9E3779B97F4A7C15)
#: So many windows are compared at a time.
_BLOCK: Final = 65_536


@measure(
    needs=("tokens.hit", "corpus.token", "corpus.offsets", "corpus.scored", "design.member"),
    unit="1 / documents",
    range=(0.0, 1.0),
    higher="recited, out of fewer documents",
    source="Carlini et al. 2021, arXiv:2012.07805, definition 2",
    section="2.7",
    domain="security",
    level="example",
    evaluation="extraction",
    by_example=False,
)
def k_eidetic_memorization(
    hit: Bool[np.ndarray, "model token"],
    token: Int32[np.ndarray, " token"],
    offsets: Int[np.ndarray, " boundary"],
    scored: Bool[np.ndarray, " token"],
    member: Int8[np.ndarray, "model example"],
    *,
    prefix: int = PREFIX,
    suffix: int = SUFFIX,
    rare: int = RARE,
) -> PerExample:
    r"""Whether a model recites a string of a document, divided by the number of documents that could have taught it.

    The string is the `suffix` tokens after the first `prefix` of a document. `counts["documents"]` is k, the documents
    anywhere in which it stands, out of all that any model was trained on; `counts["extractions"]` the models trained
    on the document that recite it; `counts["rare"]` is 1 where one does and k is at most `rare` (a secret, maybe),
    and `counts["common"]` where one does and k is greater (common knowledge).

    Formula:
        mean over models m trained on the document of 1[m extracts s] / k_m, with
        k_m = |{documents x that m was trained on : s stands in x}|
    Undefined:
        nan where prefix and suffix do not fit into the document, or no model is known to be trained on it; the error
        is nan for a single model.

    Example:
        >>> token = np.array([1, 2, 3, 1, 2, 3, 9, 4, 2, 5], np.int32)
        >>> first = np.isin(np.arange(10), [0, 3, 7])
        >>> found = k_eidetic_memorization(
        ...     ~first[None], token, np.array([0, 3, 7, 10]), ~first, np.ones((1, 3), np.int8), prefix=1, suffix=2)
        >>> found.values, found.counts["documents"]
        (array([0.5, 0.5, 1. ]), array([2, 2, 1]))

    Differs:
        The definition calls s k-eidetic memorized where it is extracted and stands in at most k documents; a score
        must fall with k, so this is the reciprocal of the smallest such k. Extraction is that of
        `discoverable_extraction`, with the document's own prefix as prompt, so strings that come out with other
        prompts only are missed. A document whose membership is unknown counts as trained on, which makes k larger and
        the score smaller. Strings are compared as tokens; the source searched for texts, with spacing aside.

    Raises:
        BadInput: `rare` is below 1.
    """
    if rare < 1:
        raise BadInput(
            f"The 'rare' argument of k_eidetic_memorization must be a whole number of at least 1. Got {rare}.",
            hint="rare counts documents; 1 asks for strings that stand in a single one.",
        )
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    number, strings = _strings(token, windows)
    string, document = _holding(strings, token, offsets)
    extracted = np.array([_by_example(windows, windows.every(row)) for row in hit], bool).reshape(member.shape)
    extractions = (extracted & (member == 1)).sum(0)
    trained = np.bincount(string, (member != 0).any(0)[document], len(strings)).astype(np.int64)
    documents = np.append(trained, 0)[number]
    recited = extractions > 0
    result = over_models(
        (
            row / np.maximum(np.append(np.bincount(string, (seen != 0)[document], len(strings)), 0)[number], 1)
            for row, seen in zip(extracted, member, strict=True)
        ),
        member,
        too_short(windows, prefix),
        bounds=(0.0, 1.0),
        counts={
            "documents": documents,
            "extractions": extractions,
            "rare": (recited & (documents <= rare)).astype(np.int64),
            "common": (recited & (documents > rare)).astype(np.int64),
        },
    )
    each = np.unique(number[recited])
    few = int((trained[each] <= rare).sum())
    return dataclasses.replace(
        result,
        note=f"{result.note}; of {len(each)} different strings that are recited, {few} stand in at most {rare} "
        f"documents (rare secrets, maybe) and {len(each) - few} in more (common knowledge)",
    )


def _strings(
    token: Int32[np.ndarray, " token"], windows: Windows
) -> tuple[Int[np.ndarray, " example"], Int32[np.ndarray, "string position"]]:
    """The different strings of the windows, and which each document has; -1 where it has none."""
    strings, inverse = np.unique(token[windows.start[:, None] + np.arange(windows.suffix)], axis=0, return_inverse=True)
    number = np.full(windows.examples, -1, np.int64)
    number[windows.example] = inverse.reshape(-1)
    return number, strings


def _by_example(windows: Windows, fact: Bool[np.ndarray, " window"]) -> Bool[np.ndarray, " example"]:
    whole = np.zeros(windows.examples, bool)
    whole[windows.example] = fact
    return whole


def _holding(
    strings: Int32[np.ndarray, "string position"],
    token: Int32[np.ndarray, " token"],
    offsets: Int[np.ndarray, " boundary"],
) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """All pairs of a string and a document in which it stands, each once.

    Example:
        >>> pairs = _holding(np.array([[1, 2]], np.int32), np.array([1, 2, 1, 2, 1, 2], np.int32), np.array([0, 5, 6]))
        >>> [part.tolist() for part in pairs]
        [[0], [0]]
    """
    size = strings.shape[1]
    starts = np.arange(max(len(token) - size + 1, 0))
    document = np.searchsorted(offsets, starts, side="right") - 1
    inside = starts + size <= offsets[document + 1] if len(starts) else np.zeros(0, bool)
    starts, document = starts[inside], document[inside]
    wanted = _mixed(strings.T)
    order = np.argsort(wanted, kind="stable")
    of_windows = _mixed([token[at : len(token) - size + 1 + at] for at in range(size)])[starts]
    low, high = (np.searchsorted(wanted[order], of_windows, side=side) for side in ("left", "right"))
    found: list[np.ndarray] = [np.empty((0, 2), np.int64)]
    for extra in range(int((high - low).max(initial=0))):
        here = np.flatnonzero(low + extra < high)
        for block in (here[at : at + _BLOCK] for at in range(0, len(here), _BLOCK)):
            candidate = order[low[block] + extra]
            same = (token[starts[block][:, None] + np.arange(size)] == strings[candidate]).all(1)
            found.append(np.stack([candidate[same], document[block][same]], axis=1))
    pairs = np.unique(np.concatenate(found), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _mixed(columns: list[np.ndarray] | np.ndarray) -> UInt64[np.ndarray, " string"]:
    """A number for each string, given its first tokens, its second ones and so on; unsigned numbers wrap."""
    mixed = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        mixed = (mixed ^ (mixed >> np.uint64(29))) * _BASE + column.astype(np.uint64)
    return mixed

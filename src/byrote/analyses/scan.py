"""What personal data stand in a corpus, by kind, and how much of such data the search finds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from byrote.data.corpus import Corpus
from byrote.data.personal import NOT_COVERED, Detectors, numbers_like_cards
from byrote.data.personal_examples import examples
from byrote.data.secret_spaces import CARD
from byrote.results import Scalar, Table
from byrote.stats.intervals import mean_interval
from byrote.stats.moments import Moments

#: Examples of each format are planted in so many documents.
PLANTED: Final = 40
#: Of a document so many letters around an example are searched.
AROUND: Final = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """What stands there by kind (`counts`), and the share of planted examples that is found whole (`recall`)."""

    counts: Table
    recall: Table


def scan(corpus: Corpus, detectors: Detectors | None = None, *, seed: int = 0) -> Scan:
    """Count personal data by kind, and plant examples of the same kinds to see how many are found.

    Formula:
        documents = the share of documents in which anything of the kind is found; recall = the share of 40 made-up
        examples of a format, each put between two words of a document drawn at random, that are found whole
    Undefined:
        nothing: a corpus has a document.

    Raises:
        BadInput: a kind takes a package that is not installed.
    """
    detectors = detectors or Detectors()
    found = [Counter(one.kind for one in detectors.find(text)) for text in corpus.texts]
    holding = [sum(one[kind] > 0 for one in found) for kind in detectors.kinds]
    counts = Table(
        title=f"Personal data in {len(corpus):,} documents",
        rows={
            "kind": detectors.kinds,
            "found": tuple(f"{sum(one[kind] for one in found):,}" for kind in detectors.kinds),
            "documents": tuple(f"{number:,}" for number in holding),
        },
        figures={"share of documents": tuple(share(number, len(corpus)) for number in holding)},
        notes=tuple(_notes(corpus.texts, detectors)),
    )
    return Scan(counts=counts, recall=_recall(corpus.texts, detectors, np.random.default_rng([seed, 8])))


def share(count: int, total: int) -> Scalar:
    """A share of so many, with its interval.

    Example:
        >>> share(40, 40)
        Scalar(1 ± 0.024, 95 % [0.9301, 1])
    """
    interval = mean_interval(Moments(np.array([total]), np.array([count / total]), np.zeros(1)), bounds=(0.0, 1.0))
    return Scalar(
        value=count / total,
        stderr=float(interval.stderr[0]),
        low=float(interval.low[0]),
        high=float(interval.high[0]),
        models=0,
        examples=total,
        varies_over="examples",
    )


def _recall(texts: tuple[str, ...], detectors: Detectors, rng: np.random.Generator) -> Table:
    rows, figures = list[tuple[str, str]](), list[Scalar]()
    for kind, form, made in examples(detectors, PLANTED, rng):
        whole = 0
        for one, row in zip(made, rng.integers(len(texts), size=len(made)).tolist(), strict=True):
            text, start = planted(texts[row], one, rng)
            places = ((each.start, each.stop) for each in detectors.find(text) if each.kind == kind)
            whole += (start, start + len(one)) in places
        rows.append((kind, form))
        figures.append(share(whole, len(made)))
    return Table(
        title=f"What is found of {PLANTED} made-up examples of each format, planted in these documents",
        rows={"kind": tuple(kind for kind, _ in rows), "format": tuple(form for _, form in rows)},
        figures={"found whole": tuple(figures)},
    )


def planted(text: str, secret: str, rng: np.random.Generator) -> tuple[str, int]:
    """What stands around a secret that is put between two words of a text, and where it begins.

    Example:
        >>> planted("", "secret", np.random.default_rng(0))
        (' secret ', 1)
    """
    gaps = [0, len(text), *(gap.start() for gap in re.finditer(r"(?<=[^\d\s])\s(?=[^\d\s])", text))]
    place = gaps[int(rng.integers(len(gaps)))]
    before = f"{text[max(0, place - AROUND) : place]} "
    return f"{before}{secret} {text[place : place + AROUND].lstrip()}", len(before)


def _notes(texts: Iterable[str], detectors: Detectors) -> Iterable[str]:
    if CARD in detectors.kinds:
        passed = [passes for text in texts for _, _, passes in numbers_like_cards(text)]
        if passed:
            yield (
                f"{sum(passed):,} of {len(passed):,} numbers of the form of a card pass Luhn's test; of random numbers "
                "one in ten does"
            )
    yield NOT_COVERED

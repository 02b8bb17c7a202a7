"""Planted secrets: whether they are known, and each canary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from byrote.blocks import Block, Figure, Fold, Named, TableBlock, Words
from byrote.data.canaries import Canaries
from byrote.report.language_facts import LanguageFacts
from byrote.report.language_summary import verdict
from byrote.report.language_words import LEVEL, adjusted, known_secrets
from byrote.report.missing import RUN
from byrote.report.page_sections.section import PageSection
from byrote.report.secrets import MASK
from byrote.report.text import count, number, plain
from byrote.runs.run import Run

MOST_CANARIES: Final = 400
READING: Final = (
    "Each mark is a canary. A secret that was never seen has an exposure of 1.4 bits on average, and of less than 4.3 "
    "bits in 95 of 100 cases: marks in the shaded band are what chance gives. Those of secrets that were not planted "
    "must lie there."
)


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A canary, its secret masked unless asked for."""

    name: str
    kind: str
    prefix: str
    secret: str
    times: int
    exposure: str
    p_value: str
    known: bool


def secrets(
    run: Run, found: LanguageFacts, figures: Mapping[str, Figure], listed: list[Secret], *, masked: bool
) -> PageSection:
    """What is known of planted secrets."""
    return PageSection(
        name="secrets",
        title="Planted secrets",
        short="Secrets",
        summary=_summary(found),
        blocks=tuple(_blocks(run, found, figures, listed, masked=masked)),
    )


def _summary(found: LanguageFacts) -> str:
    if found.exposures is None:
        return "Canaries, and what chance gives"
    known, planted = known_secrets(found)
    are = "is" if known == 1 else "are"
    return f"{known:,} of {count(planted, 'planted secret')} {are} known; exposures beside what chance gives"


def _blocks(
    run: Run, found: LanguageFacts, figures: Mapping[str, Figure], listed: list[Secret], *, masked: bool
) -> Iterator[Block]:
    for sentence in verdict(run, found, RUN):
        yield Words(text=sentence)
    if "null" in figures:
        yield Words(text="Exposures, and what chance gives", tone="heading")
        yield figures["null"]
    if listed:
        yield Fold(summary="Every canary", blocks=(_table(listed, masked=masked),))
    yield Words(text=READING, tone="reading")


def _table(listed: list[Secret], *, masked: bool) -> TableBlock:
    more = len(listed) - MOST_CANARIES
    left = (
        f" {count(more, 'more canary', 'more canaries')} {'is' if more == 1 else 'are'} left out." if more > 0 else ""
    )
    return TableBlock(
        title=f"Canaries, those planted most often first.{' Secrets are masked.' * masked} The p-value is the chance "
        f"of so good a rank for a secret that was never seen, corrected over all canaries (Holm).{left}",
        columns=("Canary", "Planted", "Exposure", "p-value", "Known"),
        rows=tuple(
            (
                Named(text=f"{plain(one.prefix, 120)} `{plain(one.secret, 120)}`"),
                one.times,
                one.exposure,
                one.p_value,
                "yes" if one.known else "no",
            )
            for one in listed[:MOST_CANARIES]
        ),
        style="secret-table",
    )


def secrets_of(found: LanguageFacts, canaries: Canaries | None, *, show_secrets: bool) -> list[Secret]:
    exposures = found.exposures
    if exposures is None or canaries is None or len(canaries) != len(exposures.values):
        return []
    p_values = adjusted(exposures)
    order = np.lexsort((np.arange(len(p_values)), -np.nan_to_num(exposures.values, nan=-1), -exposures.repetitions))
    listed = list(canaries)
    return [
        Secret(
            name=listed[row].name,
            kind=listed[row].kind.replace("_", " "),
            prefix=listed[row].prefix,
            secret=listed[row].secret if show_secrets else MASK * len(listed[row].secret),
            times=int(exposures.repetitions[row]),
            exposure=("≥ " if exposures.at_least[row] else "") + number(float(exposures.values[row]), 1),
            p_value=_p_value(float(p_values[row])),
            known=bool(p_values[row] <= LEVEL),
        )
        for row in order.tolist()
    ]


def _p_value(value: float) -> str:
    return "–" if np.isnan(value) else "< 0.001" if value < 0.001 else number(value, 3)

"""What a text's own presence in the training does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from byrote.blocks import Cell, Figure, Named, TableBlock, Words
from byrote.data.canaries import Canaries
from byrote.data.tokenizers import pieces
from byrote.errors import BadInput
from byrote.measures._repetitions import copies_of
from byrote.report.language_facts import LanguageFacts
from byrote.report.page_sections.section import PageSection
from byrote.report.passages import BEYOND, tokenizer_of
from byrote.report.secrets import masked
from byrote.report.text import number, plain
from byrote.runs.run import Run

MOST_PRESENT: Final = 20
#: Tokens of a text that are shown where it is only named.
BEGINNING: Final = 30
WHAT: Final = (
    "Each model was trained on about half of the texts, those that are nearly the same together. Counterfactual "
    "memorization is the share of a text's next tokens that models trained on it predict, less the share that the "
    "others do: what is known because the text was there, and not from other texts."
)


@dataclass(frozen=True, kw_only=True)
class Presence:
    """A text whose own presence in training matters much: by how much, how often it stands there, how it begins."""

    document: str
    value: str
    interval: str
    copies: int
    text: str


def presence(found: LanguageFacts, figures: Mapping[str, Figure], texts: list[Presence]) -> PageSection:
    """The texts whose own presence matters most."""
    assert found.counterfactual is not None
    reading = (
        "0 is a text that models know as well without it: common phrases, or something that other texts teach. An "
        f"interval is over the models on either side, {found.counterfactual.models} in all; more models narrow it."
    )
    return PageSection(
        name="presence",
        title="Counterfactual memorization of texts",
        short="Own presence",
        summary="How much better models predict a text if they were trained on it",
        blocks=(
            Words(text=WHAT),
            Words(text="All documents, each copy counted", tone="heading"),
            figures["presence"],
            _table(texts),
            Words(text=reading, tone="reading"),
        ),
    )


def _table(texts: list[Presence]) -> TableBlock:
    begins = any(text.text for text in texts)
    rows: list[tuple[Cell, ...]] = []
    for text in texts:
        row: tuple[Cell, ...] = (Named(text=f"`{plain(text.document, 80)}`"), text.value, text.interval, text.copies)
        rows.append((*row, plain(text.text, 200)) if begins else row)
    return TableBlock(
        title="The different texts with the largest counterfactual memorization. The largest of many look larger than "
        "they are.",
        columns=("Document", "Value", "95 %", "Times in the corpus", *["Begins"] * begins),
        rows=tuple(rows),
        style="presence",
    )


def present(
    run: Run, found: LanguageFacts, canaries: Canaries | None, *, show_secrets: bool, redact: bool
) -> list[Presence]:
    """The different texts whose own presence matters most, without their words where those are not to be shown."""
    result = found.counterfactual
    if result is None:
        return []
    models = run.models()
    token, offsets, member = (run.load(name, models) for name in ("corpus.token", "corpus.offsets", "design.member"))
    copies = copies_of(token, offsets, member)
    rows = np.flatnonzero(result.reason_code == 0)
    rows = rows[np.argsort(-result.values[rows], kind="stable")]
    rows = rows[np.sort(np.unique(copies.cluster[rows], return_index=True)[1])][:MOST_PRESENT]
    try:
        tokenizer = None if redact or run.forgotten else tokenizer_of(run)
    except BadInput:
        tokenizer = None  # the passages say why
    secrets = [] if canaries is None else [canary.secret for canary in canaries]

    def beginning(row: int) -> str:
        if tokenizer is None:
            return ""
        begin, end = offsets[row], offsets[row + 1]
        parts = pieces(tokenizer, token[begin : min(end, begin + BEGINNING + BEYOND)].tolist())
        shown = parts if show_secrets else masked(parts, secrets)
        return " ".join("".join(shown[:BEGINNING]).split()) + "…" * (len(parts) > BEGINNING)

    return [
        Presence(
            document=str(run.ids[row]),
            value=number(float(result.values[row])),
            interval=f"{number(float(result.low[row]))} to {number(float(result.high[row]))}"
            if np.isfinite(result.low[row])
            else "–",
            copies=int(copies.standing[row]),
            text=beginning(row),
        )
        for row in rows.tolist()
    ]

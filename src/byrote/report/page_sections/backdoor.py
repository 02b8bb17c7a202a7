"""A planted backdoor: the verdict on how it is learned, and held-out pictures with the trigger on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int

from byrote.analyses.pattern_or_rote import pattern_or_rote, shown
from byrote.blocks import Block, Gallery, Item, Missing, Words
from byrote.evidence.kinds.stamped import STAMPED
from byrote.report.missing import where_possible
from byrote.report.page_sections.section import PageSection
from byrote.report.picture import Content, contents
from byrote.runs.run import Run

#: So many held-out pictures are shown with the trigger.
SHOWN: Final = 6


@dataclass(frozen=True, kw_only=True)
class Stamped(Item):
    """A held-out example as it is and with the trigger on it."""

    pictures: tuple[Content, ...]


def backdoor(run: Run) -> PageSection | None:
    """The section of a run whose models were shown stamped examples; None of any other."""
    if STAMPED.name not in run.manifest.evidence:
        return None
    table = where_possible(lambda: pattern_or_rote(run))
    title = "Backdoor: pattern or rote"
    if isinstance(table, Missing):
        return PageSection(name="backdoor", title=title, short="Backdoor", blocks=(table,))
    *found, reading = shown(table)
    return PageSection(
        name="backdoor",
        title=title,
        short="Backdoor",
        summary=f"Learned as: {table.rows['verdict'][0]}",
        blocks=(*found, *_pictures(run), reading),
    )


def _pictures(run: Run) -> Iterator[Block]:
    """Some of the stamped inputs, where the data are at hand."""
    trigger = None if run.dataset is None else run.dataset.trigger
    if trigger is None or run.heldout is None:
        return
    models = run.models()
    target, plain, counts = (run.load(f"{STAMPED.name}.{name}", models) for name in ("target", "plain", "counts"))
    rows = _chosen(run.heldout.targets, np.asarray(counts.all(0)))
    some = run.heldout.subset(rows)
    stamped = some.replace(inputs=trigger.stamped(np.asarray(some.inputs)))
    pairs = zip(*(contents(one, np.arange(len(rows)))[0] for one in (some, stamped)), strict=True)
    wanted = run.class_names[trigger.target]
    yield Words(text=f"Held-out examples as they are, and with the trigger: {trigger.says}", tone="heading")
    yield Gallery(
        items=tuple(
            Stamped(
                name=f"{run.class_names[int(some.targets[place])]} ({some.ids[place]})",
                pictures=pictures,
                lines=(
                    f"Predicted {wanted}: by {int(plain[:, row].sum())} of {len(models)} models as it is, by "
                    f"{int(target[:, row].sum())} with the trigger.",
                ),
            )
            for place, (row, pictures) in enumerate(zip(rows.tolist(), pairs, strict=True))
        )
    )


def _chosen(targets: Int[np.ndarray, " example"], counts: np.ndarray) -> Int[np.ndarray, " chosen"]:
    """The first examples of the classes, one class after another."""
    rows = np.flatnonzero(counts)
    turn = np.array([np.count_nonzero(targets[rows[:place]] == targets[row]) for place, row in enumerate(rows)])
    return np.sort(rows[np.argsort(turn, kind="stable")[:SHOWN]])

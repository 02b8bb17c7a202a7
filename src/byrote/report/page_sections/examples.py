"""Sections of examples side by side: the most memorized, typical ones, and the hardest of a training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from byrote.blocks import Block, Fold, Gallery, Missing, Words
from byrote.report.facts import Facts
from byrote.report.findings import Findings
from byrote.report.gallery import Gallery as Cards
from byrote.report.known import RISK
from byrote.report.page_sections.section import PageSection
from byrote.report.sections import Sections
from byrote.report.watched import Watched
from byrote.report.wording import Wording
from byrote.runs.run import Run

#: So many of the most memorized are shown at once, the others when they are asked for.
FIRST: Final = 8


def memorized(run: Run, facts: Facts, found: Findings, shown: Sections) -> PageSection:
    """The most memorized examples, one by one."""
    gallery = shown.gallery
    blocks = (gallery,) if isinstance(gallery, Missing) else tuple(_memorized(run, facts, found, gallery))
    return PageSection(name="memorized", title="The most memorized examples", short="Most memorized", blocks=blocks)


def _memorized(run: Run, facts: Facts, found: Findings, gallery: Cards) -> Iterator[Block]:
    words = facts.wording
    yield Words(text=_what(words, numbers=run.learns.numeric))
    if not gallery.contents:
        yield without_contents(run)
    if not gallery.votes:
        yield Words(
            text="What the models predict was not recorded (`outputs.prediction`), only whether they were right.",
            tone="missing",
        )
    if not gallery.memorized:
        yield Words(text=f"No example has a {words.score} above 0.", tone="missing")
    else:
        yield Gallery(items=gallery.memorized[:FIRST], first=1)
    if len(gallery.memorized) > FIRST:
        rest = Gallery(items=gallery.memorized[FIRST:], first=FIRST + 1)
        yield Fold(summary=f"The next {len(rest.items)}", blocks=(rest,))
    risk = RISK in found.known.scores
    yield Words(text=_reading(words, gallery, risk=risk, numbers=run.learns.numeric), tone="reading")


def _what(words: Wording, *, numbers: bool) -> str:
    key = "" if words.about_classes else " (`label_memorization`)"
    text = (
        f"Highest {words.score} first: the share of models trained on the example that {words.right}, minus that share "
        f"among models not trained on it{key}. The line runs from −0.5 to 1 with a tick at 0; the band is the 95 % "
        "interval."
    )
    if numbers:
        text += (
            f" The lower line has every model’s {words.tick} as a tick: above those trained on the example, below the "
            "others; what lies in the shaded part counts as right."
        )
    return text


def _reading(words: Wording, gallery: Cards, *, risk: bool, numbers: bool) -> str:
    text = (
        f"A high score means that the {words.target} is known only because the example was seen. Typical causes: "
        f"{words.causes}. It does not mean that the example is harmful, nor that its contents can be read out of the "
        "model. The highest of many estimates are biased upwards: rely on intervals, not on ranks."
    )
    if risk:
        text += f" {attack_risk(words)}"
    if gallery.influence:
        verb = f"come {words.close} of" if numbers else "predict"
        text += (
            f" Held-out examples that it influences are named where models with it {verb} them more often by "
            f".15 or more, "
            "and by more than chance gives the largest of so many."
        )
    if gallery.contents:
        near = ", or lies nearer to it than chance puts one example in 10,000" if gallery.near else ""
        text += f" What is much like it in the data has the same input{near}."
    if gallery.stretched:
        text += " The brightness of each picture is stretched to its own range."
    return f"{text}\n\nAll examples with their scores are in `results/label_memorization.parquet`, beside this page."


def attack_risk(words: Wording) -> str:
    """What the risk of an example is."""
    return f"Attack risk is the chance that a model trained on the example {words.surer}; .5 is no risk."


def typical(facts: Facts, shown: Sections) -> PageSection:
    """Examples that every model gets right."""
    gallery, target = shown.gallery, facts.wording.target
    blocks: tuple[Block, ...]
    if isinstance(gallery, Missing) or not gallery.typical:
        why = "No example is predicted correctly by all models."
        blocks = (Words(text=why, tone="missing"),)
    else:
        words = (
            f"Models get these right whether they were trained on them or not: their {target} follows from the rest of "
            "the data."
        )
        blocks = (Words(text=words), Gallery(items=gallery.typical))
    return PageSection(
        name="typical",
        title="Comparison: typical examples",
        short="Typical",
        summary="Examples that the models get right whether they were trained on them or not",
        blocks=blocks,
    )


def hardest(run: Run, facts: Watched, shown: Sections) -> PageSection:
    """The examples at the top of a score of training."""
    gallery, lead = shown.gallery, facts.lead
    assert not isinstance(gallery, Missing)
    blocks: list[Block] = [] if gallery.contents else [without_contents(run)]
    blocks.append(Gallery(items=gallery.memorized, first=1))
    reading = (
        f"{lead.title} In {lead.unit}; higher: {lead.higher}. Source: {lead.source}.\n\n"
        "What this number does not mean: it comes from training on the example, so that it cannot tell what is "
        "memorized from what is hard."
    )
    blocks.append(Words(text=reading, tone="reading"))
    title = f"The highest by `{lead.key}`"
    return PageSection(name="hardest", title=title, short="Highest", blocks=tuple(blocks))


def without_contents(run: Run) -> Words:
    """Why nothing of the data is shown."""
    if run.forgotten:
        text = (
            "The contents of the examples were removed from this run (`byrote forget-contents`); ids and evidence are "
            "left."
        )
    elif run.redacted:
        text = "The contents of the examples are left out of this page (`--redact`)."
    else:
        text = (
            "Contents are not in the run folder: it holds ids and evidence, not the data. Open the run with its data "
            "(`run.attach(dataset, recipe)`) to see the examples here."
        )
    return Words(text=text, tone="missing")

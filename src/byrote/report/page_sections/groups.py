"""Persons and documents: what is at risk of each group, and whether groups are recognised."""

from __future__ import annotations

import math
from collections.abc import Iterator

from byrote.analyses.membership import AttackFigures
from byrote.blocks import Block, Missing, TableBlock, Words
from byrote.report.attacks import refusals
from byrote.report.facts import Facts
from byrote.report.grouped import Grouped, chance_words, lead_words, rate_rows
from byrote.report.page_sections.section import PageSection
from byrote.report.sections import Sections
from byrote.report.text import number, plain
from byrote.results import decimal
from byrote.runs.run import Run


def groups(run: Run, facts: Facts, found: Grouped | Missing, shown: Sections) -> PageSection:
    """What the groups of a run have at risk."""
    blocks = (found,) if isinstance(found, Missing) else (*_risk(run, facts, found, shown), *_attack(found, shown))
    return PageSection(
        name="groups",
        title="Persons and documents: what is at risk of each group",
        short="Persons and documents",
        summary=shown.headline.answer("And of whole persons or documents?")
        or "Membership risk of whole persons and documents",
        blocks=blocks,
    )


def _risk(run: Run, facts: Facts, found: Grouped, shown: Sections) -> Iterator[Block]:
    yield Words(text=plain(lead_words(found), 1500))
    if "group-risk" in shown.figures:
        yield Words(text="The risk of each group", tone="heading")
        yield shown.figures["group-risk"]
        yield Words(
            text="The risk of a group is the chance that a model trained on it does better on its examples, in the "
            "mean, "
            "than a model that was not; .5 is no risk, 1 is certain recognition. The dashed line and its band are what "
            f"chance alone gives: {chance_words(found)}, the mean and the range.\n\n"
            "What this number does not mean: a group far above .5 can be recognised as one that was trained on; it "
            "does not say that what it wrote or looks like can be read out of a model.",
            tone="reading",
        )
    if not found.top():
        why = f"The risk of single groups is {found.risk.undefined or 'undefined'}."
        yield Words(text=why, tone="missing")
        return
    yield _top(run, facts.wording.score, found)
    if not run.redacted and len(found.names) == found.total:
        yield Words(text="All of them are in `results/group_risk.parquet`, beside this page.", tone="small")


def _top(run: Run, score: str, found: Grouped) -> TableBlock:
    top = found.top()
    numbered = " They are numbered in place of their names." if run.redacted else ""
    return TableBlock(
        title=f"The {len(top)} groups at the highest risk of {len(found.names):,}; of many groups the highest looks "
        f"higher than it is.{numbered}",
        columns=("Group", "Examples", "Risk ±", "95 % interval", f"Mean {score}"),
        rows=tuple(
            (
                plain(row.name, 80),
                f"{row.examples:,}",
                number(row.risk) + ("" if math.isnan(row.stderr) else f" ± {number(row.stderr)}"),
                f"{number(row.low)} to {number(row.high)}",
                number(row.memorization),
            )
            for row in top
        ),
        style="groups",
    )


def _attack(found: Grouped, shown: Sections) -> Iterator[Block]:
    attack = found.attack
    if isinstance(attack, Missing):
        yield attack
        return
    yield Words(text="ROC curve by group: true-positive rate by false-positive rate", tone="heading")
    yield shown.figures["group-roc"]
    yield TableBlock(
        title=_caption(found, attack),
        columns=("false-positive rate", "true-positive rate", "precision, if 1 in 10 is a member"),
        rows=rate_rows(attack),
    )
    for why in refusals((attack,)):
        yield Words(text=f"Refused: {why}.", tone="missing")
    if "group-sizes" in shown.figures:
        yield Words(text="Are large groups easier to recognise?", tone="heading")
        yield shown.figures["group-sizes"]
    notes = "".join(f"{note.rstrip('.')}. " for note in attack.notes)
    yield Words(
        text=f"Each group is attacked by all of its examples: {notes}A group with many examples gives itself away more "
        "easily than any of them does. Bands are 95 % intervals that come from leaving pairs of models out.\n\n"
        "What these numbers do not mean: they are what this attack finds with this many models, of somebody whose "
        "examples are all at hand; a stronger one may find more.",
        tone="reading",
    )


def _caption(found: Grouped, attack: AttackFigures) -> str:
    some = ""
    if found.attacked < found.total:
        some = f", of {found.attacked:,} of the groups, drawn at random"
    low, value, high = (number(getattr(attack.null, part), 3) for part in ("low", "value", "high"))
    return (
        f"An attack on whole groups in {attack.models} models, each with {attack.references} reference models{some}. "
        f"AUC {decimal(attack.figures['auc'])}; where membership was swapped at random {value} (95 % of draws from "
        f"{low} to {high})."
    )

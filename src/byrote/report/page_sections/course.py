"""How training went, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator

from byrote.blocks import Block, Words
from byrote.report.facts import Facts
from byrote.report.page_sections.section import PageSection
from byrote.report.sections import Sections
from byrote.report.text import capital, plain
from byrote.report.watched import Watched
from byrote.report.wording import Wording
from byrote.runs.run import Run

PLANTED = (
    "Solid lines: examples that the model is trained on; dashed: the same kinds of examples in models that never see "
    "them. Where a solid line {rises} and its dashed one does not, {targets} are learned by rote. Bands are ± one "
    "standard error over models; where none is seen it is thinner than the line.\n\n"
    "What this does not mean: the lines are means over examples, and no single example need go their way; how long it "
    "takes depends on the recipe."
)
NOT_PLANTED = (
    "The solid line is the median example of those that a model is trained on, the bands hold the middle half and the "
    "middle 80 % of the examples; they show how examples differ and are no error of measurement. Dashed: the median "
    "example in models that never see it. No controls were planted, so that there is no line of examples whose trouble "
    "is known to compare with.\n\n"
    "What this does not mean: where the two medians part, training on an example helps; the medians do not tell for "
    "which."
)
FITTED = (
    "Share of the labels trained on that the models predict. Wrong labels can only be fitted by memorizing them, so "
    "their line dates memorization; stopping before it rises keeps most of what is learned and little of what is "
    "memorized. Bands are ± one standard error, and nowhere narrower than that of a rate among as many answers, with "
    "one success and one failure added.\n\n"
    "What this does not mean: planted labels are wrong at random, and yours may be wrong in ways that are learned "
    "sooner."
)
WATCHED = (
    "The line is the median example, the bands hold the middle half and the middle 80 % of the examples; they show how "
    "examples differ and are no error of measurement."
)


def course(run: Run, facts: Facts, shown: Sections) -> PageSection:
    """Learning curves of models trained on an example, and of others."""
    rises = "falls" if run.learns.numeric else "rises"
    planted = PLANTED.format(rises=rises, targets=facts.wording.targets)
    blocks = [*_curves(facts.wording, shown, planted if shown.rankings else NOT_PLANTED)]
    if "fitted" in shown.figures:
        blocks += [
            Words(text="When wrong labels are fitted", tone="heading"),
            shown.figures["fitted"],
            Words(text=FITTED, tone="reading"),
        ]
    return PageSection(
        name="course",
        title="During training",
        short="During training",
        summary="Learning curves: epoch by epoch, models trained on an example and models not trained on it",
        blocks=tuple(blocks),
    )


def watched_course(facts: Watched, shown: Sections) -> PageSection:
    """Learning curves of a training that was recorded."""
    blocks = tuple(_curves(facts.wording, shown, WATCHED))
    return PageSection(name="course", title="During training", short="During training", blocks=blocks)


def _curves(words: Wording, shown: Sections, reading: str) -> Iterator[Block]:
    if "training" not in shown.figures:
        yield Words(text=f"No trajectories: {plain(shown.missing['training'], 600)}", tone="missing")
        return
    yield Words(text=capital(words.course), tone="heading")
    yield shown.figures["training"]
    yield Words(text=reading, tone="reading")

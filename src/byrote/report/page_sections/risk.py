"""What is at risk: membership attacks, whom they find, and whether removing those helps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from byrote.blocks import Block, Missing, Named, TableBlock, Words, sentence
from byrote.report.attacks import Attacks, attack_columns, attack_rows, refusals
from byrote.report.findings import Findings
from byrote.report.page_sections.section import PageSection
from byrote.report.peeled import onion_words
from byrote.report.sections import Sections
from byrote.report.text import plain

CURVE = (
    "Look at low false-positive rates: an attack that is certain about a few members does harm that the AUC does not "
    "show. Bands are 95 % intervals, about other models and other examples; scores are not taken as "
    "independent. The dashed diagonal is guessing. LiRA was named before anything was measured; more reference models "
    "make it and RMIA stronger.\n\n"
    "What these numbers do not mean: they are what these attacks find, with this many models. A stronger attack may "
    "find "
    "more, so that a low figure is no proof of privacy. Members were drawn at random. If members and "
    "non-members differed in content, an attack could succeed without memorization."
)
ONION = (
    "Models are trained anew without the examples at highest risk; what counts is the risk of those that come next, "
    "beside two controls: training anew, and removing as many at random. Points are means, bars 95 % intervals over "
    "models.\n\n"
    "What these numbers do not mean: they are about one layer of this size and one random set, and about what this "
    "attack sees."
)
NO_ONION = (
    "Not measured: whether removing the examples at highest risk puts the next ones at risk. `byrote onion RUN` trains "
    "three more ensembles for it, and shows it here."
)


def risk(found: Findings, shown: Sections, guaranteed: Sequence[str] = ()) -> PageSection:
    """Whether somebody can tell who was trained on, and what the training guarantees where it was private."""
    attacks = found.attacks
    measured = (attacks,) if isinstance(attacks, Missing) else (*_attacks(attacks, shown), *_onion(found, shown))
    blocks = (*_guaranteed(guaranteed), *measured)
    return PageSection(
        name="risk",
        title="What is at risk: membership",
        short="What is at risk",
        summary=shown.headline.answer("What is at risk?")
        or "Whether an attacker can identify members of the training data",
        blocks=blocks,
    )


def _guaranteed(words: Sequence[str]) -> Iterator[Block]:
    if words:
        yield Words(text="Private training", tone="heading")
        yield Words(text="\n\n".join(plain(one, 600) for one in words), tone="list")


def _attacks(attacks: Attacks, shown: Sections) -> Iterator[Block]:
    some = ""
    if attacks.examples < attacks.total:
        some = f" {attacks.examples:,} of {attacks.total:,} examples, drawn at random, were attacked."
    yield Words(
        text="Can somebody tell whether an example was trained on? Each model is attacked with the help of the others."
        + some
    )
    yield Words(text="ROC curve: true-positive rate by false-positive rate", tone="heading")
    yield shown.figures["roc"]
    yield TableBlock(
        title=f"Attacks on {attacks.first.models} models, pooled; ± are standard errors, about other models and other "
        "examples. Null: the range that holds 95 % of the areas where membership was swapped at random.",
        columns=attack_columns(),
        rows=tuple(
            (Named(text=row.name, note=f"`{row.key}`"), row.references, *row.cells)
            for row in attack_rows(attacks.found)
        ),
        style="attacks",
    )
    for name, reason in attacks.refused:
        yield Words(text=f"{name}: {plain(reason.why, 600)}", tone="missing")
    for why in refusals(attacks.found):
        yield Words(text=f"Refused: {why}.", tone="missing")
    yield Words(text=CURVE, tone="reading")
    if "slices" in shown.figures:
        yield Words(text="Attack AUC by subset of examples", tone="heading")
        yield shown.figures["slices"]
        yield Words(text=_slices(attacks), tone="reading")


def _slices(attacks: Attacks) -> str:
    tenth = "; the tenth memorized most is usually where it is" if "memorization" in attacks.first.slices else ""
    notes = "".join(f"{sentence(note)} " for note in attacks.first.notes)
    return (
        "The first attack on some of the examples at a time: points are areas under the curve, bars 95 % intervals. "
        "Risk "
        f"that lies with few is averaged away over all{tenth}. {notes}Of many slices the highest looks higher than "
        "it is."
    )


def _onion(found: Findings, shown: Sections) -> Iterator[Block]:
    yield Words(text="Privacy onion: risk after removal", tone="heading")
    if found.onion is None:
        yield Words(text=NO_ONION, tone="missing")
        return
    yield Words(text=onion_words(found.onion))
    yield shown.figures["onion"]
    yield Words(text=ONION, tone="reading")

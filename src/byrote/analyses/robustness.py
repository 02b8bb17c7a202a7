"""Robustness: what an attack on the inputs leaves of accuracy, memorization and membership risk, with its strength."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from byrote.analyses.catalog import analysis
from byrote.analyses.membership import membership_attack
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.errors import TooFewModels
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.intervals import Bounds
from byrote.stats.jackknife import difference

SHARE: Final[Bounds] = (0.0, 1.0)
MEMORIZATION: Final[Bounds] = (-1.0, 1.0)
CLEAN, ATTACKED, DIFFERENCE = "clean", "under attack", "difference"
#: The membership attack on clean answers, and on the worst answers near each example.
ATTACKS: Final = ("lira", "lira[adversarial]")
#: Figures of a membership attack, and their rows.
RISKS: Final = {"auc": "membership attack: AUC", "tpr_at_fpr_0.01": "membership attack: TPR at 1 % FPR"}
NULL: Final = "membership attack: AUC with membership swapped"
Row = tuple[Scalar, Scalar, Bounds]


@dataclass(frozen=True, kw_only=True)
class Strength:
    """How strong the attack was that a run's adversarial answers come from."""

    radius: float
    steps: int
    restarts: int

    def __str__(self) -> str:
        starts = "1 random start" if self.restarts == 1 else f"{self.restarts} random starts"
        return (
            f"PGD changes each input value by at most {self.radius:g} within the range of the data; {self.steps} steps "
            f"from each of {starts}, worst case over all points"
        )


def strength_of(run: Run) -> Strength | None:
    """The strength of the attack that a run recorded; None without one."""
    models = run.models()
    if "adversarial" not in run.manifest.evidence or not len(models):
        return None
    return strength_in(run, "adversarial", int(models[0]))


def strength_in(run: Run, kind: str, model: int) -> Strength:
    """The strength that a model's evidence of this kind states."""
    radius, steps, restarts = (run.load(f"{kind}.{of}", [model])[0] for of in ("radius", "steps", "restarts"))
    return Strength(radius=float(f"{radius:.6g}"), steps=int(steps), restarts=int(restarts))


@analysis(
    asks="What does an attack on the inputs leave of accuracy, and what does it show of members?",
    needs=("adversarial.correct", "lira[adversarial]", "label_memorization[adversarial]"),
    section="5.4",
)
def robustness(run: Run, *, draws: int = 20, seed: int = 0) -> Table:
    """Accuracy, label memorization and membership risk of clean answers, and of the worst answers that an attack finds.

    Formula:
        clean: by the answers to the inputs as they are; under attack: an example is right if its label is predicted at
        every point that the attack looked at, and its log-odds are the smallest of all points; difference: under attack
        minus clean, pair by pair. Membership risk is that of LiRA; adversarial training may raise the risk of
        adversarial answers while that of clean ones falls
    Undefined:
        errors below 3 pairs of models; membership risk below 8 models.

    Args:
        run: an audit with `--probe adversarial,radius=0.1`.
        draws: how often membership is swapped at random for the null of the membership attacks.
        seed: fixes these draws.

    Source: Madry et al. 2018, arXiv:1706.06083; Song et al. 2019, arXiv:1905.10291.
    Differs:
        The authors of the latter choose the best threshold on the examples that are judged, which is biased upwards.

    Raises:
        MissingEvidence: the run was not read by the probe.
        TooFewModels: the run has no ensemble.
    """
    if not len(run.models()):
        raise TooFewModels(
            f"The run {str(run.folder)!r} has no ensemble, so nothing is known of members and non-members.",
            hint="audit with half-split pairs (--models 64) and --probe adversarial,radius=0.1.",
        )
    rows = _accuracies(run)
    rows["label memorization, mean"] = (_memorization(run, ""), _memorization(run, "[adversarial]"), MEMORIZATION)
    risks, missing = _risks(run, draws, seed)
    rows |= risks
    strength = strength_of(run)
    return Table(
        title="Clean answers, and the worst answers under attack",
        rows={"what": tuple(rows)},
        figures={
            CLEAN: tuple(clean for clean, _, _ in rows.values()),
            ATTACKED: tuple(attacked for _, attacked, _ in rows.values()),
            DIFFERENCE: tuple(None if name == NULL else apart(*row) for name, row in rows.items()),
        },
        notes=(
            f"{strength}. A stronger attack may find more: accuracy under attack is an upper bound of robust accuracy.",
            *missing,
        ),
    )


def apart(clean: Scalar, attacked: Scalar, bounds: Bounds) -> Scalar:
    """The second figure minus the first; both are of the same models."""
    paired = len(clean.replicates) == len(attacked.replicates) >= 3
    return difference(attacked, clean, paired=paired, bounds=bounds)


def _accuracies(run: Run) -> dict[str, Row]:
    """Accuracy on members, non-members and held-out data."""
    rows: dict[str, Row] = {}
    for name, side in (("members", 1), ("non-members", 0)):
        clean, attacked = (run.accuracy(member=side, answers=of) for of in ("outputs.correct", "adversarial.correct"))
        rows[f"accuracy on {name}"] = (clean, attacked, SHARE)
    held = [run.heldout_accuracy(answers=kind) for kind in ("heldout.correct", "adversarial.heldout_correct")]
    if held[0] is not None and held[1] is not None:
        rows["accuracy on held-out data"] = (held[0], held[1], SHARE)
    return rows


def _memorization(run: Run, variant: str) -> Scalar:
    def mean(values: np.ndarray) -> float:
        return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan

    return run.pooled(f"label_memorization{variant}", mean, examples=len(run.ids), bounds=MEMORIZATION)


def _risks(run: Run, draws: int, seed: int) -> tuple[dict[str, Row], list[str]]:
    """The rows of the membership attacks, or the sentence that says why there are none."""
    try:
        clean, attacked = (membership_attack(run, key, draws=draws, seed=seed) for key in ATTACKS)
    except TooFewModels as error:
        return {}, [f"Membership risk is not told: {error.message}"]
    rows: dict[str, Row] = {row: (clean.figures[name], attacked.figures[name], SHARE) for name, row in RISKS.items()}
    return {**rows, NULL: (clean.null, attacked.null, SHARE)}, [
        "Membership risk is that of LiRA with the other models as references. To query worst answers an attacker needs "
        "the model's gradients."
    ]


@section(of="robustness", title="Robustness", order=52)
def shown(table: Table) -> Iterable[Block]:
    """The table, and what it says of members."""
    yield from plain_blocks(table)
    areas = dict(zip(table.rows["what"], table.figures[DIFFERENCE], strict=True))
    area = areas.get(RISKS["auc"])
    if area is None or math.isnan(area.low):
        return
    more = "more" if area.low > 0 else "less" if area.high < 0 else ""
    text = (
        f"Worst answers show {more} of who was a member than clean answers do."
        if more
        else "Worst answers are not shown to say more, or less, of who was a member than clean answers do."
    )
    yield Words(text=text, tone="reading")

"""Persons and documents in the report: what their examples together give away, and of whom."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from byrote.analyses.groups import group_answers, groups_of, keep_risk
from byrote.analyses.membership import AttackFigures, membership_attack
from byrote.errors import BadInput
from byrote.report.attacks import MOST_CELLS, PRIOR, brief, precision_words, some
from byrote.report.missing import Missing, where_possible
from byrote.report.summary import percent
from byrote.report.text import count
from byrote.results import PerExample
from byrote.runs.run import Run
from byrote.stats.attack_figures import RATES, exchange, precision_name, tpr_name

#: Membership is swapped at random so often for what risks chance alone gives.
DRAWS = 10
#: So many groups at the highest risk are named on the page.
TOP = 20
#: The risk of single groups is measured of all of them up to so many (model, example) cells.
MOST_RISK_CELLS = 2**26
NO_RISK = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupRow:
    """One group of the table: its numbers as they are, a NaN where there is none."""

    name: str
    examples: int
    risk: float
    stderr: float
    low: float
    high: float
    memorization: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Grouped:
    """The groups of a run: an attack on them, the risk of each, and the risks that chance alone gives.

    `chance[draw]` are the risks where membership was swapped at random, `by_chance` how many groups then have an
    interval wholly above .5; `column` names what a group is, as far as it was told; `attacked` of the groups were drawn
    for the attack where all were too many.
    """

    names: Shaped[np.ndarray, " group"]
    sizes: Int[np.ndarray, " group"]
    memorization: Float[np.ndarray, " group"]
    risk: PerExample
    chance: Float[np.ndarray, "draw group"]
    by_chance: float
    attack: AttackFigures | Missing
    attacked: int
    column: str
    total: int

    @property
    def clear(self) -> Bool[np.ndarray, " group"]:
        """The groups whose interval lies wholly above .5."""
        return np.asarray((self.risk.reason_code == 0) & (self.risk.low > NO_RISK))

    def top(self) -> tuple[GroupRow, ...]:
        """The groups at the highest risk, the surest first among equals, then the largest."""
        risk = self.risk
        order = np.lexsort((-self.sizes, -np.nan_to_num(risk.low, nan=-1.0), -np.nan_to_num(risk.values, nan=-1.0)))
        return tuple(
            GroupRow(
                name=str(self.names[row]),
                examples=int(self.sizes[row]),
                risk=float(risk.values[row]),
                stderr=float(risk.stderr[row]),
                low=float(risk.low[row]),
                high=float(risk.high[row]),
                memorization=float(self.memorization[row]),
            )
            for row in order[:TOP]
            if risk.reason_code[row] == 0
        )


def grouped(run: Run, memorization: PerExample) -> Grouped | Missing | None:
    """What the groups of a run have at risk; None where it has none.

    Only of a run that is not redacted are the groups named.
    """
    if run.groups is None:
        return None
    return where_possible(lambda: _grouped(run, memorization), BadInput)


def _grouped(run: Run, memorization: PerExample) -> Grouped:
    assert run.groups is not None
    part = sampled_groups(run, MOST_CELLS)
    attack = where_possible(partial(membership_attack, part, by="group"))
    wide = sampled_groups(run, MOST_RISK_CELLS)
    answers, (names, group) = group_answers(wide), groups_of(wide)
    rng = np.random.default_rng([0, 11])
    chance = [answers.risk(exchange(answers.pair, rng)) for _ in range(DRAWS)]
    score = memorization.values[np.isin(run.groups, names)] if wide is not run else memorization.values
    known = ~np.isnan(score)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(group, np.where(known, score, 0.0)) / np.bincount(group, known)
    return Grouped(
        names=names,
        sizes=np.bincount(group),
        memorization=mean,
        risk=answers.risk(),
        chance=np.stack([one.values for one in chance]),
        by_chance=float(np.mean([((one.reason_code == 0) & (one.low > NO_RISK)).sum() for one in chance])),
        attack=attack,
        attacked=len(groups_of(part)[0]),
        column=str(((run.manifest.source or {}).get("reading") or {}).get("group") or ""),
        total=len(np.unique(run.groups)),
    )


def sampled_groups(run: Run, cells: int) -> Run:
    """The run, or one of some of its groups drawn at random, each whole, where all would be too many cells."""
    names, group = groups_of(run)
    room = max(1, cells // max(len(run.models()), 1))
    if len(run.ids) <= room:
        return run
    drawn = np.random.default_rng(0).permutation(len(names))
    fits = np.cumsum(np.bincount(group)[drawn]) <= room
    fits[:1] = True
    return some(run, np.flatnonzero(np.isin(group, drawn[fits])))


def keep(run: Run, found: Grouped) -> None:
    """Write the risk of every group to `results/group_risk.parquet`, where the run's report may name them."""
    if not run.redacted and len(found.names) == found.total:
        keep_risk(run, found.names, found.risk)


def what_words(found: Grouped) -> str:
    """What the groups are."""
    return f"groups of the column “{found.column}”" if found.column else "groups"


def lead_words(found: Grouped) -> str:
    """What the groups are, and how many are at risk."""
    sizes = found.sizes
    least, most = int(sizes.min()), int(sizes.max())
    each = f"{count(most, 'example')} each" if least == most else f"{least:,} to {most:,} examples each"
    return (
        f"The data have {found.total:,} {what_words(found)}, with {each}; a model is trained on all examples of a "
        f"group or on none. {_clear_words(found)}"
    )


def group_words(found: Grouped) -> str:
    """What somebody learns of whole groups, for the top of the page."""
    return f"{_attack_words(found)} {_clear_words(found)}"


def _clear_words(found: Grouped) -> str:
    return (
        f"Of single groups, {int(found.clear.sum()):,} of {len(found.names):,} have a risk whose 95 % interval lies "
        f"wholly above .5; where membership is swapped at random it is {found.by_chance:.1f} of them in the mean."
    )


def _attack_words(found: Grouped) -> str:
    if isinstance(found.attack, Missing):
        return f"Whether they can be recognised is unknown. {found.attack.why}"
    figures = found.attack.figures
    known = [rate for rate in RATES if not math.isnan(figures[tpr_name(rate)].value)]
    area = figures["auc"]
    if not known:
        return (
            f"Somebody who has all examples of a group tells those that a model was trained on from others with AUC "
            f"{brief(area)}, where .5 is guessing. No rate is told: {figures[tpr_name(RATES[0])].reason}."
        )
    rate = min(known)
    share = figures[tpr_name(rate)]
    inside = found.attacked / 2
    surer = precision_words(figures[precision_name(rate, PRIOR)])
    verdict = "" if area.low > found.attack.null.high else " Chance may give as much with so few models and groups."
    return (
        f"Somebody who has all examples of a group recognises {percent(share)} of the groups that a model was trained "
        f"on, about {share.value * inside:.0f} of {inside:.0f}, while accusing {100 * rate:g} % of the others wrongly; "
        f"guessing would recognise {100 * rate:g} %.{verdict}{surer}"
    )


def rate_rows(found: AttackFigures) -> tuple[tuple[str, ...], ...]:
    """How many groups are recognised at each rate of false accusations."""
    rows = []
    for rate in RATES:
        share = found.figures[tpr_name(rate)]
        precise = found.figures[precision_name(rate, PRIOR)]
        shares = ("refused", "refused") if share.reason else (percent(share), percent(precise))
        rows.append((f"{100 * rate:g} %", *shares))
    return tuple(rows)


def chance_words(found: Grouped) -> str:
    """What the null of the risks rests on."""
    return f"{count(len(found.chance), 'draw')} of membership swapped within pairs of models at random"

"""Membership of persons and documents: what their examples together give away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.analyses.catalog import analysis, keep
from byrote.blocks import Block, TableBlock, Words, section
from byrote.errors import MissingEvidence, TooFewModels
from byrote.measures._by_group import by_group, member_groups
from byrote.measures.membership_risk import risk_of
from byrote.measures.rmia import rmia_of_groups
from byrote.results import PerExample, Table
from byrote.runs.run import Run
from byrote.stats.attack_figures import Attack

#: Groups of so many examples up to the next have figures of their own.
SIZES: Final = (1, 2, 5, 20)
#: Number of groups in the list of those at highest risk.
RISKIEST: Final = 5
#: The table of the risk of groups.
GROUP_RISK: Final = "group_risk.parquet"
_SOURCE: Final = "Kandpal et al. 2023, arXiv:2310.09266"


def groups_of(run: Run) -> tuple[np.ndarray, Int[np.ndarray, " example"]]:
    """The names of a run's groups, and the number of each example's.

    Raises:
        MissingEvidence: the run has none.
    """
    if run.groups is None:
        raise MissingEvidence(
            f"The run {str(run.folder)!r} has no groups.",
            hint="audit a table with --group COLUMN, or byrote.from_arrays(…, groups=…).",
        )
    names, group = np.unique(run.groups, return_inverse=True)
    return names, group


def how(key: str) -> Literal["sum", "mean"]:
    """How an attack's scores of examples become one of their group.

    Ratios of likelihoods multiply, as they do of independent answers, so that their logarithms are added: no other
    statistic of independent examples does better (Neyman and Pearson). Any other score is averaged, which leaves
    groups of different sizes comparable.

    Source: Kandpal et al. 2023, arXiv:2310.09266, average log ratios over a person's texts, for one person the same.
    """
    return "sum" if key.partition("[")[0] == "lira" else "mean"


def on_groups(
    key: str, attack: Attack, arguments: Mapping[str, np.ndarray], options: Mapping[str, Any], group: np.ndarray
) -> Attack:
    """An attack on examples as one on their groups: the scores of the models kept."""
    if key == "rmia":
        member, stratum = arguments["member"], arguments["stratum"]
        return lambda kept, given: (
            rmia_of_groups(
                arguments["log_odds"][kept],
                member[given][kept],
                arguments["pair"][kept],
                group,
                stratum[given][kept],
                **options,
            ).values
        )
    return lambda kept, given: by_group(attack(kept, given), group, how(key))


def of_groups(
    stratum: Int[np.ndarray, "model example"], group: Int[np.ndarray, " example"]
) -> Int[np.ndarray, "model group"]:
    """The strata of groups: the examples of a group share theirs."""
    return stratum[:, np.unique(group, return_index=True)[1]]


def method_words(key: str) -> str:
    """What was done to the examples of a group."""
    if key == "rmia":
        return "a group's score is RMIA's, with the ratios of its examples multiplied, beside groups that are outside"
    done = {"sum": "sum of the log likelihood ratios", "mean": "mean of the scores"}[how(key)]
    return f"a group's score is the {done} of its examples, after {_SOURCE}"


def size_slices(group: np.ndarray) -> dict[str, np.ndarray]:
    """Groups by their number of examples, where they differ."""
    counts = np.bincount(group)
    ends = [*SIZES[1:], np.inf]
    masks: dict[str, np.ndarray] = {}
    for start, end in zip(SIZES, ends, strict=True):
        mask = (counts >= start) & (counts < end)
        last = f"{start}" if end == start + 1 else f"{start} or more" if np.isinf(end) else f"{start} to {end - 1:.0f}"
        masks |= {f"size:{last}": mask} if mask.any() else {}
    return masks if len(masks) > 1 else {}


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupAnswers:
    """How well each model does on each group: the mean over its examples of log-odds, or of minus the error."""

    names: np.ndarray
    values: Float[np.ndarray, "model group"]
    member: Int8[np.ndarray, "model group"]
    pair: Int[np.ndarray, " model"]
    stratum: Int[np.ndarray, "model group"]
    what: str

    def risk(self, given: Int[np.ndarray, " model"] | None = None) -> PerExample:
        """As `membership_risk`, of each group; that of a world where each model had the members of model `given`."""
        order = np.arange(len(self.pair)) if given is None else given
        return risk_of(self.values, self.member[order], self.pair, self.stratum[order], self.what)


def group_answers(run: Run) -> GroupAnswers:
    """The answers of a run's ensemble by group.

    Raises:
        MissingEvidence: the run has no groups, or answers are not recorded.
        TooFewModels: it has no ensemble.
        BadInput: a model was trained on a part of a group.
    """
    names, group = groups_of(run)
    models = run.models()
    if not len(models):
        raise TooFewModels(
            f"The run {str(run.folder)!r} has no ensemble: all of its models train on all data.",
            hint="audit with --models 64 --out ANOTHER_FOLDER: these models train on halves.",
        )
    if run.learns.numeric:
        values, what = -run.load("outputs.absolute_error", models), "error is"
    else:
        values, what = run.load("outputs.log_odds", models), "log-odds are"
    finite = np.where(np.isfinite(values), values, np.inf).astype(np.float64)
    return GroupAnswers(
        names=names,
        values=by_group(finite, group, "mean"),
        member=member_groups(run.load("design.member", models), group),
        pair=run.load("design.pair", models),
        stratum=of_groups(run.load("design.stratum", models), group),
        what=what,
    )


def group_risk(run: Run) -> tuple[np.ndarray, PerExample]:
    """The names of the groups, and for each the chance that a model trained on it does better on it than another.

    Raises:
        MissingEvidence, TooFewModels, BadInput: as `group_answers`.
    """
    answers = group_answers(run)
    return answers.names, answers.risk()


def keep_risk(run: Run, names: np.ndarray, risk: PerExample) -> Path:
    """Write `results/group_risk.parquet`: a row per group."""
    return keep(run, "group_risk", risk_table(run, names, risk))


@analysis(
    asks="Which persons or documents are at risk of being recognised as members?",
    needs=("outputs.log_odds", "design.member"),
    section="5.1",
    name="group_risk",
)
def all_groups(run: Run) -> Table:
    """The risk of every group, as `group_risk` finds it.

    Raises:
        MissingEvidence, TooFewModels, BadInput: as `group_answers`.
    """
    return risk_table(run, *group_risk(run))


def risk_table(run: Run, names: np.ndarray, risk: PerExample) -> Table:
    """The risk of every group, a row each."""
    counts = np.unique(run.groups, return_counts=True)[1] if run.groups is not None else np.zeros(len(names))
    columns = {"group": names, "examples": counts, "value": risk.values}
    bounds = {"stderr": risk.stderr, "low": risk.low, "high": risk.high}
    reasons = {"reason": np.array(risk.reasons)[risk.reason_code]}
    return Table(title="Membership risk by group", arrays={**columns, **bounds, **reasons})


@section(of="group_risk", title="Persons or documents at risk", order=52)
def shown(table: Table, *, top: int = RISKIEST) -> Iterable[Block]:
    """The groups at highest risk; if the risk of no group is defined, the reason."""
    reason = table.arrays["reason"]
    order = [row for row in np.argsort(-table.arrays["value"], kind="stable") if not reason[row]][:top]
    if not order:
        if len(reason):
            why = Counter(reason.tolist()).most_common(1)[0][0]
            yield Words(text=f"The risk of single groups is undefined, most often because: {why}.")
        return
    columns = [table.arrays[name] for name in ("value", "low", "high")]
    yield TableBlock(
        title="Groups with the highest membership risk: the probability that a model trained on the group is "
        "more confident on it than a model that was not",
        columns=("group", "risk", "low", "high"),
        rows=tuple((str(table.arrays["group"][row]), *(float(column[row]) for column in columns)) for row in order),
    )

"""The groups of a run's examples whose place in a network is looked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from byrote.data.problems import quoted
from byrote.errors import BadInput, ByroteError
from byrote.measures._localization import FEWEST, enough, over_units
from byrote.measures._repetitions import copies_of
from byrote.results import PerExample, Scalar
from byrote.runs.run import Run
from byrote.stats.jackknife import units

#: Label memorization from which an example counts as memorized (Feldman & Zhang 2020).
MEMORIZED = 0.25
NAMED = "the named examples"


@dataclass(frozen=True, eq=False)
class Group:
    """A group in each model, and the others that it is compared with; None where it is there to compare with.

    Of a group that is `mislabelled` the wrong label is read against the true one.
    """

    name: str
    rows: Bool[np.ndarray, "model example"]
    others: Bool[np.ndarray, "model example"] | None = None
    mislabelled: bool = False


def groups_of(run: Run, models: np.ndarray, named: Sequence[str] = ()) -> list[Group]:
    """The groups: named ones first, then what was planted or repeated, and what was not trained on.

    Raises:
        BadInput: a named example is not there.
    """
    member = run.load("design.member", models)
    of_all = _of_text if run.of_text else _of_examples
    found = [*_named(run, member == 1, named), *of_all(run, member)]
    return [one for one in found if one.rows.any()]


def _named(run: Run, trained: np.ndarray, named: Sequence[str]) -> list[Group]:
    if not named:
        return []
    unknown = sorted(set(named) - set(run.ids.tolist()))
    if unknown:
        raise BadInput(
            f"The run {str(run.folder)!r} has no example {quoted(unknown)}.",
            hint="ids are in the column `example` of its results/*.parquet.",
        )
    chosen = np.isin(run.ids, list(named))
    return [Group(NAMED, trained & chosen, trained & ~chosen)]


def _of_examples(run: Run, member: np.ndarray) -> list[Group]:
    trained = member == 1
    masks = {kind: run.controls.mask(run.ids, kind) for kind in run.controls.kinds()}
    found = [
        Group(f"planted {kind.replace('_', ' ')}", trained & mask, trained & ~mask, kind == "label_noise")
        for kind, mask in masks.items()
    ]
    memorized = _memorized(run)
    if memorized is not None and memorized.any():
        found.append(Group("memorized", trained & memorized, trained & ~memorized))
    free = ~np.any(list(masks.values()), axis=0) if masks else np.ones(trained.shape[1], bool)
    typical = Group("no planted control" if masks else "trained on", trained & free)
    return [*found, typical, Group("not trained on", member == 0)]


def _memorized(run: Run) -> np.ndarray | None:
    """Which examples are; None of a run whose models cannot tell."""
    try:
        found = run.measured_on("label_memorization", run.models())
    except ByroteError:
        return None
    assert isinstance(found, PerExample)
    return np.asarray(np.nan_to_num(found.values) >= MEMORIZED)


def _of_text(run: Run, member: np.ndarray) -> list[Group]:
    """Documents by how often they stand in what each model was trained on; each different text once."""
    copies = copies_of(run.load("corpus.token", [0]), run.offsets, member)
    first = np.zeros(member.shape, bool)
    for row, mine in enumerate(member):
        order = np.lexsort((np.arange(len(mine)), mine != 1))
        first[row, order[np.unique(copies.cluster[order], return_index=True)[1]]] = True
    often, once = ((copies.seen >= 2) & first & (member == 1), (copies.seen == 1) & first & (member == 1))
    never = (copies.seen == 0) & first & (member == 0)
    return [
        Group("trained on often", often, once),
        Group("trained on once", once, never),
        Group("not trained on", never),
    ]


def group_figure(
    values: np.ndarray,
    rows: np.ndarray,
    pair: np.ndarray,
    low: float = 0.0,
    high: float = 1.0,
    pooled: Callable[[np.ndarray], Any] = np.mean,
) -> Scalar:
    """What is pooled over a group in each model, over models."""
    each = np.full((len(values), 1), np.nan)
    for model, mine in enumerate(rows):
        if enough(int(mine.sum())):
            each[model] = pooled(values[model, mine])
    value, stderr, reach = (float(part[0]) for part in over_units(each, units(pair)))
    return Scalar(
        value=value,
        stderr=stderr,
        low=max(low, value - reach),
        high=min(high, value + reach),
        models=int(np.isfinite(each).sum()),
        examples=int(rows.any(0).sum()),
        reason=f"fewer than {FEWEST} examples in every model" if np.isnan(value) else "",
    )

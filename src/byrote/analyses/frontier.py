"""Changes beside each other: what each takes off memorization, what it costs, and which another one beats in both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from byrote.analyses.card import Row, gain_and_cost
from byrote.analyses.catalog import analysis
from byrote.errors import BadInput
from byrote.results import Table
from byrote.runs.run import Run


@analysis(
    asks="Which changes are worth their cost, and which are beaten by another in memorization and in accuracy?",
    section="4.8",
    runs=("run", "*others"),
)
def frontier(run: Run, *others: Run) -> Table:
    """Each run as a point of memorization and accuracy; dominated where another is better in both.

    Formula:
        a run is dominated by another whose memorization is lower and whose accuracy on held-out data is higher, both
        differences with intervals that exclude 0, for all pairs of runs at once (Bonferroni)
    Undefined:
        runs without models that were not trained on an example, or without other examples to be right on.

    Source: Pareto dominance, by intervals of paired differences: a run that may be behind by chance is not dominated.

    Raises:
        BadInput: fewer than 2 runs, one twice, runs of other data, or without the two figures.
        TooFewModels: too many models of one of them diverged.
    """
    runs = (run, *others)
    if len(runs) < 2 or len({one.folder.resolve() for one in runs}) < len(runs):
        raise BadInput(
            f"A frontier takes at least 2 runs, each once. Got {len(runs)}.",
            hint="byrote frontier RUN CHILD CHILD…, with children that `byrote change RUN --with CHANGE` made.",
        )
    pairs = list(combinations(range(len(runs)), 2))
    rows = {(a, b): gain_and_cost(runs[a], runs[b], comparisons=2 * len(pairs)) for a, b in pairs}
    beaten, own = dict(_beaten(rows)), [gain_and_cost(one, one, comparisons=1) for one in runs]
    unjudged = {at for pair, both in rows.items() for at in pair if not all(row.judged for row in both)}
    gain, cost = own[0]
    return Table(
        title="Changes by what they take off memorization and what they cost",
        rows={
            "run": tuple(one.folder.name for one in runs),
            "change": tuple(_change(one) for one in runs),
            "verdict": tuple(
                f"dominated by {runs[beaten[at]].folder.name}"
                if at in beaten
                else "no verdict"
                if at in unjudged
                else "not dominated"
                for at in range(len(runs))
            ),
        },
        figures={
            gain.name: tuple(each[0].before for each in own),
            cost.name: tuple(each[1].before for each in own),
        },
        notes=tuple(_notes(len(pairs), runs, unjudged=bool(unjudged))),
    )


def _notes(pairs: int, runs: Sequence[Run], *, unjudged: bool) -> Iterator[str]:
    yield (
        f"Points and their intervals are about each run by itself. Verdicts rest on {2 * pairs} differences of pairs "
        "of runs, whose intervals hold all at once (Bonferroni): that a run is not dominated does not show that it is "
        "as good as the others."
    )
    if len({one.ids.tobytes() for one in runs}) > 1:
        yield "The runs are not over the same examples; differences are over those that both runs of a pair have."
    if unjudged:
        yield (
            "Where scores of a run chose which examples are left or relabelled, the scores of the rest are too low in "
            "that run, by chance, so such a pair gets no verdict."
        )
    yield "A change may lower memorization and leave the risk of membership attacks as it is: see the card of each."


def _beaten(rows: dict[tuple[int, int], tuple[Row, Row]]) -> Iterator[tuple[int, int]]:
    """Runs that another one dominates, with that one."""
    for (before, after), both in rows.items():
        verdicts = {row.verdict for row in both}
        if not all(row.judged for row in both):
            continue
        if verdicts == {"better"}:
            yield before, after
        elif verdicts == {"worse"}:
            yield after, before


def _change(run: Run) -> str:
    """The change that made the run, with its first setting."""
    found = dict((run.manifest.parent or {}).get("change", {}))
    made = [one for one in found.get("changes", [found]) if "name" in one]
    return " + ".join(_told(one) for one in made) or "–"


def _told(change: dict[str, Any]) -> str:
    first = next((value for key, value in change.items() if key not in ("name", "stage", "slot")), None)
    known = isinstance(first, int | float) and not isinstance(first, bool)
    return f"{change['name']}={first:g}" if known else str(change["name"])

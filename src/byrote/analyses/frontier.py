"""Changes beside each other: what each takes off memorization, what it costs, and which another one beats in both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from byrote.analyses.card import Row, gain_and_cost
from byrote.analyses.catalog import analysis
from byrote.errors import BadInput
from byrote.results import Scalar, Table
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
    beaten = dict(_beaten(rows))
    first = [rows[0, at] for at in range(1, len(runs))]
    gain, cost = first[0]
    return Table(
        title="Changes by what they take off memorization and what they cost",
        rows={
            "run": tuple(one.folder.name for one in runs),
            "change": tuple(_change(one) for one in runs),
            "verdict": tuple(
                f"dominated by {runs[beaten[at]].folder.name}" if at in beaten else "not dominated"
                for at in range(len(runs))
            ),
        },
        figures={gain.name: _points([one[0] for one in first]), cost.name: _points([one[1] for one in first])},
        notes=(
            f"Intervals of points are about each run by itself. Verdicts rest on {2 * len(pairs)} differences of pairs "
            "of runs, whose intervals hold all at once (Bonferroni): that a run is not dominated does not show that it "
            "is as good as the others.",
            "A change may lower memorization and leave the risk of membership attacks as it is: see the card of each.",
        ),
    )


def _points(rows: Sequence[Row]) -> tuple[Scalar, ...]:
    """The figure of the first run, and those of the others."""
    return (rows[0].before, *(row.after for row in rows))


def _beaten(rows: dict[tuple[int, int], tuple[Row, Row]]) -> Iterator[tuple[int, int]]:
    """Runs that another one dominates, with that one."""
    for (before, after), both in rows.items():
        verdicts = {row.verdict for row in both}
        if verdicts == {"better"}:
            yield before, after
        elif verdicts == {"worse"}:
            yield after, before


def _change(run: Run) -> str:
    found = (run.manifest.parent or {}).get("change", {})
    return str(found.get("name", "–"))

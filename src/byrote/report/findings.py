"""All that a report rests on, measured once: facts, attacks, groups, scores compared, triage, known things."""

from __future__ import annotations

from dataclasses import dataclass

from byrote.analyses.comparison import Comparison, compare
from byrote.analyses.issues import Issues
from byrote.errors import BadInput, TooFewModels
from byrote.report.attacks import Attacks, attacks
from byrote.report.facts import Facts, facts
from byrote.report.first_look import found_issues
from byrote.report.grouped import Grouped, grouped
from byrote.report.known import Known, known
from byrote.report.missing import Missing, where_possible
from byrote.report.peeled import Peeled, peeled
from byrote.report.triaged import Triaged, triaged
from byrote.report.watched import Watched, refuse_undefined, watched
from byrote.results import PerExample
from byrote.runs.run import OnProgress, Run, no_progress
from byrote.stats.jackknife import units

#: About these shares of the time go into facts, attacks, and comparing scores.
FACTS, ATTACKS, COMPARING = 0.4, 0.4, 0.15


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """What was measured of a run, and what could not be."""

    facts: Facts | Watched
    attacks: Attacks | Missing
    comparison: Comparison | Missing
    triaged: Triaged | Missing
    known: Known
    issues: Issues | Missing
    onion: Peeled | None = None
    grouped: Grouped | Missing | None = None


def findings(run: Run, on_progress: OnProgress = no_progress) -> Findings:
    """Measure a run for its report; `on_progress` gets the share of it that is done.

    Raises:
        MissingEvidence: nothing can be measured by example.
    """
    memorization = where_possible(lambda: _memorization(run))
    if isinstance(memorization, Missing):
        found = watched(run, memorization, lambda share: on_progress(0.9 * share))
        return Findings(
            facts=found,
            attacks=memorization,
            comparison=memorization,
            triaged=memorization,
            known=known(run),
            issues=where_possible(lambda: found_issues(run), BadInput),
        )
    measured = facts(run, lambda share: on_progress(FACTS * share))
    attacked = attacks(run, lambda share: on_progress(FACTS + ATTACKS * share))
    of_groups = grouped(run, measured.memorization)
    compared = where_possible(lambda: _compared(run))
    on_progress(FACTS + ATTACKS + COMPARING)
    judged = triaged(run)
    about = known(run)
    on_progress(1.0)
    return Findings(
        facts=measured,
        attacks=attacked,
        comparison=compared,
        triaged=judged,
        known=about,
        issues=where_possible(lambda: found_issues(run), BadInput),
        onion=peeled(run),
        grouped=of_groups,
    )


def _memorization(run: Run) -> PerExample:
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    return refuse_undefined(result)


def _compared(run: Run) -> Comparison:
    models = run.models()
    if len(set(units(run.design.pair[models]).tolist())) < 2:
        raise TooFewModels(
            f"Scores are compared over two pairs of models or more. Got {len(models)} models.",
            hint="audit with --models 64 --out ANOTHER_FOLDER.",
        )
    return compare(run)

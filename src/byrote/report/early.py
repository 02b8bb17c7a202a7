"""The report of an audit that is still training: written anew at each look, with the first examples in the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from byrote.analyses.comparison import YARDSTICK
from byrote.analyses.issues import LEAST_MODELS
from byrote.analyses.memorized_share import FEWEST_ON_A_SIDE, LEAST_MEMORIZED
from byrote.data.problems import counted
from byrote.engine.planning import time_words
from byrote.engine.preparation import FEWEST_MODELS
from byrote.engine.stopping import percentile_error
from byrote.errors import ByroteError
from byrote.report.findings import findings
from byrote.report.first_look import FirstLook, Shown
from byrote.report.page import write_pages
from byrote.report.sections import sections
from byrote.report.summary import MODELS_FOR_ERRORS
from byrote.report.text import plain
from byrote.results import PerExample
from byrote.runs.run import Run

#: A look may take this share of the training to come, by what the last one took, or by `FIRST` seconds.
SHARE, FIRST = 0.1, 2.0
#: What is told only by so many models of the ensemble.
TAKES: Final = (
    (4, "which label is right instead, and what is memorized"),
    (MODELS_FOR_ERRORS, "errors of figures"),
    (2 * LEAST_MODELS, "ambiguous examples"),
    (2 * FEWEST_ON_A_SIDE, "the share memorized without what chance adds, and single examples"),
    (4 * FEWEST_ON_A_SIDE, "which of two middling examples is memorized more"),
)


@dataclass(eq=False)
class EarlyReport:
    """What `audit` calls at its looks: writes the page and says what it begins with.

    `say` hears the sentences, `page` is where the last one was written; None before the first. `redact` leaves out
    what is in the data. `estimate` is the measure by which sentences tell what is memorized. A look is left out that
    would take more than a tenth of the training to come.
    """

    say: Callable[[str], None] = print
    redact: bool = False
    page: Path | None = None
    took: float = FIRST
    estimate: str = YARDSTICK

    def __call__(self, run: Run, seconds: float) -> None:
        """A look at the models that are there, `seconds` before the end of the training."""
        if self.took > SHARE * seconds:
            return
        started = time.monotonic()
        try:
            self._write(run.without_contents() if self.redact or run.forgotten else run, seconds)
        except ByroteError as error:  # what few models cannot tell, the others may
            self.say(f"{run.unfinished} No report yet: {error.message}")
        except Exception as error:  # a look never ends the training; at its end the same report raises
            self.say(f"{run.unfinished} No report yet: {type(error).__name__}: {error}")
        self.took = time.monotonic() - started

    def _write(self, run: Run, seconds: float) -> None:
        found = findings(run)
        shown = sections(run, found)
        self.page = write_pages(run, found, shown)
        for sentence in told(run, shown.first_look, seconds):
            self.say(sentence)
        if self.estimate != YARDSTICK and len(run.design.models_of("reference")) >= FEWEST_MODELS:
            self.say(estimated(run, self.estimate))
        self.say(f"The report so far: {self.page}. Ctrl-C keeps it; the same command then goes on.")


def told(run: Run, look: FirstLook | None, seconds: float) -> Iterator[str]:
    """A look in the words of the terminal: the first examples, what is not known yet, and how long the rest takes."""
    yield f"{run.unfinished.partition(';')[0]}; the others take about {time_words(seconds)}."
    if look is not None and look.first:
        yield "Look at these examples first:"
        yield from (f"  {_line(one)}" for one in look.first)
    elif look is not None:
        yield "Nothing stands out so far."
    reference = len(run.design.models_of("reference"))
    lacking = [f"{what} ({need} models)" for need, what in TAKES if need > reference and need <= _planned(run)]
    if lacking:
        yield f"Not known yet: {'; '.join(lacking)}."


def estimated(run: Run, estimate: str) -> str:
    """How many examples are memorized for sure by another measure than counts, and with what errors."""
    told = []
    for key in (estimate, YARDSTICK):
        found = run.measured_on(key, run.models())
        assert isinstance(found, PerExample)
        sure = counted(int((found.low > LEAST_MEMORIZED).sum()), "example", "examples")
        told.append(f"{sure} and errors of at most {percentile_error(found.stderr):.3f} in 9 of 10")
    return (
        f"Memorized for sure (interval above {LEAST_MEMORIZED:g}) by {estimate}: {told[0]}; by {YARDSTICK}: {told[1]}."
    )


def _planned(run: Run) -> int:
    """How many models of the ensemble there will be."""
    return sum(entry.role == "reference" for entry in run.manifest.models)


def _line(one: Shown) -> str:
    label = f"{one.given} → {one.suggested}" if one.suggested else one.given
    return plain("  ".join(part for part in (one.id, label, one.kind, one.sure) if part), limit=110)

"""The words of a report, by what is learned of an example: a class, a set of labels, or a number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from byrote.data.learned.label_sets import LabelSets
from byrote.data.learned.numbers import Numbers
from byrote.data.learned.one_class import OneClass
from byrote.data.learned.several_numbers import SeveralNumbers
from byrote.data.task import NextToken
from byrote.report.text import amount, capital
from byrote.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class Wording:
    """How a report names the target of an example, answers to it, and when one is right.

    `score` names label memorization, `right` is what right answers do, `rate` the share of them, `close` one of them;
    `wrong` are targets not to be trusted, `causes` what makes an example memorized, `mend` is what one does to them.
    `plant` is a control that such data take. Of models without an example the table has what they `say`, which may be
    `otherwise`, or differ (`differs`); a line of numbers has ticks for it (`tick`).
    """

    score: str = "label memorization"
    target: str = "label"
    targets: str = "labels"
    its: str = "its label"
    given: str = "given label"
    named: str = "labelled"
    right: str = "predict its label"
    right_on: str = "are right on"
    rate: str = "accuracy"
    close: str = "right"
    whole: str = "all of the label"
    vote_meaning: str = "the class that most models not trained on the example predict, and the share of them that do"
    say: str = "say"
    otherwise: str = "say otherwise"
    differs: str = "differs from the given label"
    tick: str = "answer"
    wrong: str = "a wrong label"
    causes: str = "a wrong label, an ambiguous or rare example, one of its kind"
    mend: str = "relabel"
    surer: str = "is more confident in its label than a model not trained on it"
    course: str = "how sure models are of the given label"
    plant: str = "label-noise=0.05"
    slices: str = "by class"

    @property
    def about_classes(self) -> bool:
        """Whether an example has one class."""
        return self.slices == CLASSES.slices

    @property
    def rate_title(self) -> str:
        """What the share of right answers is called where a line or figures begin with it.

        Example:
            >>> CLASSES.rate_title, numbers(0.5).rate_title
            ('Accuracy', 'Share of answers within 0.5')
        """
        return capital(self.rate.removeprefix("the "))

    def export(self) -> str:
        """The ends that selected examples may be exported to."""
        return f"to {self.mend}, to remove or to review" if self.mend else "to remove or to review"


CLASSES = Wording()
LABELS = Wording(
    named="has",
    target="set of labels",
    targets="sets of labels",
    its="its labels",
    given="given labels",
    right="get all of its labels right",
    whole="all of the labels",
    vote_meaning="the set of labels that most models not trained on the example predict, and the share of them that do",
    differs="differs from the given labels",
    wrong="wrong labels",
    causes="a wrong or missing label, an ambiguous or rare example, one of its kind",
    course="how sure models are of the given labels",
    plant="exact-duplicates=0.02",
    slices="by set of labels",
)


def wording_of(run: Run) -> Wording:
    """The words for a run's targets."""
    return _WORDING[run.learns](run)


def _within(run: Run) -> Wording:
    return numbers(float(run.manifest.dataset["tolerance"]))


def numbers(tolerance: float) -> Wording:
    """The words of a regression with this tolerance.

    Example:
        >>> numbers(20.0).right
        'answer within 20 of its number'
    """
    within = f"within {amount(float(f'{tolerance:.4g}'))}"
    return Wording(
        score="memorization",
        target="number",
        targets="numbers",
        its="its number",
        given="given number",
        named="given",
        right=f"answer {within} of its number",
        right_on=f"come {within} of",
        rate=f"the share of answers {within}",
        close=within,
        whole=f"every model with it is {within}, none without it",
        vote_meaning="the median of what models not trained on the example answer",
        differs="differs from the given number by more than the tolerance",
        tick="answer, around the given number,",
        wrong="a wrong number",
        causes="a wrong number, one that does not follow from the inputs, a rare example",
        mend="correct",
        surer="comes closer to its number than one that was not",
        course="how far off models are",
        plant="exact-duplicates=0.02",
        slices="by fifth of the numbers",
    )


def several_numbers(words: Wording) -> Wording:
    """The words of a regression, where an example has several numbers."""
    return replace(
        words,
        its="its numbers",
        target="set of numbers",
        targets="sets of numbers",
        given="given numbers, their mean",
        right=words.right.replace("its number", "its numbers"),
        vote_meaning="the median error of models not trained on the example: the root of the mean square over its "
        "numbers, in their standard deviations",
        say="miss by",
        otherwise="miss by more than the tolerance",
        differs="is more than the tolerance",
        tick="error, from none on the left,",
        mend="",  # what models without it say is an error, and no numbers
    )


#: Of several numbers per example no more are written out.
MOST_NUMBERS = 4


def given(run: Run, row: int) -> str:
    """What stands as the target of an example."""
    return _GIVEN.get(run.learns, _given_name)(run, row)


def _given_name(run: Run, row: int) -> str:
    return run.class_names[int(run.labels[row])]


def _given_number(run: Run, row: int) -> str:
    return amount(float(run.numbers[row]))


def _given_numbers(run: Run, row: int) -> str:
    if run.dataset is None:
        return f"{_given_number(run, row)} on average"
    numbers = [amount(number) for number in run.dataset.targets[row].tolist()]
    return ", ".join(numbers if len(numbers) <= MOST_NUMBERS else [*numbers[:MOST_NUMBERS], "…"])


#: What stands as the target of an example, by what is learned; its name elsewhere.
_GIVEN: Final = {Numbers: _given_number, SeveralNumbers: _given_numbers}
#: The words of a run by what is learned.
_WORDING: Final[dict[type, Callable[[Run], Wording]]] = {
    OneClass: lambda run: CLASSES,
    LabelSets: lambda run: LABELS,
    Numbers: _within,
    SeveralNumbers: lambda run: several_numbers(_within(run)),
    NextToken: lambda run: CLASSES,
}


def rounded(values: np.ndarray, tolerance: float) -> np.ndarray:
    """Answers to the digits that matter: a twentieth of the tolerance or less is noise.

    Example:
        >>> rounded(np.array([151.2345]), 20.0), rounded(np.array([0.12345]), 0.5)
        (array([151.]), array([0.12]))
    """
    return np.round(values.astype(np.float64), 1 - math.floor(math.log10(tolerance))) if tolerance > 0 else values

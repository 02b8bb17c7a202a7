"""What `report.json` holds: types from which its published schema is made. Keys are added, and none is taken away."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from byrote.blocks import Block
from byrote.report.figure_facts import FigureFacts, Many, Reason

Origin = Literal["trained", "observed", "imported"]
Seal = Annotated[
    str, {"description": "byrote-sha256: and the SHA-256 of this file with zeros in place of these 64 digits."}
]


class PageSectionFacts(TypedDict):
    """A section of the page: its place, title, summary where it is folded, and blocks without anybody's data."""

    name: str
    title: str
    summary: str
    blocks: list[Block]


class AskedFacts(TypedDict):
    """The section of an analysis that was asked."""

    title: str
    asks: Annotated[str, {"description": "The question."}]
    blocks: list[Block]


Analyses = Annotated[
    dict[str, AskedFacts],
    {
        "description": "Sections of the analyses that were asked of the run and have no place elsewhere in this "
        "report, by name."
    },
]
Sections = Annotated[list[PageSectionFacts], {"description": "What the page says, in its order."}]


class DrawnFacts(TypedDict):
    """A figure as a table."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class RunFacts(TypedDict):
    """The run that the report is about."""

    name: str
    created: str
    origin: Origin
    dataset: str
    examples: Many
    classes: Many
    models: Many


class QuestionFacts(TypedDict):
    """A question on the first screen."""

    question: str
    answer: str


class HeadlineFacts(TypedDict):
    """The first screen."""

    title: str
    lead: str
    warning: str
    answers: list[QuestionFacts]


class StepFacts(TypedDict):
    """Something to do next."""

    why: str
    commands: list[str]


class ExampleFacts(TypedDict):
    """An example at the top of a score."""

    example: str
    row: Many
    value: float | None
    stderr: float | None
    low: float | None
    high: float | None


class MemorizationFacts(TypedDict):
    """Label memorization of a run."""

    measured: Literal[True]
    score: str
    line: float
    share: FigureFacts
    share_corrected: FigureFacts | None
    mean: dict[str, FigureFacts]
    accuracy: dict[str, FigureFacts]
    interpolates: bool
    top: list[ExampleFacts]


class TrainingFacts(TypedDict):
    """What takes its place where models cannot tell."""

    measured: Literal[False]
    reason: str
    score: str
    accuracy: dict[str, FigureFacts]
    top: list[ExampleFacts]


class DetectionFacts(TypedDict):
    """How well a score finds what was planted."""

    score: str
    control: str
    average_precision: FigureFacts
    auroc: FigureFacts


class CurveFacts(TypedDict):
    """True-positive rate by false-positive rate."""

    false_positive_rate: list[float | None]
    value: list[float | None]
    low: list[float | None]
    high: list[float | None]


class AttackFacts(TypedDict):
    """A membership attack."""

    attack: str
    by: Literal["example", "group"]
    models: Many
    references: Many
    figures: dict[str, FigureFacts]
    null: FigureFacts
    slices: dict[str, dict[str, dict[str, FigureFacts]]]
    curve: CurveFacts
    notes: list[str]


class AttacksFacts(TypedDict):
    """The attacks of a report."""

    examples: Many
    attacks: list[AttackFacts]
    refused: dict[str, str]


class GroupFacts(TypedDict):
    """A group at high risk."""

    group: str
    examples: Many
    risk: float | None
    stderr: float | None
    low: float | None
    high: float | None
    memorization: float | None


class GroupsFacts(TypedDict):
    """Persons and documents."""

    groups: Many
    column: str
    attacked: Many
    attack: Reason | AttackFacts
    above_chance: Many
    above_chance_by_chance: Annotated[float, {"minimum": 0}]
    top: list[GroupFacts]


class ComparedFacts(TypedDict):
    """A cheap score beside label memorization."""

    score: str
    rank_correlation: FigureFacts
    given_cumulative_sample_loss: FigureFacts | None
    top_recall: FigureFacts
    one_training: FigureFacts | None
    average_precision: dict[str, FigureFacts]


class ComparisonFacts(TypedDict):
    """Scores compared."""

    reliability: float | None
    scores: list[ComparedFacts]
    notes: list[str]


class TriageFacts(TypedDict):
    """What the memorized examples probably are."""

    kinds: list[str]
    counts: dict[str, Many]
    accuracy: float | None
    accuracy_stderr: float | None
    not_told_apart: list[list[str]]
    confidence: float | None
    verdicts: dict[str, str]
    notes: list[str]


class OnionFacts(TypedDict):
    """Whether removing the riskiest helps."""

    shown: bool
    layers: dict[str, dict[str, FigureFacts]]


class ReportFacts(TypedDict):
    """The report of a run."""

    seal: NotRequired[Seal]
    schema: Literal[1]
    byrote: str
    run: RunFacts
    headline: HeadlineFacts
    next: list[StepFacts]
    memorization: MemorizationFacts | TrainingFacts
    scores: list[DetectionFacts]
    attacks: Reason | AttacksFacts
    groups: Reason | GroupsFacts | None
    comparison: Reason | ComparisonFacts
    triage: Reason | TriageFacts
    onion: OnionFacts | None
    figures: dict[str, DrawnFacts]
    missing: dict[str, str]
    notes: list[str]
    sections: NotRequired[Sections]
    analyses: NotRequired[Analyses]

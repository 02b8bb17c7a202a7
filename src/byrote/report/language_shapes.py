"""What the `report.json` of a language model holds: types from which its published schema is made."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from byrote.report.figure_facts import FigureFacts, Many
from byrote.report.twin_shapes import Analyses, DrawnFacts, Origin, Seal, Sections

Positive = Annotated[int | None, {"minimum": 1}]


class LanguageRunFacts(TypedDict):
    """The run that the report is about."""

    name: str
    created: str
    origin: Origin
    dataset: str
    documents: Many
    heldout_documents: Many
    tokens: Many
    vocabulary: Many
    models: Many
    parameters: Positive


class LanguageHeadlineFacts(TypedDict):
    """The first screen."""

    title: str
    lead: str
    warnings: list[str]


class PredictedFacts(TypedDict):
    """Next tokens predicted."""

    trained: FigureFacts
    heldout: FigureFacts
    surprise: Annotated[float | None, {"description": "Nats a token of documents trained on."}]
    guess: Annotated[float | None, {"description": "The same of a uniform guess."}]


class JudgedDocumentsFacts(TypedDict):
    """How many documents could be judged, and why not the others."""

    documents: Many
    judged: Many
    short: Many
    unread: Many


class RecitedCountFacts(TypedDict):
    """Texts recited, of how many."""

    recited: Many
    texts: Many


class ConfirmedFacts(TypedDict):
    """Recitations that generating confirms."""

    confirmed: Many
    read_only: Many
    generated_only: Many
    disputed_margin: float | None


class TenfoldFacts(TypedDict):
    """Growth of the share recited."""

    copies: NotRequired[FigureFacts]
    prefix: NotRequired[FigureFacts]
    context: NotRequired[FigureFacts]


class TextFacts(TypedDict):
    """A text by a document that holds it."""

    document: str
    copies: Many
    recited: bool
    models: Many
    log10_queries: float | None


class RecitedFacts(TypedDict):
    """What is recited."""

    prefix: Many
    suffix: Many
    documents: NotRequired[JudgedDocumentsFacts]
    trained: RecitedCountFacts
    never_seen: RecitedCountFacts
    confirmed: ConfirmedFacts | None
    drawn: str
    per_tenfold: Annotated[
        TenfoldFacts,
        {
            "description": "By how much the share recited changes with each tenfold of copies, of first tokens "
            "given, and of tokens before one and the same suffix."
        },
    ]
    texts: list[TextFacts]


class KnownFacts(TypedDict):
    """Canaries known, of how many."""

    known: Many
    canaries: Many


class ExposureFacts(TypedDict):
    """The exposure of a canary."""

    canary: Many
    repetitions: Many
    value: float | None
    low: float | None
    high: float | None
    at_least: bool
    p_value: float | None
    reason: NotRequired[str]


class SecretsFacts(TypedDict):
    """Planted secrets."""

    space_bits: list[float]
    planted: KnownFacts
    controls: KnownFacts
    exposure: list[ExposureFacts]


class JudgedFacts(FigureFacts):
    """A figure, and what it means here."""

    note: str


class DocumentFacts(TypedDict):
    """A document whose own presence matters much."""

    document: str
    value: float | None
    stderr: float | None
    low: float | None
    high: float | None


class CounterfactualFacts(TypedDict):
    """Counterfactual memorization."""

    models: Many
    documents: Many
    top: list[DocumentFacts]


class LanguageReportFacts(TypedDict):
    """The report of a language model."""

    seal: NotRequired[Seal]
    schema: Literal[1]
    byrote: str
    run: LanguageRunFacts
    headline: LanguageHeadlineFacts
    predicted: PredictedFacts
    recited: RecitedFacts
    secrets: SecretsFacts | None
    unintended_memorization: JudgedFacts | None
    heldout_loss: JudgedFacts | None
    counterfactual_memorization: CounterfactualFacts | None
    figures: dict[str, DrawnFacts]
    notes: list[str]
    sections: NotRequired[Sections]
    analyses: NotRequired[Analyses]

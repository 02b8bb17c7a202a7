"""What the report of a language model rests on, measured once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.analyses.text_risks import text_risks
from byrote.errors import MissingEvidence, TooFewModels
from byrote.measures._confirmation import Confirmation, confirmation
from byrote.measures._repetitions import copies_of
from byrote.measures._windows import PREFIX, SUFFIX, Windows, windows_of
from byrote.results import Curve, PerCanary, PerExample, Result, Scalar, Table
from byrote.runs.run import OnProgress, Run, no_progress

#: The kind of evidence that tells how likely texts are where answers are drawn otherwise than from the model as it is.
DECODING: Final = "decoding"
#: Curves of the report, over texts of the lengths that the run's models were asked to go on with.
BY_COPIES, BY_PREFIX, BY_CONTEXT = (f"discoverable_extraction[by_{what}]" for what in ("copies", "prefix", "context"))
#: By how much recitation grows with each tenfold of what.
GROWTH: Final = {
    "copies": "discoverable_extraction[per_tenfold]",
    "prefix": "discoverable_extraction[per_tenfold_prefix]",
    "context": "discoverable_extraction[per_tenfold_context]",
}
BY_REPETITIONS, SHARE_BY_REPETITIONS = "exposure[by_repetitions]", "exposure[share_by_repetitions]"
CURVE = "probabilistic_extraction[curve]"
DECODING_CURVE = "probabilistic_extraction[decoding_curve]"
Kind = TypeVar("Kind", bound=Result)


@dataclass(frozen=True, kw_only=True, eq=False)
class Recitation:
    """The different texts that are long enough, by a document that holds each, and how well they are known.

    Of a text that a model was trained on, that model counts which is surest of it; of others, any. `log10_queries` is
    the logarithm of the number of answers that one expects to draw until the suffix comes out.
    """

    document: Int[np.ndarray, " text"]
    copies: Int[np.ndarray, " text"]
    trained: Bool[np.ndarray, " text"]
    recited: Bool[np.ndarray, " text"]
    reciting: Int[np.ndarray, " text"]
    model: Int[np.ndarray, " text"]
    log10_queries: Float[np.ndarray, " text"]

    @property
    def of_trained(self) -> tuple[int, int]:
        """How many texts trained on are recited, and of how many."""
        return int((self.recited & self.trained).sum()), int(self.trained.sum())

    @property
    def of_others(self) -> tuple[int, int]:
        """The same of texts that no model saw."""
        return int((self.recited & ~self.trained).sum()), int((~self.trained).sum())


@dataclass(frozen=True, kw_only=True)
class Judged:
    """How many documents were trained on, and how many of them are long enough and scored far enough to be judged.

    Those too short to be judged are `short`; of the `unread` not all tokens that count have a prediction.
    """

    documents: int
    judged: int
    short: int

    @property
    def unread(self) -> int:
        """How many are long enough, and not scored as far."""
        return self.documents - self.judged - self.short


@dataclass(frozen=True, kw_only=True, eq=False)
class LanguageFacts:
    """Figures of a language model's run; None where the evidence for one is not there.

    `surprise` are nats a token of documents trained on, `guess` those of a uniform guess, and `frequencies` those of a
    guess by how often each token stands there, NaN of a model that was trained elsewhere; `drawn` is how answers
    are drawn whose number is told. `space_bits` are how many bits secrets have; where they are several numbers,
    `by_repetitions` is in shares of them, otherwise in bits.
    """

    lengths: tuple[int, int]
    inside: Scalar
    outside: Scalar
    surprise: float
    guess: float
    frequencies: float
    judged: Judged
    trajectory: Curve | None
    recitation: Recitation
    confirmation: Confirmation | None
    by_copies: Curve | None
    by_prefix: Curve | None
    by_context: Curve | None
    growth: dict[str, Scalar]
    queries: Curve | None
    exposures: PerCanary | None
    by_repetitions: Curve | None
    space_bits: tuple[float, ...]
    memorized: Scalar | None
    use: Scalar | None
    counterfactual: PerExample | None
    risks: Table
    drawn: str

    @property
    def knows_nothing(self) -> bool:
        """Whether the model is no less surprised by its training text than a uniform guess would be."""
        return self.surprise >= self.guess

    @property
    def learned_nothing(self) -> bool:
        """Whether the model recites nothing and knows no more of its texts than how often each token stands there."""
        return not self.recitation.of_trained[0] and (self.knows_nothing or self.surprise >= self.frequencies)

    @property
    def knows_others_better(self) -> bool:
        """Whether documents held out are predicted better than those trained on, beyond both intervals."""
        return self.inside.high < self.outside.low


def language_facts(run: Run, on_progress: OnProgress = no_progress) -> LanguageFacts:
    """Measure what a report tells. `on_progress` gets the share of it that is done."""
    lengths = run.lengths
    inside = _measured(run, Scalar, "exact_memorization")
    outside = _measured(run, Scalar, "exact_memorization[heldout]")
    assert inside is not None
    assert outside is not None
    on_progress(0.2)
    recitation = recited(run, *lengths)
    on_progress(0.5)
    long = len(recitation.document) > 0
    by_copies, by_prefix, queries = (
        _measured(run, Curve, key, **report_sizes(run, key)) if long else None
        for key in (BY_COPIES, BY_PREFIX, DECODING_CURVE if _decoded(run) else CURVE)
    )
    by_context = _measured(run, Curve, BY_CONTEXT) if long else None
    grown = {name: _measured(run, Scalar, key, **report_sizes(run, key)) for name, key in GROWTH.items() if long}
    on_progress(0.8)
    exposures = _measured(run, PerCanary, "exposure[best]")
    spaces = run.load("canaries.space_bits", run.models()[:1]) if exposures else np.empty(0)
    bits = tuple(np.unique(np.round(spaces, 3)).tolist())
    pairs = (run.design.pair[run.models()] >= 0).all()
    counterfactual = _measured(run, PerExample, "counterfactual_memorization") if pairs else None
    on_progress(1.0)
    return LanguageFacts(
        lengths=lengths,
        inside=inside,
        outside=outside,
        surprise=_surprise(run),
        guess=float(np.log(run.manifest.dataset["vocabulary"])),
        frequencies=_frequencies(run),
        judged=_judged(run, *lengths),
        trajectory=_measured(run, Curve, "exact_memorization[trajectory]"),
        recitation=recitation,
        confirmation=_confirmed(run, lengths[0]) if long else None,
        by_copies=by_copies,
        by_prefix=by_prefix,
        by_context=by_context,
        growth={name: figure for name, figure in grown.items() if figure is not None and not figure.reason},
        queries=queries,
        exposures=exposures,
        by_repetitions=_measured(run, Curve, BY_REPETITIONS if len(bits) < 2 else SHARE_BY_REPETITIONS),
        space_bits=bits,
        memorized=_measured(run, Scalar, "unintended_memorization"),
        use=_measured(run, Scalar, "unintended_memorization[heldout_loss]"),
        counterfactual=counterfactual,
        risks=text_risks(run),
        drawn=_drawn(run),
    )


def recited(run: Run, prefix: int, suffix: int) -> Recitation:
    """What becomes of every different text of at least so many tokens when its prefix is given."""
    models = run.models()
    token, offsets, scored, member = (
        run.load(name, models) for name in ("corpus.token", "corpus.offsets", "corpus.scored", "design.member")
    )
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    copies = copies_of(token, offsets, member)
    _, first = np.unique(copies.cluster[windows.example], return_index=True)
    document = windows.example[first]
    seen = copies.seen[:, document] != 0  # what may have been trained on is not held out
    counts = seen | ~seen.any(0)
    totals = np.full((len(models), len(document)), -np.inf)
    kind = DECODING if _decoded(run) else "tokens"
    hits = np.zeros((len(models), len(document)), bool)
    for row, model in enumerate(models.tolist()):
        hits[row] = _recited(run, model, windows)[first] & counts[row]
        total = windows.total(np.nan_to_num(run.load(f"{kind}.log_probability", [model])[0], nan=-np.inf))[first]
        totals[row] = np.where(counts[row], total, -np.inf)
    surest = np.where(hits.any(0), np.where(hits, totals, -np.inf), totals).argmax(0)
    return Recitation(
        document=document,
        copies=copies.standing[document],
        trained=np.asarray(seen.any(0)),
        recited=np.asarray(hits.any(0)),
        reciting=hits.sum(0),
        model=models[surest],
        log10_queries=-totals[surest, np.arange(len(document))] / np.log(10.0),
    )


def _recited(run: Run, model: int, windows: Windows) -> np.ndarray:
    """Whether each window's suffix comes out: read token by token, or, behind a decoder, as it was generated."""
    if "generations" not in run.guarded:
        return windows.every(run.load("tokens.hit", [model])[0])
    token, truth = run.load("generations.token", [model])[0], run.load("generations.truth", [model])
    return np.asarray((token == truth).all(1)[windows.example])


def report_sizes(run: Run, key: str) -> dict[str, Any]:
    """The options that the report measures a curve with; none where the measure's own lengths are the run's."""
    lengths = run.lengths
    by_prefix = (BY_PREFIX, GROWTH["prefix"])
    sized = (BY_COPIES, GROWTH["copies"], CURVE, DECODING_CURVE, *by_prefix)
    if not run.of_text or lengths == (PREFIX, SUFFIX) or key not in sized:
        return {}
    if key in by_prefix:
        prefix, suffix = lengths
        return {"prefixes": tuple(sorted({max(1, prefix // 5), max(1, prefix // 2), prefix})), "suffix": suffix}
    return dict(zip(("prefix", "suffix"), lengths, strict=True))


def _measured(run: Run, kind: type[Kind], key: str, **options: Any) -> Kind | None:
    """A measure's result; None where its evidence was not recorded, or the models cannot support it."""
    try:
        result = run.measure(key, **options)
    except (MissingEvidence, TooFewModels):
        return None
    assert isinstance(result, kind)
    return result


def _confirmed(run: Run, prefix: int) -> Confirmation | None:
    models = run.models()
    if not _recorded(run, "generations") or run.guarded:
        return None
    names = ("tokens.hit", "tokens.margin", "generations.token", "generations.truth", "corpus.offsets", "corpus.scored")
    return confirmation(*(run.load(name, models) for name in names), prefix=prefix)


def _recorded(run: Run, kind: str) -> bool:
    return all(run.evidence.has(kind, int(model), run.last_phase) for model in run.models())


def _decoded(run: Run) -> bool:
    """Whether it was recorded how likely texts are where answers are drawn as the run was told."""
    return DECODING in run.manifest.identity and _recorded(run, DECODING)


def _drawn(run: Run) -> str:
    """How answers are drawn, in words."""
    if not _decoded(run):
        return "at temperature 1"
    settings = run.manifest.identity[DECODING]
    drawn = f"at temperature {settings['temperature']:g}"
    if settings["top_p"] is None:
        return drawn if settings["top_k"] is None else f"{drawn} from the {settings['top_k']} likeliest tokens"
    most = "" if settings["top_k"] is None else f"{settings['top_k']} "
    return f"{drawn} from the {most}likeliest tokens, until they make up {settings['top_p']:.0%}"


def _surprise(run: Run) -> float:
    log_probability, mine = run.load("tokens.log_probability", run.models()[:1])[0], _learned(run)
    return -float(log_probability[mine].mean()) if mine.any() else float("nan")


def _frequencies(run: Run) -> float:
    """The mean surprise at the same tokens of who knows how often each stands there, and nothing else."""
    mine = _learned(run)
    if run.manifest.origin != "trained" or not mine.any():
        return float("nan")
    share = np.unique(run.load("corpus.token", run.models()[:1])[mine], return_counts=True)[1] / mine.sum()
    return -float((share * np.log(share)).sum())


def _learned(run: Run) -> Bool[np.ndarray, " token"]:
    """The scored tokens of the documents that the first model was trained on."""
    model = run.models()[:1]
    scored: np.ndarray = run.load("corpus.scored", model)
    learned: np.ndarray = np.repeat(run.design.member[model[0]] == 1, np.diff(run.offsets)) & scored
    return learned


def _judged(run: Run, prefix: int, suffix: int) -> Judged:
    models = run.models()
    trained = (run.design.member[models] != 0).any(0)
    offsets, scored = (run.load(name, models) for name in ("corpus.offsets", "corpus.scored"))
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    return Judged(
        documents=int(trained.sum()),
        judged=int(trained[windows.example].sum()),
        short=int((trained & (np.diff(offsets) < prefix + suffix)).sum()),
    )

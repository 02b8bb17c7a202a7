"""What a language model puts at risk of the texts it was trained on: who, how well, with which access, how sure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np

from byrote.analyses.blind_baseline import words_alone
from byrote.analyses.catalog import analysis
from byrote.analyses.membership import AttackFigures, By, membership_attack
from byrote.analyses.untargeted_extraction import MATES, OWN, untargeted_extraction
from byrote.blocks import Block, TableBlock, Words, capital, section, sentence
from byrote.errors import BadInput, MissingEvidence, TooFewModels
from byrote.measures.secret_inference import CANDIDATES
from byrote.results import PerExample, Scalar, Table, decimal
from byrote.runs.run import Run
from byrote.stats.attack_figures import tpr_name
from byrote.stats.jackknife import from_replicates
from byrote.stats.over_examples import over_examples

FOUND, CHANCE = "found", "without memorization"
#: The rate of false accusations that is told.
TOLD: Final = 0.01
NEVER_TRIED: Final = (
    "the weights of the model, or what it looked like during the training",
    "names and postal addresses",
)


@dataclass(frozen=True)
class _Risk:
    """What somebody learns of whom with which access, and the same where there is no memorization."""

    who: str
    what: str
    access: str
    found: Scalar
    chance: Scalar | None


@analysis(
    asks="What does a language model put at risk of the texts it was trained on?",
    needs=("tokens.log_probability", "corpus.token", "design.member"),
    section="5.2",
)
def text_risks(run: Run) -> Table:
    """Every risk to texts that the evidence of a run can judge, beside the same where there is no memorization.

    Formula:
        membership: AUC, and the share of members recognised at 1 % false accusations, of the usual attack on the run,
        by document and by person; recitation: the mean over documents of `discoverable_extraction` with the run's
        lengths, of documents that models were trained on, and by models that were not; secrets: `secret_inference`,
        and `[heldout]`; numbers: `secret_inference[found]`, beside 1 of the candidates
    Undefined:
        a row is left out where the evidence for it was not recorded; the notes say so.

    Source: Carlini et al. 2021, arXiv:2012.07805; Lukas et al. 2023, arXiv:2302.00539.

    Raises:
        MissingEvidence: the run is not of language models.
    """
    if not run.of_text:
        raise MissingEvidence(
            f"The run {str(run.folder)!r} holds no texts that could be at risk.",
            hint="ask a run of language models, as of `byrote audit docs`.",
        )
    tried, notes = list[_Risk](), list[str]()
    for part in (_membership, _recitation, _written, _secrets):
        try:
            more, said = part(run)
        except (BadInput, MissingEvidence, TooFewModels) as error:
            more, said = [], [f"not tried: {error.message}"]
        tried += more
        notes += said
    return Table(
        title="What the models put at risk",
        rows={name: tuple(getattr(one, name) for one in tried) for name in ("who", "what", "access")},
        figures={FOUND: tuple(one.found for one in tried), CHANCE: tuple(one.chance for one in tried)},
        notes=(*notes, *_not_tried(run)),
    )


def _membership(run: Run) -> tuple[list[_Risk], list[str]]:
    """Who is told to be a member, by document and by person; and whether the words alone give it away."""
    found, notes = list[_Risk](), list[str]()
    ways: tuple[By, ...] = ("example", "group") if run.groups is not None else ("example",)
    for by in ways:
        who = "documents" if by == "example" else "persons, or groups of documents"
        try:
            attacked = membership_attack(run, by=by, draws=20)
        except (BadInput, MissingEvidence, TooFewModels) as error:
            notes.append(f"not tried: membership of {who}: {error.message}")
            continue
        access = "the text and the log-probability of its tokens" + (
            f", and {attacked.references} other models, trained alike" if attacked.references else ""
        )
        rate = attacked.figures[tpr_name(TOLD)]
        found.append(_Risk(who, "AUC for membership", access, attacked.figures["auc"], attacked.null))
        what = "share of members recognised while one in a hundred others is accused wrongly"
        found.append(_Risk(who, what, access, rate, known(TOLD)))
        notes += _most_at_risk(attacked, who)
    return found, [*notes, words_alone(run, run.models())]


def _most_at_risk(attacked: AttackFigures, who: str) -> Iterator[str]:
    """Of each axis the slice that is told best; no person is named."""
    best = []
    for axis, slices in attacked.slices.items():
        if axis == "group":
            continue
        areas = {name: figures["auc"] for name, figures in slices.items() if not np.isnan(figures["auc"].low)}
        if len(areas) > 1:
            name = max(areas, key=lambda one: areas[one].low)
            best.append(f"{axis} {name} {decimal(areas[name])}")
    if best:
        yield f"of {who} these have the highest AUC: {'; '.join(best)}; of many slices the highest looks too high"


def _recitation(run: Run) -> tuple[list[_Risk], list[str]]:
    """Who is recited word for word."""
    prefix, suffix = run.lengths
    ask = partial(run.measured_on, "discoverable_extraction", run.models(), prefix=prefix, suffix=suffix)
    own, others = (_over_documents(run, ask(side=side)) for side in (1, 0))
    access = f"the first {prefix} tokens of a document, and what the model goes on with"
    what = f"share recited word for word for {suffix} tokens"
    return [_Risk("documents", what, access, own, None if np.isnan(others.value) else others)], []


def _written(run: Run) -> tuple[list[_Risk], list[str]]:
    """Whose text the models write by themselves."""
    if not run.models_with("samples"):
        said = "texts that the models write without a prompt; an audit with `--probe samples` draws some"
        return [], [f"not tried: {said}"]
    table = untargeted_extraction(run)
    own, mates = (table.figures[name][0] for name in (OWN, MATES))
    assert own is not None
    access = "what the model writes without a prompt"
    return [_Risk("documents", f"share of its own {table.title[0].lower()}{table.title[1:]}", access, own, mates)], []


def _over_documents(run: Run, found: Any) -> Scalar:
    """The mean over documents, with the error of the choice of persons, or documents."""
    assert isinstance(found, PerExample)
    rows = np.flatnonzero(np.isfinite(found.values))
    if not len(rows):
        return replace(known(math.nan), reason="no document is long enough")
    value = float(found.values[rows].mean())
    moved = np.bincount(run.clusters(rows), (found.values[rows] - value) / len(rows))
    whole = from_replicates(value, np.empty(0), models=found.models, examples=len(rows), bounds=(0.0, 1.0))
    return over_examples(whole, moved[None], bounds=(0.0, 1.0))


def _secrets(run: Run) -> tuple[list[_Risk], list[str]]:
    """Whether planted secrets, and numbers that stand in the documents, are told from others of their form."""
    tried = [
        _game(run, "secret_inference", "planted secrets", _of_models_without),
        _game(run, "secret_inference[found]", "numbers in documents", _of_candidates),
    ]
    return [one for one in tried if one is not None], []


def _game(run: Run, key: str, who: str, chance: Callable[[Run], Scalar]) -> _Risk | None:
    """The game of a measure; None where its evidence was not recorded, or no model can be asked."""
    try:
        found = run.measured_on(key, run.models())
    except (MissingEvidence, TooFewModels):
        return None
    assert isinstance(found, Scalar)
    access = "the text around it, log-probabilities, and models that were not trained on it"
    return None if found.reason else _Risk(who, "share told from others of the same form", access, found, chance(run))


def _of_models_without(run: Run) -> Scalar:
    found = run.measured_on("secret_inference[heldout]", run.models())
    assert isinstance(found, Scalar)
    return found


def _of_candidates(run: Run) -> Scalar:
    others = run.load("found_data.other_log_perplexity", run.models()[:1]).shape[-1]
    return known(1 / min(CANDIDATES, others + 1))


def known(value: float) -> Scalar:
    """A level that is known by construction."""
    blank = float("nan")
    return Scalar(value=value, stderr=blank, low=blank, high=blank, models=0, examples=0)


def _not_tried(run: Run) -> Iterator[str]:
    """What this run cannot tell."""
    yield "not tried: other attacks on membership, as `byrote attack RUN --with 'text_loss_attack[min_k]'` tries one"
    if not run.models_with("found_data"):
        yield "not tried: numbers that stand in the documents; an audit with `--probe found_data` asks for them"
    if not run.models_with("canaries"):
        yield (
            "not tried: planted secrets, which would show that the attacks find what is there (a positive control); "
            "`byrote plant` plants some"
        )
    yield f"not tried: {'; '.join(NEVER_TRIED)}"
    yield "a stronger attack may find more: a low figure is no proof of privacy"


@section(of="text_risks", title="What it puts at risk", order=45)
def shown(table: Table) -> Iterable[Block]:
    """A sentence for each risk, the table of them, and what was not tried."""
    names = zip(*table.rows.values(), strict=True)
    lines = [*zip(names, table.figures[FOUND], table.figures[CHANCE], strict=True)]
    said = [risk_words(who, what, access, one, chance) for (who, what, access), one, chance in lines if one is not None]
    yield Words(text="\n\n".join(said), tone="list") if said else Words(text="No risk was judged.", tone="missing")
    rows = [(who, what, found, chance) for (who, what, _), found, chance in lines if found and not found.reason]
    if rows:
        yield TableBlock(title="In figures", columns=("who", "what", FOUND, CHANCE), rows=tuple(rows))
    for note in table.notes:
        confounded = "gives this away" in note
        yield Words(text=sentence(note), tone="warning" if confounded else "small")


def risk_words(who: str, what: str, access: str, found: Scalar, chance: Scalar | None) -> str:
    """A risk in a sentence or two.

    Example:
        >>> found = Scalar(value=0.75, stderr=0.02, low=0.7, high=0.8, models=8, examples=90)
        >>> risk_words("documents", "AUC", "the text", found, known(0.5))[:30]
        'Documents, AUC: 0.750 ± 0.020 '
    """
    if found.reason:
        return f"{capital(who)}, {what}: undefined, as {found.reason}."
    sure = "" if math.isnan(found.low) else f" (95 % interval {found.low:.2f} to {found.high:.2f})"
    text = f"{capital(who)}, {what}: {decimal(found)}{sure}."
    if chance is not None and not math.isnan(chance.value):
        level = chance.value if math.isnan(chance.high) else chance.high
        more = "This is more" if found.low > level else "The difference may be chance"
        text += f" Without memorization it is {decimal(chance)}. {more}."
    return f"{text} The attacker has {access}."

"""Knowledge neurons: are there a few units without which the model forgets how a document ends, and no other?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int

from byrote.analyses.catalog import analysis
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.errors import MissingEvidence
from byrote.measures._localization import over_units
from byrote.probes.knowledge_neurons import ARMS
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.jackknife import units

#: What is silenced, in the words of the table; the control stands first.
ROWS = {
    "all": "all units",
    "own": "its own units",
    "another": "another fact's units",
    "largest": "the largest units",
    "random": "random units",
}
#: Attributions that miss so much of what they share out are not to be trusted.
INCOMPLETE = 0.02
#: Silencing all units must take away this share of the probability, or no unit can be said to hold a fact.
NEEDED = 0.5


@analysis(
    asks="Are there a few units without which the model forgets how a document ends?",
    needs=("knowledge_neurons",),
    section="4.5",
)
def knowledge_neurons(run: Run) -> Table:
    """The change of the probability of a document's last tokens when units are silenced; all units at once first.

    Formula:
        mean over facts of p without the units less p with all; "own less another's" is the change by the fact's own
        units less that by another fact's
    Undefined:
        in a model that predicts the last tokens of no document that it was trained on; errors of a single model.

    Source: Dai et al. 2022, arXiv:2104.08696.
    Differs:
        Another fact's units, the largest ones and random ones stand beside its own, and all units at once first: where
        these do not take the fact away, no neuron can be said to hold it.

    Raises:
        MissingEvidence: the run was not probed.
    """
    models = [m for m in range(run.design.models) if run.evidence.has("knowledge_neurons", m, run.last_phase)]
    if not models:
        raise MissingEvidence(
            f"The run {str(run.folder)!r} was not asked for knowledge neurons.",
            hint="audit into another folder with --keep-weights-at last, then byrote probe RUN knowledge_neurons.",
        )
    pair = run.load("design.pair", models)
    probability, missing, text = (
        run.load(f"knowledge_neurons.{name}", models) for name in ("probability", "incompleteness", "change_text")
    )
    change = {arm: run.load(f"knowledge_neurons.change_{arm}", models) for arm in ARMS}
    layer = run.load("knowledge_neurons.change_layer", models)
    names = run.load("knowledge_neurons.layer", models).tolist()
    rows = {words: change[arm] for arm, words in ROWS.items()}
    rows["own less another's"] = change["own"] - change["another"]
    rows |= {f"all of {name}": layer[:, number] for number, name in enumerate(names)}
    figures = {
        "change of the probability": tuple(mean_of(values, pair) for values in rows.values()),
        "of held-out text, nat a token": tuple(mean_of(text, pair) if words == ROWS["own"] else None for words in rows),
    }
    whole = mean_of(probability, pair)
    return Table(
        title="Units without which facts are forgotten",
        rows={"silenced": tuple(rows)},
        figures=figures,
        notes=tuple(_notes(probability, missing, change["all"], whole)),
    )


def mean_of(values: Float[np.ndarray, "model example"], pair: Int[np.ndarray, " model"]) -> Scalar:
    """The mean over a model's facts, over models."""
    known = np.isfinite(values)
    each = np.array([[of[mine].mean() if mine.any() else np.nan] for of, mine in zip(values, known, strict=True)])
    value, stderr, reach = (float(part[0]) for part in over_units(each, units(pair)))
    return Scalar(
        value=value,
        stderr=stderr,
        low=value - reach,
        high=value + reach,
        models=int(np.isfinite(each).sum()),
        examples=int(known.any(0).sum()),
        reason="no fact, or no other one" if np.isnan(value) else "",
    )


def _notes(probability: np.ndarray, missing: np.ndarray, without: np.ndarray, whole: Scalar) -> Iterable[str]:
    facts = int(np.isfinite(probability).sum(1).max())
    if not facts:
        yield "No model predicts the last tokens of a document that it was trained on."
        return
    yield f"Up to {facts} facts a model, of which the mean probability is {whole.value:.3g}."
    gone = -float(np.nanmean(without)) / whole.value
    if gone < NEEDED:
        yield (
            f"All feed-forward units together take only {gone:.0%} of the probability away, so that no unit can be "
            "said to hold these facts."
        )
    share = float((missing[np.isfinite(missing)] > INCOMPLETE).mean())
    if share > 0:
        yield (
            f"For {share:.0%} of the facts the attributions miss more than {INCOMPLETE:g} of what a layer does. Their "
            "units are not to be trusted: probe with more steps, as knowledge_neurons,steps=100."
        )


@section(of="knowledge_neurons", title="Units that facts need", order=77)
def shown(table: Table) -> Iterable[Block]:
    """The table, and how to read it."""
    yield from plain_blocks(table)
    yield Words(
        text="A fact is held by a few units if silencing them takes its probability away, and silencing another fact's "
        "units does not. Where all units of a layer take it away and its few largest do not, it is spread out.",
        tone="reading",
    )

"""Knowledge neurons: does the model forget the end of a document, and no other, without a few of its units?"""

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
    "largest": "the largest units of the same layers",
    "random": "random units",
}
#: Attributions are unreliable if their sum differs from the layer's effect by more than this.
INCOMPLETE = 0.02
#: If silencing all units removes less than this share of the probability, the units do not store the fact.
NEEDED = 0.5


@analysis(
    asks="Does the model forget the end of a document without a few of its units?",
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
        The fact's own units are compared with another fact's, with as many of the largest in each layer, and with
        random ones. All units at once come first: if silencing them does not remove the fact, no neuron stores it.

    Raises:
        MissingEvidence: the run was not probed.
    """
    models = run.models_with("knowledge_neurons")
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
    without = np.isfinite(probability) & (run.load("knowledge_neurons.neuron", models) < 0).all(-1)
    return Table(
        title="Units without which facts are forgotten",
        rows={"silenced": tuple(rows)},
        figures=figures,
        notes=tuple(_notes(probability, missing, change["all"], whole, int(without.sum(1).max()))),
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


def _notes(
    probability: np.ndarray, missing: np.ndarray, without: np.ndarray, whole: Scalar, alone: int
) -> Iterable[str]:
    facts = int(np.isfinite(probability).sum(1).max())
    if not facts:
        yield "No model predicts the last tokens of a document that it was trained on."
        return
    yield f"Up to {facts} facts per model; their mean probability is {whole.value:.3g}."
    if alone:
        yield f"Up to {alone} of them have no unit in common with their paraphrases, so that none was silenced."
    gone = -float(np.nanmean(without)) / whole.value
    if gone < NEEDED:
        yield (
            f"Silencing all feed-forward units removes only {gone:.0%} of the probability, so it is not shown that "
            "any unit stores these facts."
        )
    share = float((missing[np.isfinite(missing)] > INCOMPLETE).mean())
    if share > 0:
        yield (
            f"For {share:.0%} of the facts the attributions differ from a layer's effect by more than {INCOMPLETE:g}. "
            "Their units are unreliable: probe with more steps, e.g. knowledge_neurons,steps=100."
        )


@section(of="knowledge_neurons", title="Units that facts need", order=77)
def shown(table: Table) -> Iterable[Block]:
    """The table, and how to read it."""
    yield from plain_blocks(table)
    yield Words(
        text="A few units store a fact if silencing them removes its probability, and silencing another fact's units "
        "does not. If all units of a layer remove it and the few largest do not, it is spread over many units.",
        tone="reading",
    )

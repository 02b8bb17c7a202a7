"""The words of the terminal for a language model: what it predicts, recites, and knows of planted secrets."""

from __future__ import annotations

import numpy as np

from byrote.errors import MissingEvidence
from byrote.report.summary import percent
from byrote.results import Curve, PerExample, Result, Scalar
from byrote.run import Run

#: Below this many bits a secret is no better known than chance would have it, nearly always: 2^-7 is under 1 %.
CHANCE_BITS = 7.0


def language_sentences(run: Run) -> list[str]:
    """What was found, most important first; no text of the corpus and no secret stands in it."""
    lines = [*_predicted(run), *_recited(run), *_secrets(run), *_counterfactual(run)]
    return lines + [note if note.endswith(".") else f"{note}." for note in run.manifest.notes]


def _measured(run: Run, key: str) -> Result | None:
    try:
        return run.measure(key)
    except MissingEvidence:
        return None


def _predicted(run: Run) -> list[str]:
    inside, outside = run.measure("exact_memorization"), run.measure("exact_memorization[heldout]")
    assert isinstance(inside, Scalar)
    assert isinstance(outside, Scalar)
    models = "The model predicts" if inside.models == 1 else f"{inside.models} models predict"
    held = (
        "no document is known to be new to it"
        if np.isnan(outside.value)
        else f"of documents never trained on, {percent(outside)}"
    )
    lines = [f"{models} {percent(inside)} of the next tokens of training documents; {held}."]
    surprise = _surprise(run)
    uniform = float(np.log(run.manifest.dataset["vocabulary"]))
    if surprise >= uniform:
        lines.append(
            f"At {surprise:.2f} nats a token it knows no more than a uniform guess ({uniform:.2f}): the tokenizer may "
            "not be the model's own."
        )
    reached = _measured(run, "exact_memorization[trajectory]")
    if isinstance(reached, Curve):
        steps = ", ".join(
            f"{share:.2f} after {epoch:g}" for epoch, share in zip(reached.at, reached.values[0], strict=True)
        )
        lines.append(f"On training documents that share is {steps} epochs.")
    return lines


def _surprise(run: Run) -> float:
    models = run.models()[:1]
    said = run.load("tokens.log_probability", models)[0]
    return -float(said[run.load("corpus.scored", models)].mean())


def _recited(run: Run) -> list[str]:
    inside = run.measure("discoverable_extraction")
    outside = run.measure("discoverable_extraction", side=0)
    assert isinstance(inside, PerExample)
    assert isinstance(outside, PerExample)
    if inside.reason_code.all():
        return ["No document is long enough to be given 50 tokens of and asked for 50 more."]
    null = "" if outside.reason_code.all() else f", and {_rate(outside)} that it never saw"
    lines = [f"Given their first 50 tokens, it goes on word for word with the next 50 of {_rate(inside)}{null}."]
    copies = _measured(run, "discoverable_extraction[by_copies]")
    if isinstance(copies, Curve):
        known = np.isfinite(copies.values[0])
        steps = ", ".join(
            f"{share:.0%} at {times:g}" for times, share in zip(copies.at[known], copies.values[0][known], strict=True)
        )
        if known.sum() > 1:
            lines.append(f"By how often a document stands in the corpus: {steps}.")
    return lines


def _rate(result: PerExample) -> str:
    defined = result.values[result.reason_code == 0]
    return (
        f"{defined.mean():.1%} of {len(defined)} training documents"
        if "trained" in result.note
        else (f"{defined.mean():.1%} of {len(defined)}")
    )


def _secrets(run: Run) -> list[str]:
    found = _measured(run, "exposure[by_repetitions]")
    if not isinstance(found, Curve):
        return []
    line = found.values[0]
    known = np.isfinite(line)
    steps = ", ".join(f"{bits:.1f} at {times:g}" for times, bits in zip(found.at[known], line[known], strict=True))
    bits = float(run.load("canaries.space_bits", run.models()[:1]).max())
    return [
        f"Exposure of planted canaries in bits, by how often they were repeated: {steps}; {bits:.1f} would be all, and "
        "1.4 is what chance gives."
    ]


def _counterfactual(run: Run) -> list[str]:
    if (run.design.pair[run.models()] < 0).any():
        return []
    found = run.measure("counterfactual_memorization")
    assert isinstance(found, PerExample)
    defined = found.reason_code == 0
    if not defined.any():
        return []
    top = int(np.nanargmax(found.values))
    return [
        f"Counterfactual memorization, from {found.models} models: mean {found.values[defined].mean():.3f}, largest "
        f"{found.values[top]:.2f} ± {found.stderr[top]:.2f} (document {run.ids[top]!r})."
    ]

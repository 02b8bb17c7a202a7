"""The words of the terminal for a language model: what it predicts, recites, and knows of planted secrets."""

from __future__ import annotations

import numpy as np

from byrote.report.language_facts import LanguageFacts
from byrote.report.language_first import judged_words
from byrote.report.summary import percent
from byrote.report.text import count
from byrote.runs.run import Run

KNOWS_OTHERS_BETTER = (
    "documents that the model was trained on are predicted worse than those held out; they may have been shown to it "
    "in another form, or --corpus and --heldout are swapped."
)


def language_sentences(run: Run, found: LanguageFacts) -> list[str]:
    """What was found, most important first; no text of the corpus and no secret stands in it."""
    lines = [*_predicted(found), *_recited(found), *_secrets(run, found), *_counterfactual(run, found)]
    return lines + [note if note.endswith(".") else f"{note}." for note in run.manifest.notes]


def _predicted(found: LanguageFacts) -> list[str]:
    inside, outside = found.inside, found.outside
    models = "" if inside.models == 1 else f", mean over {inside.models} models"
    held = (
        "no document is known to be held out"
        if np.isnan(outside.value)
        else f"{percent(outside)} on held-out documents"
    )
    lines = [f"Next-token accuracy{models}: {percent(inside)} on training documents, {held}."]
    if found.knows_nothing:
        lines.append(
            f"At {found.surprise:.2f} nats per token the model predicts no better than a uniform distribution "
            f"({found.guess:.2f}): the tokenizer may not be the model's own."
        )
    elif found.learned_nothing:
        lines.append(
            "Nothing was learned from the training documents: a guess from token frequencies alone is as accurate."
        )
    if found.knows_others_better:
        lines.append(f"Warning: {KNOWS_OTHERS_BETTER}")
    reached = found.trajectory
    if reached is not None:
        steps = ", ".join(
            f"{share:.2f} after {epoch:g}" for epoch, share in zip(reached.at, reached.values[0], strict=True)
        )
        lines.append(f"Next-token accuracy on training documents: {steps} epochs.")
    return lines


def _recited(found: LanguageFacts) -> list[str]:
    prefix, suffix = found.lengths
    (recited, texts), (chance, others) = found.recitation.of_trained, found.recitation.of_others
    if not texts:
        return [f"No text is long enough to test for extraction ({prefix} tokens given, {suffix} continued)."]
    judged = [] if found.judged.judged == found.judged.documents else [f"{judged_words(found)}."]
    null = f", {chance} of {count(others, 'held-out text')}" if others else ""
    lines = [
        *judged,
        f"Extractable ({suffix} tokens verbatim, given the first {prefix}): {recited} of "
        f"{count(texts, 'different training text')}{null}.",
    ]
    lines += _confirmed(found)
    lines += _asked_often(found)
    copies = found.by_copies
    if copies is not None:
        known = np.isfinite(copies.values[0])
        steps = ", ".join(
            f"{share:.0%} at {times:g}" for times, share in zip(copies.at[known], copies.values[0][known], strict=True)
        )
        if known.sum() > 1:
            lines.append(f"Extractable share by number of copies: {steps}.")
    return lines


def _asked_often(found: LanguageFacts) -> list[str]:
    """How many texts come out of few and of many answers."""
    curve = found.queries
    if curve is None or not np.isfinite(curve.values[0]).all():
        return []
    steps = ", ".join(
        f"{share:.0%} within {times:,.0f}" for times, share in zip(curve.at[::2], curve.values[0][::2], strict=True)
    )
    return [
        f"Share of training documents, copies included, that are extracted with probability 1/2 if answers are drawn "
        f"{found.drawn}: {steps} answers."
    ]


def _confirmed(found: LanguageFacts) -> list[str]:
    checked = found.confirmation
    if checked is None:
        return ["No generation was recorded that could confirm this."]
    disputed = checked.read_only + checked.generated_only
    hits = checked.confirmed + disputed
    if not hits:
        return []
    sentence = f"Greedy generation confirms {checked.confirmed} of {count(hits, 'hit')}"
    if not disputed:
        return [f"{sentence} (copies and models counted)."]
    return [
        f"{sentence}; {checked.read_only} were not generated and {checked.generated_only} only generated, within "
        f"{checked.disputed_margin:.2g} of a tie between two tokens."
    ]


def _secrets(run: Run, found: LanguageFacts) -> list[str]:
    exposure = found.by_repetitions
    if exposure is None:
        return []
    line = exposure.values[0]
    known = np.isfinite(line)
    bits = found.space_bits
    points = zip(exposure.at[known], line[known], strict=True)
    if len(bits) > 1:
        steps = ", ".join(f"{share:.0%} at {times:g}" for times, share in points)
        sentence = (
            f"Share of the secret's bits exposed, by number of repetitions: {steps}; the null mean is 1.4 bits, of "
            f"{bits[0]:.1f} to {bits[-1]:.1f}."
        )
    else:
        steps = ", ".join(f"{value:.1f} at {times:g}" for times, value in points)
        sentence = f"Mean exposure of canaries in bits, by number of repetitions: {steps}; maximum "
        f"{bits[0]:.1f}, null mean 1.4."
    return [sentence, *verdict(run, found, str(run.folder))]


def verdict(run: Run, found: LanguageFacts, name: str) -> list[str]:
    """Whether secrets were memorized though they are of no use; and what would tell, where that is not known."""
    if found.memorized is None:
        return []
    lines = [f"Unintended memorization: {found.memorized.reason or found.memorized.note}."]
    if found.use is None or not found.use.reason or run.manifest.parent:
        return lines
    if run.manifest.origin == "trained":
        lines.append(
            f"`byrote change {name} --with redraw-secrets` trains again with a new secret in every copy, and tells "
            "what knowing the old ones does to held-out loss."
        )
    else:
        lines.append(
            "Audit a model that was trained on the same documents without the canaries, with the same --heldout; "
            f"`byrote card THAT_RUN {name}` then tells what canaries do to held-out loss."
        )
    return lines


def _counterfactual(run: Run, found: LanguageFacts) -> list[str]:
    result = found.counterfactual
    if result is None or result.reason_code.all():
        return []
    defined = result.reason_code == 0
    top = int(np.nanargmax(result.values))
    return [
        f"Counterfactual memorization, from {result.models} models: mean {result.values[defined].mean():.3f}, largest "
        f"{result.values[top]:.2f} ± {result.stderr[top]:.2f} (document {str(run.ids[top])!r})."
    ]

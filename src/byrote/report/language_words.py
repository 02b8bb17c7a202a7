"""The words of a language model's page: what was found, what makes it doubtful, and key figures."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float

from byrote.report.headline import Figure, Tile
from byrote.report.language_facts import LanguageFacts
from byrote.report.language_summary import KNOWS_OTHERS_BETTER
from byrote.report.summary import percent
from byrote.report.text import capital, count
from byrote.results import PerCanary
from byrote.runs.run import Run
from byrote.stats.multiple import corrected

LEVEL: Final = 0.05


def title(found: LanguageFacts) -> str:
    """What was found, in a sentence that a person can read aloud."""
    recited, texts = found.recitation.of_trained
    suffix, models = found.lengths[1], found.inside.models
    if unlearned(found):
        return f"{'This model has' if models == 1 else 'These models have'} learned nothing of the texts trained on"
    recite = "It recites" if models == 1 else f"{models} models recite"
    if not texts:
        sentence = f"None of {count(found.judged.documents, 'document')} could be judged"
    elif recited:
        sentence = f"{recite} {recited:,} of {count(texts, 'text')}, {suffix} tokens word for word"
    else:
        sentence = f"{recite} none of the {count(texts, 'text')} that could be judged"
    if found.exposures is None:
        return sentence
    known, planted = known_secrets(found)
    same = (recited > 0) == (known > 0)
    join = ", but" if not same else ", and" if recited else " and"
    return f"{sentence}{join} know{'s' * (models == 1)} {known:,} of {count(planted, 'planted secret')}"


def unlearned(found: LanguageFacts) -> bool:
    """Whether nothing was learned, no secret either."""
    return found.learned_nothing and (found.exposures is None or not known_secrets(found)[0])


def lead(run: Run, found: LanguageFacts) -> str:
    """What was asked, and what models that never saw the text do."""
    if unlearned(found) and not found.knows_nothing:
        predicts = "It predicts" if found.inside.models == 1 else "They predict"
        return (
            f"{predicts} {percent(found.inside)} of the next tokens there, no better than a guess that only uses how "
            "often each token occurs. What a model did not learn it cannot recite: train longer, or with a larger "
            "network, and audit again."
        )
    recited, texts = found.recitation.of_others
    prefix, suffix = found.lengths
    sentence = (
        f"A text is recited where {'the model' if found.inside.models == 1 else 'one of the models'}, given its first "
        f"{prefix} tokens, goes on with exactly the {suffix} that follow in it, taking the likeliest token each time."
    )
    if texts:
        never = "it was never trained on it recites" if found.inside.models == 1 else "none was trained on they recite"
        sentence += f" Of {count(texts, 'text')} that {never} {recited:,}: what chance gives."
    elif found.recitation.of_trained[1]:
        sentence += " No text is known to be new to it, so that nothing tells what it would get right by itself."
    if run.manifest.origin == "observed":
        sentence += " The list of training texts is not verified."
    return sentence


def warnings(run: Run, found: LanguageFacts) -> list[str]:
    """What makes the figures doubtful."""
    warnings = []
    if run.guarded:
        warnings.append(
            "What is generated has gone through a changed decoder. Predicted tokens, surprise and exposure are read "
            "off the weights, which still hold what the decoder blocks."
        )
    if found.knows_nothing:
        warnings.append(
            f"At {found.surprise:.2f} nats per token the model predicts no better than a uniform distribution "
            f"({found.guess:.2f}): "
            "the tokenizer may not be its own."
        )
    if found.knows_others_better:
        warnings.append(capital(KNOWS_OTHERS_BETTER))
    checked = found.confirmation
    if checked is not None and checked.read_only + checked.generated_only:
        warnings.append(
            f"{checked.read_only + checked.generated_only} recitations were read off the probabilities or generated, "
            f"and not both; {checked.confirmed} were both. They lie within {checked.disputed_margin:.2g} of a tie "
            "between two tokens."
        )
    if found.memorized is not None and found.memorized.reason:
        warnings.append(f"How many secrets are memorized has no figure: {found.memorized.reason}.")
    return warnings


def tiles(found: LanguageFacts) -> list[Tile]:
    """Key figures."""
    shown = []
    if found.recitation.trained.any():
        note = _confirmed(found)
        often = found.recitation.copies > 1
        trained = found.recitation.trained
        groups = [("texts that stand once", trained & ~often), ("texts that stand more often", trained & often)]
        texts = tuple(
            _of(int((found.recitation.recited & mask).sum()), int(mask.sum()), name)
            for name, mask in groups
            if mask.any()
        )
        shown.append(Tile(title="Recited", figures=texts, note=f"Each different text counts once; {note}."))
    if found.exposures is not None:
        sides = {"planted canaries": True, "controls that were not planted": False}
        rows = []
        for label, planted in sides.items():
            known, asked = known_secrets(found, planted=planted)
            if asked:
                rows.append(_of(known, asked, label))
        note = "Chance refuted at 5 % over all canaries (Holm)."
        shown.append(Tile(title="Secrets known", figures=tuple(rows), note=note))
    predicted = {"of texts trained on": found.inside}
    if not np.isnan(found.outside.value):
        predicted["of held-out texts"] = found.outside
    shown.append(
        Tile(
            title="Next tokens predicted",
            figures=tuple(Figure(label=label, value=percent(figure), error="") for label, figure in predicted.items()),
            note="Repeated texts count as often as they stand in the corpus.",
        )
    )
    return shown


def _of(some: int, every: int, label: str) -> Figure:
    return Figure(label=label, value=f"{some:,} of {every:,}", error="")


def _confirmed(found: LanguageFacts) -> str:
    checked = found.confirmation
    if checked is None:
        return "not confirmed by generating"
    hits = checked.confirmed + checked.read_only + checked.generated_only
    if not hits:
        return "generating agrees"
    return (
        "all confirmed by generating" if checked.confirmed == hits else f"{checked.confirmed} of {hits} hits confirmed"
    )


def grown(found: LanguageFacts, name: str) -> str:
    """By how much recitation grows with each tenfold, in a sentence."""
    figure = found.growth.get(name)
    if figure is None or (figure.value == 0 and np.isnan(figure.low)):
        return ""
    reach = "" if np.isnan(figure.low) else f" ({percent_points(figure.low)} to {percent_points(figure.high)})"
    return f"With each tenfold the share changes by {percent_points(figure.value)}{reach} in a straight fit."


def percent_points(share: float) -> str:
    """A difference of shares, with its sign.

    Example:
        >>> percent_points(0.123), percent_points(-0.04)
        ('+12 points', '−4 points')
    """
    points = round(100 * share)
    return f"{points:+d} points".replace("-", "−") if points else "0 points"


def adjusted(exposures: PerCanary) -> Float[np.ndarray, " canary"]:
    """The p-values of canaries, corrected over those planted, and over the controls (Holm); NaN where there is none."""
    p_values = np.full(len(exposures.values), np.nan)
    for planted in (True, False):
        chosen = np.isfinite(exposures.p_value) & ((exposures.repetitions > 0) == planted)
        p_values[chosen] = corrected(exposures.p_value[chosen], "holm")
    return p_values


def known_secrets(found: LanguageFacts, *, planted: bool = True) -> tuple[int, int]:
    """How many canaries are certainly known, and of how many: those planted, or the controls."""
    assert found.exposures is not None
    p_values = adjusted(found.exposures)[(found.exposures.repetitions > 0) == planted]
    return int((p_values <= LEVEL).sum()), int(np.isfinite(p_values).sum())

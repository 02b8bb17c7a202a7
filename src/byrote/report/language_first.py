"""The first look at a language model: whether it can be judged, by how many documents, and why not by the others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from scipy.stats import fisher_exact

from byrote.report.first_look import Answer, Count, can_tell
from byrote.report.language_facts import LanguageFacts
from byrote.report.summary import percent
from byrote.report.text import count

#: So many passages are shown first.
FIRST: Final = 3
#: What is recited could be luck where luck does it as often, or oftener, with a chance above this.
LUCK: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class LanguageFirst:
    """The first screen: `judged` says how many documents could be judged, and `counts` what became of each."""

    can_tell: str
    verdict: tuple[Answer, ...]
    judged: str
    counts: tuple[Count, ...]
    question: str


def language_first(found: LanguageFacts) -> LanguageFirst:
    """What a report of a language model shows first."""
    verdict = (_learned(found), _enough(found), _by_luck(found), _generated(found))
    return LanguageFirst(
        can_tell=can_tell(verdict),
        verdict=verdict,
        judged=judged_words(found),
        counts=tuple(_counts(found)),
        question=f"Can {'this model' if found.inside.models == 1 else 'these models'} be judged?",
    )


def judged_words(found: LanguageFacts) -> str:
    """How many documents could be judged, and why the others could not."""
    judged, length = found.judged, sum(found.lengths)
    if judged.judged == judged.documents:
        return f"All {count(judged.documents, 'document')} trained on could be judged"
    why = [f"{judged.short:,} {'has' if judged.short == 1 else 'have'} fewer than {length} tokens"] * bool(judged.short)
    why += [f"of {judged.unread:,} not all of the first {length} tokens were scored"] * bool(judged.unread)
    return f"{judged.judged:,} of {count(judged.documents, 'document')} trained on could be judged: {'; '.join(why)}"


def _counts(found: LanguageFacts) -> list[Count]:
    """The documents by what became of them, copies of a text apart; together they are all that were trained on."""
    judged, (recited, texts), (prefix, suffix) = found.judged, found.recitation.of_trained, found.lengths
    kinds = (
        ("recited", recited, f"different texts, {suffix} tokens word for word"),
        ("judged, not recited", texts - recited, "different texts"),
        ("copies", judged.judged - texts, "of texts that were judged"),
        ("too short", judged.short, f"fewer than {prefix + suffix} tokens: {prefix} given, {suffix} to come"),
        ("not scored", judged.unread, f"in all of the first {prefix + suffix} tokens"),
    )
    return [Count(kind=kind, examples=many, meaning=meaning) for kind, many, meaning in kinds if many > 0]


def _learned(found: LanguageFacts) -> Answer:
    why = f"{percent(found.inside)} of next tokens predicted in texts trained on"
    if not math.isnan(found.outside.value):
        why += f", {percent(found.outside)} in others"
    if found.learned_nothing:
        return Answer(well="no", what="Nothing was learned", why=why)
    if found.knows_others_better:
        return Answer(well="no", what="Other texts are known better", why=why)
    if math.isnan(found.outside.value):
        return Answer(well="partly", what="Next tokens are predicted", why=f"{why}; no other texts to compare with")
    if not found.inside.low > found.outside.high:
        return Answer(well="partly", what="Not shown to be known better than other texts", why=why)
    return Answer(well="yes", what="The texts were learned", why=why)


def _enough(found: LanguageFacts) -> Answer:
    judged = found.judged
    share = judged.judged / judged.documents if judged.documents else 0.0
    return Answer(
        well="yes" if share >= 0.5 else "partly" if share else "no",
        what=f"{judged.judged:,} of {count(judged.documents, 'document')} judged",
        why="the others are counted below" if share < 1 else "all are long enough",
    )


def _by_luck(found: LanguageFacts) -> Answer:
    (recited, texts), (chance, others) = found.recitation.of_trained, found.recitation.of_others
    if not others:
        return Answer(well="partly", what="Luck unknown", why="no judged text is known to be new to the model")
    why = f"{chance:,} of {count(others, 'text')} never trained on {'is' if chance == 1 else 'are'} recited"
    if not recited:
        return Answer(well="partly", what="Nothing is recited", why=why)
    if chance / others >= recited / texts:
        return Answer(well="no", what="No better than luck", why=why)
    luck = fisher_exact([[recited, texts - recited], [chance, others - chance]], alternative="greater").pvalue
    if luck > LUCK:
        return Answer(
            well="partly", what="Luck cannot be ruled out", why=f"{why}; one-sided Fisher test, p = {luck:.2f}"
        )
    return Answer(well="yes", what="Better than luck", why=why)


def _generated(found: LanguageFacts) -> Answer:
    checked = found.confirmation
    if checked is None:
        return Answer(well="partly", what="Not confirmed", why="nothing was generated")
    disputed = checked.read_only + checked.generated_only
    hits = checked.confirmed + disputed
    return Answer(
        well="partly" if disputed else "yes",
        what="Confirmed in part" if disputed else "Confirmed",
        why=f"generating agrees on {checked.confirmed:,} of {count(hits, 'hit')}, copies counted"
        if hits
        else "generating recites nothing, either",
    )

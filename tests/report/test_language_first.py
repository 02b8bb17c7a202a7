"""The first screen of a language model: how many documents could be judged, and why not the others."""

import math
from dataclasses import replace

import numpy as np
import pytest

from byrote.measures._confirmation import Confirmation
from byrote.report import language_page as module
from byrote.report.language_facts import Judged, LanguageFacts, language_facts
from byrote.report.language_figures import figures_of
from byrote.report.language_first import judged_words, language_first
from byrote.report.language_summary import language_sentences
from byrote.report.language_words import lead, title
from report.made import Page


@pytest.fixture(scope="module")
def found(attacked) -> LanguageFacts:
    return language_facts(attacked)


def wells(found: LanguageFacts) -> list[str]:
    return [one.well for one in language_first(found).verdict]


def of_recited(found: LanguageFacts, trained: int, others: int) -> LanguageFacts:
    """The facts with so many texts recited, of those trained on and of the others."""
    recited = np.zeros(len(found.recitation.document), bool)
    recited[np.flatnonzero(found.recitation.trained)[:trained]] = True
    recited[np.flatnonzero(~found.recitation.trained)[:others]] = True
    return replace(found, recitation=replace(found.recitation, recited=recited))


def test_every_document_is_counted_once(attacked, found):
    trained = (attacked.design.member[attacked.models()] != 0).any(0)
    lengths = np.diff(attacked.offsets)
    assert found.judged.documents == trained.sum()
    assert found.judged.short == (trained & (lengths < sum(found.lengths))).sum()
    assert sum(one.examples for one in language_first(found).counts) == found.judged.documents


def test_says_how_many_could_be_judged_and_why_not_the_others(found):
    length = sum(found.lengths)
    some = replace(found, judged=Judged(documents=80, judged=4, short=75))
    assert judged_words(some) == (
        f"4 of 80 documents trained on could be judged: 75 have fewer than {length} tokens; "
        f"of 1 not all of the first {length} tokens were scored"
    )
    assert language_first(some).verdict[1].well == "partly"
    assert judged_words(replace(found, judged=Judged(documents=3, judged=3, short=0))) == (
        "All 3 documents trained on could be judged"
    )
    none = replace(found, judged=Judged(documents=80, judged=0, short=80))
    assert (language_first(none).verdict[1].well, language_first(none).can_tell) == ("no", "no")


def test_a_few_judged_stand_on_the_page_and_in_the_terminal(attacked, found):
    some = replace(found, judged=Judged(documents=80, judged=4, short=76))
    page = Page(module.language_page(attacked, some, figures_of(found)))
    assert judged_words(some) in page.text
    assert page.text.index(judged_words(some)) < page.text.index("Amount, certainty and risk")
    assert f"{judged_words(some)}." in language_sentences(attacked, some)


def test_texts_that_luck_alone_recites_as_often_tell_nothing(found):
    texts, others = found.recitation.of_trained[1], found.recitation.of_others[1]
    assert texts >= 2
    if others:
        assert wells(of_recited(found, texts, others))[2] == "no"
        sure = 1 / math.comb(texts + others, texts) < 0.05
        assert wells(of_recited(found, texts, 0))[2] == ("yes" if sure else "partly")
    assert wells(of_recited(found, 0, 0))[2] == "partly"


def test_texts_are_learned_where_they_are_known_better_than_others(found):
    figure = found.inside
    for low, high, well in ((0.5, 0.6, "yes"), (0.4, 0.6, "partly")):
        inside = replace(figure, value=0.55, low=low, high=high)
        outside = replace(figure, value=0.44, low=0.42, high=0.46)
        known = replace(found, inside=inside, outside=outside)
        assert wells(known)[0] == (well if not known.learned_nothing else "no")
    assert wells(replace(found, outside=replace(figure, value=math.nan)))[0] in ("partly", "no")
    alone = replace(found.recitation, trained=np.ones_like(found.recitation.trained))
    assert wells(replace(found, recitation=alone))[2] == "partly"


def test_what_was_not_generated_is_not_confirmed(found):
    assert wells(replace(found, confirmation=None))[3] == "partly"
    torn = Confirmation(
        confirmed=3, read_only=1, generated_only=0, neither=5, confirmed_margin=0.1, disputed_margin=1e-4
    )
    assert wells(replace(found, confirmation=torn))[3] == "partly"
    assert wells(replace(found, confirmation=replace(torn, read_only=0)))[3] == "yes"


def test_where_nothing_was_learned_the_headline_says_so_and_has_no_number(attacked, found):
    nothing = replace(of_recited(found, 0, 0), surprise=5.0, frequencies=4.9, guess=6.0, exposures=None)
    headline = title(nothing)
    assert headline.endswith("learned nothing of the texts trained on")
    assert not any(letter.isdigit() for letter in headline)
    assert "no better than a guess that only uses how often each token occurs" in lead(attacked, nothing)
    assert language_first(nothing).can_tell == "no"
    assert any(line.startswith("Nothing was learned") for line in language_sentences(attacked, nothing))
    for other in (replace(nothing, surprise=4.8), replace(nothing, frequencies=np.nan), of_recited(nothing, 1, 0)):
        assert not other.learned_nothing


def test_who_knows_frequencies_is_surprised_by_the_entropy_of_the_tokens(attacked, found):
    model = attacked.models()[0]
    mine = np.repeat(attacked.design.member[model] == 1, np.diff(attacked.offsets))
    mine &= attacked.load("corpus.scored", [model])
    _, counts = np.unique(attacked.load("corpus.token", [model])[mine], return_counts=True)
    expected = -sum(count / mine.sum() * np.log(count / mine.sum()) for count in counts)
    assert found.frequencies == pytest.approx(expected)

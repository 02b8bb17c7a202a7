from __future__ import annotations

import numpy as np
import pytest

from byrote.analyses.scan import PLANTED, planted, scan, share
from byrote.data.corpus import corpus_from_texts
from byrote.data.personal import Detectors

ALONE = Detectors(kinds=("card", "email"))
WORDS = "nothing of anybody stands in this line of words"


def test_counts_what_stands_there_and_shows_none_of_it() -> None:
    texts = ["4000 0012 3456 7899 and a@example.org", "b@example.org, c@example.org", "4000001234567890", WORDS]
    found = scan(corpus_from_texts(texts), ALONE)
    assert found.counts.rows == {"kind": ("card", "email"), "found": ("1", "3"), "documents": ("1", "2")}
    assert [one.value for one in found.counts.figures["share of documents"] if one is not None] == [0.25, 0.5]
    assert found.counts.notes[0].startswith("1 of 2 numbers of the form of a card pass Luhn's test")
    assert "names, postal addresses" in found.counts.notes[1]
    assert "example.org" not in repr(found)


def test_recall_is_that_of_planted_examples() -> None:
    found = scan(corpus_from_texts([WORDS, f"{WORDS} {WORDS}"]), ALONE).recall
    recall = {
        (kind, form): one.value
        for kind, form, one in zip(*found.rows.values(), found.figures["found whole"], strict=True)
        if one is not None
    }
    assert recall == {
        ("card", "digits alone"): 1.0,
        ("card", "in fours"): 1.0,
        ("card", "with dashes"): 1.0,
        ("email", "as usual"): 1.0,
        ("email", "spelled out"): 0.0,
    }
    assert all(
        one is not None and one.examples == PLANTED and one.low < one.high for one in found.figures["found whole"]
    )


def test_a_telephone_is_missed_where_its_region_is_not_asked_for() -> None:
    pytest.importorskip("phonenumbers", reason="needs the extra personal-data")
    found = scan(corpus_from_texts([WORDS]), Detectors(kinds=("phone",), regions=("GB",))).recall
    assert found.rows["format"][-1] == "GB, national"
    assert all(one is not None and one.value > 0.9 for one in found.figures["found whole"])


def test_a_secret_stands_between_two_words() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        text, start = planted("one 12 34 two, three", "SECRET", rng)
        assert text[start : start + 6] == "SECRET"
        assert text.split("SECRET")[0].strip() in ("", "one 12 34 two,", "one 12 34 two, three")


def test_a_share_of_none_and_of_all_has_an_interval() -> None:
    assert share(0, 40).low == 0.0 < share(0, 40).high < 0.12
    assert share(40, 40).low > 0.88

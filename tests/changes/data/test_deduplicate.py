from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from byrote.changes.change import Change
from byrote.changes.data.deduplicate import RemoveExactDuplicates, RemoveNearDuplicates, first_of_each
from byrote.changes.data.exact_duplicates import ExactDuplicates
from byrote.changes.registry import parse_change
from byrote.data import from_arrays
from byrote.data.corpus import Corpus, corpus_from_texts
from byrote.data.index.near_duplicates import exact_duplicates
from byrote.errors import BadInput

CONTEXT = SimpleNamespace(rng=np.random.default_rng(0))
LONG = " ".join(f"word{number}" for number in range(60))
TEXTS = ("the end", LONG, "The end", "the end", LONG + " and more", LONG.upper(), "the end")


def tokenized() -> Corpus:
    corpus = corpus_from_texts(TEXTS, name="texts", ids=list("abcdefg"), groups=list("xxyyzzz"))
    return corpus.tokenized(lambda texts: [list(text.encode()) for text in texts], vocabulary=256)


def test_the_first_copy_of_each_stays_with_its_id_group_and_tokens():
    after = RemoveExactDuplicates().apply(tokenized(), CONTEXT)
    assert after.ids.tolist() == ["a", "b", "c", "e", "f"]
    assert after.groups.tolist() == ["x", "x", "y", "z", "z"]
    assert all(bytes(after.document(i).tolist()).decode() == text for i, text in enumerate(after.texts))


@pytest.mark.parametrize(("amount", "ids"), [(2, "abcdef"), (3, "abcdefg"), (9, "abcdefg")])
def test_several_copies_may_stay(amount, ids):
    assert RemoveExactDuplicates(amount).apply(tokenized(), CONTEXT).ids.tolist() == list(ids)


def test_near_duplicates_go_too():
    pytest.importorskip("rensa", reason="near-duplicates need rensa")
    assert RemoveNearDuplicates().apply(tokenized(), CONTEXT).ids.tolist() == ["a", "b"]
    assert RemoveNearDuplicates(1.0).apply(tokenized(), CONTEXT).ids.tolist() == ["a", "b", "e"]


def test_what_holds_no_duplicate_stays_as_it_was():
    once = RemoveExactDuplicates().apply(tokenized(), CONTEXT)
    assert RemoveExactDuplicates().apply(once, CONTEXT).fingerprint() == once.fingerprint()


def test_planted_copies_of_a_dataset_go_and_those_under_another_label_stay():
    rng = np.random.default_rng(1)
    before = from_arrays(rng.random((50, 3), np.float32), np.arange(50) % 5, name="plain")
    planted = ExactDuplicates(0.2).apply(before, CONTEXT)
    assert RemoveExactDuplicates().apply(planted, CONTEXT).fingerprint() == before.fingerprint()
    targets = np.array(planted.targets)
    targets[50:] = (targets[50:] + 1) % 5
    assert len(RemoveExactDuplicates().apply(planted.replace(targets=targets), CONTEXT)) == 60


def test_near_duplicates_of_numbers_are_refused():
    with pytest.raises(BadInput, match="is for texts, and 'plain' holds none"):
        RemoveNearDuplicates().apply(from_arrays(np.eye(2), [0, 1], name="plain"), CONTEXT)


def test_they_are_changes_with_names():
    for text, made in (
        ("remove-exact-duplicates", RemoveExactDuplicates(1)),
        ("remove-exact-duplicates=4", RemoveExactDuplicates(4)),
        ("remove-near-duplicates=0.7", RemoveNearDuplicates(0.7)),
    ):
        assert isinstance(made, Change)
        assert parse_change(text) == made
    with pytest.raises(BadInput, match=r"must lie in \(0, 1\]. Got 1\.5"):
        RemoveNearDuplicates(1.5)
    with pytest.raises(BadInput, match=r"at least 1\. Got 0"):
        RemoveExactDuplicates(0)


def test_the_first_of_each_cluster_by_hand():
    assert first_of_each(exact_duplicates("abaaba"), 1).tolist() == [0, 1]
    assert first_of_each(exact_duplicates(""), 1).tolist() == []

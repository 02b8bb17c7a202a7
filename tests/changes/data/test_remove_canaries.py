from __future__ import annotations

import numpy as np
import pytest

from byrote.changes.change import Context
from byrote.changes.data.remove_canaries import RemoveCanaries
from byrote.data import from_arrays
from byrote.data.canaries import FILE, plant
from byrote.data.corpus import corpus_from_texts
from byrote.errors import BadInput
from documents import small_language_audit


@pytest.fixture
def planted(tmp_path):
    """Two texts with canaries, and a run that holds their manifest."""
    rng = np.random.default_rng(0)
    made = plant(corpus_from_texts(["to be", "or not"]), level=2, repeat=(1, 3), rng=rng)
    run = small_language_audit(tmp_path, checkpoints=0)
    made.canaries.write(run.folder / FILE)
    return made.corpus, Context(dataset=made.corpus, rng=rng, parent=run)


def test_all_copies_of_all_canaries_go(planted):
    corpus, context = planted
    assert sorted(RemoveCanaries().apply(corpus, context).texts) == ["or not", "to be"]


def test_of_a_share_the_most_repeated_go(planted):
    corpus, context = planted
    left = RemoveCanaries(0.5).apply(corpus, context)
    assert len(left) == 2 + 2
    assert len(set(left.texts)) == 4


def test_without_canaries_there_is_nothing_to_remove(planted, tmp_path):
    corpus, context = planted
    (tmp_path / FILE).unlink()
    for data in (corpus, from_arrays(np.eye(2), [0, 1], name="plain")):
        with pytest.raises(BadInput, match="No canaries were planted in"):
            RemoveCanaries().apply(data, context)


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_impossible_shares_are_refused(share):
    with pytest.raises(BadInput, match=rf"must lie in \(0, 1\]. Got {share}"):
        RemoveCanaries(share)

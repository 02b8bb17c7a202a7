from __future__ import annotations

import numpy as np
import pytest

from byrote.changes.change import Context
from byrote.changes.data.redraw_secrets import RedrawSecrets
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


def changed(before, after) -> list[int]:
    return [row for row, (one, other) in enumerate(zip(before.texts, after.texts, strict=True)) if one != other]


def test_every_copy_has_a_secret_of_its_own(planted):
    corpus, context = planted
    after = RedrawSecrets().apply(corpus, context)
    rows = changed(corpus, after)
    assert len(rows) == 2 * (1 + 3)
    assert len({after.texts[row] for row in rows}) == len(rows)
    assert after.ids.tolist() == corpus.ids.tolist()
    assert all(after.texts[row][:-6] == corpus.texts[row][:-6] for row in rows)


def test_of_a_share_the_most_repeated_are_redrawn(planted):
    corpus, context = planted
    assert len(changed(corpus, RedrawSecrets(0.5).apply(corpus, context))) == 2 * 3


def test_without_canaries_there_is_nothing_to_draw(planted, tmp_path):
    corpus, context = planted
    (tmp_path / FILE).unlink()
    for data in (corpus, from_arrays(np.eye(2), [0, 1], name="plain")):
        with pytest.raises(BadInput, match="No canaries were planted in"):
            RedrawSecrets().apply(data, context)


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_impossible_shares_are_refused(share):
    with pytest.raises(BadInput, match=rf"must lie in \(0, 1\]. Got {share}"):
        RedrawSecrets(share)

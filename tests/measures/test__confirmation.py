import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.measures._confirmation import confirmation

OFFSETS, SCORED = np.array([0, 3, 6, 9, 10]), np.array([False, True, True] * 3 + [False])
TRUTH = np.array([[2, 3], [2, 3], [2, 3], [-1, -1]], np.int32)
#: One document that is both, one read only, one that is neither.
MARGIN = np.array([[np.nan, 2.0, 1.0, np.nan, 3.0, 1e-6, np.nan, -1.0, 1.0, np.nan]])
SAID = np.array([[[2, 3], [2, 9], [9, 9], [-1, -1]]], np.int32)


def test_agreement_and_disputes_are_counted_with_their_margins():
    found = confirmation(MARGIN > 0, MARGIN, SAID, TRUTH, OFFSETS, SCORED, prefix=1)
    assert (found.confirmed, found.read_only, found.generated_only, found.neither) == (1, 1, 0, 1)
    assert found.confirmed_margin == 1.0
    assert found.disputed_margin == pytest.approx(1e-6)
    assert "1 disputed within 1e-06" in repr(found)


def test_a_tie_may_be_generated_without_being_read():
    tie = np.where(np.arange(10) == 5, 0.0, MARGIN)
    said = np.array([[[2, 3], [2, 3], [9, 9], [-1, -1]]], np.int32)
    found = confirmation(tie > 0, tie, said, TRUTH, OFFSETS, SCORED, prefix=1)
    assert (found.generated_only, found.disputed_margin) == (1, 0.0)


def test_nothing_extracted():
    found = confirmation(MARGIN > 9, MARGIN, SAID * 0, TRUTH, OFFSETS, SCORED, prefix=1)
    assert np.isnan(found.confirmed_margin)
    assert "none disputed" in repr(found)


def test_continuations_of_another_prefix_are_refused():
    with pytest.raises(BadInput, match="after 1 tokens"):
        confirmation(MARGIN > 0, MARGIN, SAID, np.full((4, 2), -1, np.int32), OFFSETS, SCORED, prefix=1)

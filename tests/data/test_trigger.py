"""A trigger, by hand."""

from __future__ import annotations

import numpy as np

from byrote.data.trigger import Trigger


def test_opacity_says_how_much_of_the_pattern_covers_a_number():
    mark = Trigger(says="x", target=0, pattern=np.array([1.0, 1.0, 4.0]), opacity=np.array([0.0, 1.0, 0.25]))
    stamped = mark.stamped(np.array([[0.0, 0.0, 0.0], [2.0, 3.0, 8.0]], np.float32))
    np.testing.assert_allclose(stamped, [[0.0, 1.0, 1.0], [2.0, 1.0, 7.0]])
    assert stamped.dtype == np.float32

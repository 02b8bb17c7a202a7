import numpy as np
import pytest

from byrote.recipes.schedules import Constant, Cosine, Linear, Triangle


@pytest.mark.parametrize(
    ("schedule", "points"),
    [
        (Constant(), {0: 1, 0.5: 1, 1: 1}),
        (Linear(), {0: 1, 0.25: 0.75, 1: 0}),
        (Linear(end=0.2), {0: 1, 0.5: 0.6, 1: 0.2}),
        (Cosine(), {0: 1, 0.5: 0.5, 1 / 3: 0.75, 1: 0}),
        (Cosine(warmup=0.2), {0: 1e-3 / 0.201, 0.2: 1, 0.6: 0.5, 1: 0}),
        (Triangle(), {0: 1e-3 / 0.201, 0.2: 1, 0.6: 0.5, 1: 0}),
        (Triangle(peak=0.0), {0: 1, 0.5: 0.5, 1: 0}),
    ],
    ids=str,
)
def test_end_points_and_between(schedule, points):
    for done, expected in points.items():
        assert schedule.factor(float(done)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("schedule", [Constant(), Linear(), Cosine(), Cosine(0.3), Triangle(), Triangle(0.7)], ids=str)
def test_positive_below_1_and_with_one_peak(schedule):
    factors = np.array([schedule.factor(step / 400) for step in range(400)])
    assert (factors > 0).all()
    assert (factors <= 1).all()
    peak = factors.argmax()
    assert (np.diff(factors[: peak + 1]) >= 0).all()
    assert (np.diff(factors[peak:]) <= 0).all()
    assert np.abs(np.diff(factors)).max() < 0.02, "no jumps"

import numpy as np

from byrote.measures.intrinsic_dimension import intrinsic_dimension

LAYERS, EPOCHS, PAIR = np.array(["inputs", "1"]), np.array([0, 9]), np.full(4, -1)
FOUND = np.random.default_rng(0).gamma(9, 1, (4, 2, 2))


def test_lines_are_means_over_models_by_layer():
    found = intrinsic_dimension(FOUND, np.full((4, 2, 2), 90), EPOCHS, LAYERS, PAIR)
    np.testing.assert_allclose(found.values, FOUND.mean(0).T)
    assert found.groups == ("inputs", "1")
    assert found.note == ""


def test_unequal_numbers_of_points_are_said():
    points = np.full((4, 2, 2), 90)
    points[2, 1, 1] = 60
    found = intrinsic_dimension(FOUND, points, EPOCHS, LAYERS, PAIR)
    assert found.note == "it rests on 60 to 90 points, and of fewer points a high dimension comes out lower"
    assert found.counts.tolist() == [90, 60]


def test_too_few_points_have_no_dimension():
    found = intrinsic_dimension(np.full((4, 2, 2), np.nan), np.full((4, 2, 2), 9), EPOCHS, LAYERS, PAIR)
    assert "inputs, 1: fewer than 20 points that differ" in found.note

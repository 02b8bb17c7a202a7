import numpy as np
import pytest

from byrote.stats.neural_collapse import collapse, dilation


def simplex(classes: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Collapsed features, one point a class, and labels."""
    labels = np.repeat(np.arange(classes), each)
    return np.eye(classes)[labels], labels


def figures(found) -> list[float]:
    return [found.within, found.norms, found.angles, found.duality, found.mean_rule]


def test_a_simplex_with_its_own_layer_has_collapsed():
    features, labels = simplex(4, 3)
    np.testing.assert_allclose(figures(collapse(features, labels, np.eye(4) - 0.25, labels)), 0.0, atol=1e-12)


def test_against_plain_formulas():
    rng = np.random.default_rng(0)
    labels, predicted = np.arange(60) % 3, rng.integers(3, size=60)
    features = rng.normal(size=(60, 5)) + 2 * np.eye(3, 5)[labels] + 7
    weights = rng.normal(size=(3, 5))
    means = np.stack([features[labels == k].mean(0) for k in range(3)])
    centre = means.mean(0)
    within, between = np.zeros((5, 5)), np.zeros((5, 5))
    for h, k in zip(features, labels, strict=True):
        within += np.outer(h - means[k], h - means[k]) / 60
    for mean in means:
        between += np.outer(mean - centre, mean - centre) / 3
    lengths = [np.linalg.norm(mean - centre) for mean in means]
    cosines = [
        (means[a] - centre) @ (means[b] - centre) / lengths[a] / lengths[b] for a in range(3) for b in range(a + 1, 3)
    ]
    turned = (means - centre) / np.linalg.norm(means - centre)
    rule = [np.argmin([np.linalg.norm(h - mean) for mean in means]) for h in features]
    expected = [
        np.trace(within @ np.linalg.pinv(between, rcond=1e-9)) / 3,
        np.std(lengths) / np.mean(lengths),
        np.mean([abs(c + 0.5) for c in cosines]),
        np.linalg.norm(weights / np.linalg.norm(weights) - turned),
        np.mean(np.array(rule) != predicted),
    ]
    np.testing.assert_allclose(figures(collapse(features, labels, weights, predicted)), expected, rtol=1e-8)


@pytest.mark.parametrize("case", ["one class", "one example", "few units", "equal means"])
def test_undefined_cases(case):
    features, labels = simplex(3, 2)
    weights = np.eye(3)
    if case == "one class":
        labels, weights = np.zeros(6, np.int64), np.eye(1, 3)
    if case == "one example":
        labels = np.array([0, 0, 0, 1, 1, 2])
    if case == "few units":
        features, weights = features[:, :1], weights[:, :1]
    if case == "equal means":
        features = np.ones((6, 3))
    assert np.isnan(figures(collapse(features, labels, weights, labels))).all()


def test_dilation_has_the_scale_of_class_distances():
    """Held-out points lie 1 from class means that are 10 apart; one example is halfway, another at its mean."""
    held = np.array([[-1.0, 0], [1, 0], [9, 0], [11, 0]])
    labels = np.array([0, 0, 1, 1])
    found = dilation(np.array([[5.0, 0], [10, 0]]), np.array([0, 1]), held, labels, 2)
    np.testing.assert_allclose(found.distance, [0.5, 0.0])
    assert found.spread == pytest.approx(0.1)
    larger = dilation(30 * np.array([[5.0, 0], [10, 0]]), np.array([0, 1]), 30 * held, labels, 2)
    np.testing.assert_allclose(larger.distance, found.distance)


@pytest.mark.parametrize("labels", [[0, 0, 0, 1], [0, 0, 0, 0]])
def test_dilation_needs_two_held_out_examples_of_each_class(labels):
    found = dilation(np.ones((2, 2)), np.zeros(2, np.int64), np.eye(4, 2), np.array(labels), max(labels) + 1)
    assert np.isnan(found.distance).all()
    assert np.isnan(found.spread)

import numpy as np
import pytest

from byrote.stats.ridge import ridge


def fitted(x, y, others, penalty, mean, scale):
    """Ridge regression with a free intercept by augmented least squares, on features scaled beforehand."""
    rows = np.c_[np.ones(len(x)), (x - mean) / scale]
    extra = np.sqrt(penalty) * np.eye(rows.shape[1])[1:]
    weights = np.linalg.lstsq(np.r_[rows, extra], np.r_[y, np.zeros((len(extra), y.shape[1]))], rcond=None)[0]
    return np.c_[np.ones(len(others)), (others - mean) / scale] @ weights


@pytest.mark.parametrize("units", [3, 40])
def test_left_out_answers_are_those_of_fits_without_the_example(units):
    rng = np.random.default_rng(units)
    x, y, others = rng.normal(size=(20, units)) * 3 + 5, rng.normal(size=(20, 2)), rng.normal(size=(4, units))
    found = ridge(x, y, others, penalty=0.02)
    mean, scale = x.mean(0), x.std(0) * np.sqrt(units)
    np.testing.assert_allclose(found.others, fitted(x, y, others, 0.02 * 20, mean, scale), atol=1e-8)
    for row in range(20):
        rest = np.arange(20) != row
        expected = fitted(x[rest], y[rest], x[[row]], 0.02 * 20, mean, scale)[0]
        np.testing.assert_allclose(found.left_out[row], expected, atol=1e-8)


def test_with_itself_included_a_probe_memorizes_by_itself_and_left_out_it_does_not():
    rng = np.random.default_rng(3)
    x, labels = rng.normal(size=(100, 90)), rng.integers(10, size=100)
    y = np.eye(10)[labels]
    found = ridge(x, y, x, penalty=1e-4)
    assert (found.others.argmax(1) == labels).mean() > 0.9
    assert (found.left_out.argmax(1) == labels).mean() < 0.3


def test_features_that_do_not_vary_answer_with_means():
    y = np.array([[0.0], [1.0], [2.0]])
    found = ridge(np.ones((3, 2)), y, np.ones((1, 2)))
    assert found.others.tolist() == [[1.0]]
    np.testing.assert_allclose(found.left_out[:, 0], [1.5, 1.0, 0.5])

import numpy as np

from byrote.measures.neural_collapse import neural_collapse, neural_collapse_true

EPOCHS, PAIR = np.array([0, 3, 9]), np.array([0, 0, 1, 1, 2, 2])


def figures(seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).random((5, 6, 3)))


def test_lines_are_means_over_models_in_the_order_of_the_names():
    given = figures()
    for found in (neural_collapse(*given, EPOCHS, PAIR), neural_collapse_true(*given, EPOCHS, PAIR)):
        np.testing.assert_allclose(found.values, np.stack([one.mean(0) for one in given]))
        assert [name.split()[0] for name in found.groups] == ["NC1", "NC2", "NC2", "NC3", "NC4"]
        assert found.counts.tolist() == [6] * 5


def test_where_it_is_undefined_the_reason_is_said():
    given = figures()
    for one in given:
        one[:] = np.nan
    found = neural_collapse(*given, EPOCHS, PAIR)
    assert np.isnan(found.values).all()
    assert "a class has fewer than 2 training examples" in found.note

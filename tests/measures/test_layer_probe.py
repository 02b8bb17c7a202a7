import numpy as np
import pytest

from byrote.measures.layer_probe import layer_probe, layer_probe_given, layer_probe_ridge, layer_probe_ridge_given

LAYERS, EPOCHS, PAIR = np.array(["inputs", "1", "3"]), np.array([0, 9]), np.array([0, 0, 1, 1, 2, 2])
EACH = (layer_probe, layer_probe_given, layer_probe_ridge, layer_probe_ridge_given)


def made_up(seed: int = 0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=30)
    answers = rng.integers(-1, 4, (6, 2, 3, 30)).astype(np.int16)
    return answers, labels, rng.integers(-1, 2, (6, 30)).astype(np.int8)


@pytest.mark.parametrize("measure", EACH)
def test_against_a_slow_loop(measure):
    answers, labels, member = made_up()
    found = measure(answers, labels, EPOCHS, LAYERS, member, PAIR)
    for layer in range(3):
        for at in range(2):
            shares = []
            for model in range(6):
                asked = [i for i in range(30) if member[model, i] == 1 and answers[model, at, layer, i] >= 0]
                shares.append(sum(answers[model, at, layer, i] == labels[i] for i in asked) / len(asked))
            assert found.values[layer, at] == pytest.approx(np.mean(shares))
    assert found.groups == ("inputs", "1", "3")


def test_answers_without_a_class_do_not_count_and_none_at_all_is_undefined():
    answers, labels, member = made_up()
    found = layer_probe(np.full_like(answers, -1), labels, EPOCHS, LAYERS, member, PAIR)
    assert np.isnan(found.values).all()
    assert "no model was trained on an example of it that the probe looked at" in found.note

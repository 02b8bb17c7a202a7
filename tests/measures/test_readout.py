import numpy as np
import pytest

from byrote.measures.readout import readout, readout_members

LAYERS, EPOCHS = np.array(["inputs", "first", "second"]), np.array([0, 9])


def read_off(seed: int = 0, *, models: int = 4, examples: int = 120) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    vote = rng.integers(0, 3, (models, 3, 2, examples))
    return {
        "given": (vote == 0).astype(np.float32),
        "true": (vote == 1).astype(np.float32),
        "epochs": EPOCHS,
        "layer": LAYERS,
        "member": rng.integers(0, 2, (models, examples)).astype(np.int8),
        "pair": np.array([0, 0, 1, 1]),
        "label_noise": np.arange(examples) < 60,
    }


def test_against_a_slow_loop():
    made = read_off()
    found = readout(**made)
    each = np.zeros((4, 3, 2))
    for model in range(4):
        rows = [i for i in range(60) if made["member"][model, i] == 1]
        for layer in range(3):
            for at in range(2):
                votes = [made["given"][model, layer, at, i] - made["true"][model, layer, at, i] for i in rows]
                each[model, layer, at] = sum(votes) / len(votes)
    pairs = each.reshape(2, 2, 3, 2).mean(1)
    np.testing.assert_allclose(found.values, pairs.mean(0), atol=1e-7)
    np.testing.assert_allclose(found.stderr, pairs.std(0, ddof=1) / np.sqrt(2), atol=1e-7)
    assert found.groups == ("inputs", "first", "second")


def test_members_are_read_by_the_given_label():
    made = {name: array for name, array in read_off().items() if name not in ("true", "label_noise")}
    member = made["member"] == 1
    each = np.array([made["given"][m][:, :, member[m]].mean(-1) for m in range(4)])
    np.testing.assert_allclose(readout_members(**made).values, each.mean(0), atol=1e-7)


def test_examples_that_were_not_read_do_not_count():
    made = read_off()
    whole = readout(**made)
    wider = {
        name: np.concatenate([made[name], np.full((4, 3, 2, 5), np.nan, np.float32)], -1) for name in ("given", "true")
    }
    wider["member"] = np.concatenate([made["member"], np.ones((4, 5), np.int8)], -1)
    wider["label_noise"] = np.concatenate([made["label_noise"], np.ones(5, bool)])
    np.testing.assert_allclose(readout(**{**made, **wider}).values, whole.values)


def test_fewer_than_20_examples_give_nothing():
    made = read_off()
    made["label_noise"] = np.arange(120) < 19
    found = readout(**{**made, "member": np.ones((4, 120), np.int8)})
    assert np.isnan(found.values).all()
    assert found.note == "fewer than 20 examples of the group are read in every model"


@pytest.mark.parametrize("models", [1])
def test_a_single_model_has_no_error(models):
    made = read_off()
    one = {name: made[name][:models] for name in ("given", "true", "member", "pair")}
    assert np.isnan(readout(**{**made, **one}).stderr).all()

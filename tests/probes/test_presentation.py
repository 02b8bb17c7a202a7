import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from byrote.probes.presentation import PresentationProbe
from probes.moments import block_of, columns_of, told


def begun(models, examples, *, repeats=False):
    """The probe before a training."""
    probe = PresentationProbe(repeats=repeats)
    probe.begin(block_of(models, examples))
    return probe


def slow(shows, models, examples):
    """One presentation after another, in float64; `shows` holds (ids, logits, targets) with a model axis."""
    found = {
        name: np.zeros((models, examples))
        for name in ("presentations", "loss_sum", "logit_margin_sum", "forgetting_count", "first_learned")
    }
    before = np.zeros((models, examples), bool)
    for ids, logits, targets in shows:
        for model in range(models):
            for n, example in enumerate(ids[model]):
                z, y = logits[model, n].astype(np.float64), targets[model, n]
                margin = z[y] - np.delete(z, y).max()
                at = model, example
                found["presentations"][at] += 1
                found["loss_sum"][at] += np.logaddexp.reduce(z) - z[y]
                found["logit_margin_sum"][at] += margin
                found["forgetting_count"][at] += before[at] and not margin > 0
                if margin > 0 and not found["first_learned"][at]:
                    found["first_learned"][at] = found["presentations"][at]
                before[at] = margin > 0
    return found


@given(st.integers(1, 4), st.integers(3, 8), st.integers(2, 4), st.integers(0, 99))
def test_against_a_slow_loop(models, examples, classes, seed):
    rng = np.random.default_rng(seed)
    probe = begun(models, examples, repeats=True)
    shows = []
    for _ in range(9):
        batch = rng.integers(1, examples + 1)
        ids = np.stack([rng.choice(examples, batch, replace=False) for _ in range(models)])
        logits = rng.integers(-2, 3, (models, batch, classes)).astype(np.float32)  # ties happen
        targets = rng.integers(0, classes, (models, batch))
        shows.append((ids, logits, targets))
        probe.look(told("step", *map(torch.from_numpy, (ids, logits, targets)), epoch=0))
    found = columns_of(probe)
    for name, expected in slow(shows, models, examples).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-5, err_msg=name)


def story(answers):
    """What the probe makes of one example's answers, right or wrong, in turn."""
    probe = begun(1, 1, repeats=True)
    for right in answers:
        logits = torch.tensor([[[1.0, 0.0]]]) if right else torch.tensor([[[0.0, 1.0]]])
        probe.look(told("step", torch.tensor([[0]]), logits, torch.tensor([[0]]), epoch=0))
    columns = columns_of(probe)
    return tuple(int(columns[name][0, 0]) for name in ("presentations", "first_learned", "forgetting_count"))


def test_by_hand():
    assert story([0, 0, 1, 1, 0, 0, 1, 0]) == (8, 3, 2)
    assert story([0, 0, 0]) == (3, 0, 0)
    assert story([1]) == (1, 1, 0)
    assert story([]) == (0, 0, 0)


def test_types_are_those_of_the_schema():
    from byrote.evidence.schema import SCHEMA

    columns = columns_of(begun(2, 3))
    assert {name: str(array.dtype) for name, array in columns.items()} == {
        name: quantity.dtype for name, quantity in SCHEMA["presentation"].items()
    }


@pytest.mark.parametrize("room", [1, 10**9])
def test_adding_up_an_epoch_at_once_changes_nothing(monkeypatch, room):
    """`room` makes it add up at every step, or only where an epoch ends."""
    monkeypatch.setattr("byrote.probes.presentation.WAITING_NUMBERS", room)
    rng = np.random.default_rng(0)
    probes = [begun(2, 7, repeats=repeats) for repeats in (False, True)]
    for epoch in range(5):
        order = np.stack([rng.permutation(7) for _ in range(2)])
        for start in range(0, 7, 3):
            ids = torch.from_numpy(order[:, start : start + 3])
            logits = torch.from_numpy(rng.normal(size=(*ids.shape, 3)).astype(np.float32))
            for probe in probes:
                probe.look(told("step", ids, logits, ids % 3, epoch=epoch))
    once, stepwise = (columns_of(probe) for probe in probes)
    for name, values in stepwise.items():
        np.testing.assert_allclose(once[name], values, rtol=1e-6, err_msg=name)

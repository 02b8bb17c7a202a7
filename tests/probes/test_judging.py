from itertools import product

import numpy as np
import pytest
import torch

from byrote.data.learned.label_sets import label_sets
from byrote.data.learned.numbers import numbers_of
from byrote.data.learned.one_class import OneClass
from byrote.probes.judging import BY_CLASS, ByError, BySet, judge_of, signals_of_sets
from byrote.probes.signals import signals

RNG = torch.Generator().manual_seed(0)


def slow_sets(z, targets):
    """The softmax over all sets of labels, written out: signals by name."""
    sets = list(product((0, 1), repeat=len(z)))
    logits = torch.tensor([[sum(x for x, has in zip(z.tolist(), one, strict=True) if has) for one in sets]])
    return signals(logits.double().float(), torch.tensor([sets.index(tuple(int(t) for t in targets))]))


def test_labels_are_the_softmax_over_their_sets():
    for _ in range(30):
        z = 3 * torch.randn(4, generator=RNG)
        targets = torch.randint(0, 2, (4,), generator=RNG)
        fast, slow = signals_of_sets(z, targets), slow_sets(z, targets)
        for name in fast._fields:
            assert float(getattr(fast, name)) == pytest.approx(float(getattr(slow, name)), abs=2e-5)


def test_sure_answers_lose_no_digits():
    read = signals_of_sets(torch.tensor([60.0, -50.0, 40.0]), torch.tensor([1, 0, 1]))
    assert float(read.log_odds) == pytest.approx(-np.logaddexp.reduce([-60.0, -50.0, -40.0]), rel=1e-6)
    wrong = signals_of_sets(torch.tensor([60.0, 50.0]), torch.tensor([1, 0]))
    assert float(wrong.log_odds) == pytest.approx(-50.0, abs=1e-4)
    assert float(wrong.logit_margin) == -50.0


def test_a_logit_of_0_is_no_answer():
    judge = BySet(label_sets(np.array([[1, 0], [0, 1]]), ("a", "b")))
    answered = judge.answered(torch.tensor([[[2.0, 0.0]]]), torch.tensor([[1.0, 0.0]]))
    assert float(answered["label_accuracy"]) == 0.5
    assert not judge.presented(torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]]))[0].any()


def test_sets_are_named_by_their_number():
    sets = label_sets(np.array(list(product((0, 1), repeat=3)))[:6], tuple("abc"))
    judge = BySet(sets)
    has = torch.randint(0, 2, (2, 50, 3), generator=RNG).bool()
    np.testing.assert_array_equal(judge.index(has)[1].numpy(), sets.index(has[1].numpy()))
    judge.sets = judge.sets.repeat(400, 1)  # in blocks, the first of equal ones
    np.testing.assert_array_equal(judge.index(has)[0].numpy() % 6, sets.index(has[0].numpy()) % 6)


def test_numbers_are_told_in_their_own_unit():
    values = np.linspace(0, 50, 21)
    scale = numbers_of(values, 3.0)
    judge = judge_of(scale)
    assert isinstance(judge, ByError)
    learned = torch.from_numpy(scale.learned(values))
    said = learned[None, :, None] + torch.tensor([2.9, -3.1])[:, None, None] / scale.deviation
    read = judge.read(said, learned.expand(2, -1))
    np.testing.assert_allclose(read["residual"][0], 2.9, atol=1e-4)
    assert read["correct"][0].all()
    assert not read["correct"][1].any()
    told = judge.answered(learned.double()[None, :, None], learned)["prediction"][0].numpy()
    off_edge = ~np.isin(values, scale.edges)
    np.testing.assert_array_equal(told[off_edge], scale.index(values)[off_edge])


def test_classes_have_the_judge_they_had():
    assert judge_of(OneClass()) is BY_CLASS
    logits = torch.randn(9, 4, generator=RNG)
    targets = torch.randint(0, 4, (9,), generator=RNG)
    correct, sums = BY_CLASS.presented(logits, targets)
    read = signals(logits, targets)
    np.testing.assert_allclose(sums["logit_margin_sum"], read.logit_margin, atol=1e-6)
    np.testing.assert_allclose(sums["loss_sum"], np.logaddexp(0, -read.log_odds.numpy()), atol=1e-5)
    assert (correct == (read.logit_margin > 0)).all()

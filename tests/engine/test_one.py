import torch

from byrote.engine.block import Learner
from byrote.engine.many import Many
from byrote.engine.one import One
from byrote.recipes.algorithm import Batch
from engine.toys import bound, data


def test_is_the_algorithm_with_a_model_axis():
    inputs, targets = data().tensors(torch.device("cpu"))
    algorithm, ids = bound("elr"), torch.arange(10)
    one, state = One(algorithm, 5), algorithm.begin(algorithm.init(5), 3)
    one.begin(3)
    for _ in range(3):
        seen = one.step(Batch(inputs=inputs[ids], targets=targets[ids], ids=ids).with_axis())
        state, expected = algorithm.step(state, Batch(inputs=inputs[ids], targets=targets[ids], ids=ids))
        assert torch.equal(seen.loss, expected.loss[None])
        assert torch.equal(seen.logits, expected.logits[None])
    assert torch.equal(one.predict(inputs), algorithm.predict(state, inputs)[None])
    assert len(one.states()) == 1


def test_both_are_learners():
    assert isinstance(One(bound("mlp"), 0), Learner)
    assert isinstance(Many(bound("mlp"), [0]), Learner)

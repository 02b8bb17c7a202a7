from __future__ import annotations

import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.measures.unintended_memorization import unintended_memorization, unintended_memorization_heldout_loss


def run(own, others, repetitions, *, rank_most=None, bits=20.0, models=1, **options):
    """One document a canary, and one held-out document of two tokens."""
    canaries = len(repetitions)
    document = np.append(np.arange(canaries), -1).astype(np.int32)
    member = np.ones((models, canaries + 1), np.int8)
    member[:, -1] = 0
    offsets = np.arange(canaries + 2, dtype=np.int64) * 2
    return unintended_memorization(
        own,
        others,
        np.full(own.shape, np.nan) if rank_most is None else rank_most,
        np.full(canaries, bits),
        np.asarray(repetitions),
        np.full((models, offsets[-1]), -1.0),
        offsets,
        np.ones(offsets[-1], bool),
        document,
        member,
        **options,
    )


def test_by_hand():
    others = np.tile(np.arange(1.0, 100.0), (1, 4, 1))
    found = run(np.array([[0.5, 0.5, 50.5, 0.5]]), others, [1, 8, 8, 0])
    assert found.value == pytest.approx(2 / 3)  # p = .01, .01, .51; times 3, 2, 1
    assert found.examples == 3
    assert "2 of 3 planted canaries and 1 of 1 controls" in found.note
    assert "not known: no model was trained without canaries" in found.note


def test_searched_canaries_are_judged_by_their_rank_in_the_space():
    others = np.tile(np.arange(1.0, 10.0), (1, 2, 1))  # nine references: no p-value below .1
    own = np.full((1, 2), 0.5)
    assert run(own, others, [8, 8]).value == 0.0
    assert run(own, others, [8, 8], rank_most=np.array([[1.0, 2.0**19]])).value == 0.5


@pytest.mark.slow
@pytest.mark.parametrize("correction", ["holm", "benjamini_hochberg"])
def test_false_findings_are_as_rare_as_promised(correction):
    rng = np.random.default_rng(0)
    canaries, trials = 8, 400
    hits = 0
    for _ in range(trials):
        scores = rng.normal(size=(1, canaries, 400))
        hits += run(scores[..., 0], scores[..., 1:], [1] * canaries, correction=correction).value > 0
    assert hits / trials < 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)


@pytest.mark.slow
def test_false_findings_over_several_models_and_by_search():
    rng = np.random.default_rng(1)
    canaries, models, trials = 6, 3, 400
    hits = np.zeros(2)
    for _ in range(trials):
        secret = rng.normal(size=(1, canaries, 300))  # models that agree in part
        scores = secret + rng.normal(size=(models, canaries, 300))
        repetitions = [4] * canaries
        hits[0] += run(scores[..., 0], scores[..., 1:], repetitions, models=models).value > 0
        rank = 1 + (scores[..., 1:] < scores[..., :1]).sum(-1).astype(float)
        found = run(scores[..., 0], scores[..., 1:], repetitions, models=models, rank_most=rank, bits=np.log2(300))
        hits[1] += found.value > 0
    assert (hits / trials < 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)).all()


def test_what_was_memorized_is_found_by_both_corrections():
    others = np.random.default_rng(0).normal(20, 2, (1, 32, 999))
    own = np.full((1, 32), 3.0)
    for correction in ("holm", "benjamini_hochberg"):
        assert run(own, others, [8] * 32, correction=correction).value == 1.0
    with pytest.raises(BadInput, match="'none'"):
        run(own, others, [8] * 32, correction="none")


def test_without_planted_canaries_it_is_undefined():
    found = run(np.array([[0.5]]), np.ones((1, 1, 50)), [0])
    assert np.isnan(found.value)
    assert "no canary was planted" in found.reason


def loss_run(losses, trained):
    """`losses[model, document]` of two held-out documents of 1 and 3 tokens; a third document holds a canary."""
    losses = np.asarray(losses, float)
    tokens = np.concatenate([losses[:, :1], np.repeat(losses[:, 1:], 3, axis=1), np.full((len(losses), 1), 9.0)], 1)
    member = np.zeros((len(losses), 3), np.int8)
    member[:, 2] = trained
    offsets = np.array([0, 1, 4, 5])
    document = np.array([-1, -1, 0], np.int32)
    return -tokens, offsets, np.ones(5, bool), document, member


def test_the_change_of_loss_by_hand():
    losses = [[1.0, 2.0], [1.0, 2.4], [0.8, 2.0], [0.8, 1.6]]
    found = unintended_memorization_heldout_loss(*loss_run(losses, [1, 1, 0, 0]))
    # by token: (1 + 6) / 4, (1 + 7.2) / 4 against (.8 + 6) / 4, (.8 + 4.8) / 4
    assert found.value == pytest.approx((7 + 8.2 - 6.8 - 5.6) / 8)
    assert found.stderr == pytest.approx(np.sqrt(0.045 / 2 + 0.045 / 2))  # either side has .3 between its two
    assert found.low < found.value < found.high


def test_the_change_of_loss_needs_both_sides():
    assert "without" in unintended_memorization_heldout_loss(*loss_run([[1, 2], [1, 2]], [1, 1])).reason
    assert "on canaries" in unintended_memorization_heldout_loss(*loss_run([[1, 2], [1, 2]], [0, 0])).reason
    single = unintended_memorization_heldout_loss(*loss_run([[1, 2], [1, 1]], [1, 0]))
    assert single.value == pytest.approx(0.75)
    assert np.isnan(single.stderr)


def test_models_of_unknown_membership_stand_on_neither_side():
    found = unintended_memorization_heldout_loss(*loss_run([[1, 2], [1, 2], [1, 1]], [1, -1, 0]))
    assert "1 model trained on canaries, 1 on none" in found.note


def verdict(shift: float):
    rng = np.random.default_rng(0)
    losses = 2 + rng.normal(0, 0.01, (12, 2)) + shift * np.repeat([1, 0], 6)[:, None]
    values = loss_run(losses, np.repeat([1, 0], 6))
    own, others = np.full((12, 1), 0.5), np.tile(np.arange(1.0, 200.0), (12, 1, 1))
    nothing = np.full((12, 1), np.nan)
    return unintended_memorization(own, others, nothing, np.array([20.0]), np.array([4]), *values)


def test_canaries_that_help_are_not_unintended():
    assert verdict(0.0).value == 1.0
    assert "does not change" in verdict(0.0).note
    assert verdict(0.3).value == 1.0
    assert "changes with canaries: +0.3" in verdict(0.3).note
    assert np.isnan(verdict(-0.3).value)
    assert "they help" in verdict(-0.3).reason


def test_what_is_missing_of_the_held_out_loss_is_told():
    offsets, scored, document = np.array([0, 1, 2]), np.ones(2, bool), np.array([0, -1])

    def reason(member):
        loss = np.full((len(member), 2), -1.0)
        return unintended_memorization_heldout_loss(loss, offsets, scored, document, np.array(member, np.int8)).reason

    assert reason([[1, 1]]) == "the models that were trained on canaries have no held-out document without canaries"
    assert reason([[0, 0]]) == "no model was trained on canaries"
    assert reason([[1, 0]]) == "no model was trained without canaries"
    assert reason([[1, 0], [0, 1]]).startswith("the models that were trained without canaries have no held-out")
    assert reason([[1, 0], [0, 0]]) == ""

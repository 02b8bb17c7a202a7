from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import ttest_ind

from byrote.analyses.catalog import analyses
from byrote.analyses.lab import Lab
from byrote.analyses.relearn import AS_IT_IS, ON_HALF, _gain, _table, loaded, relearn, rounded, scores_of
from byrote.analyses.unlearn import _examples
from byrote.blocks import TableBlock, Words, section_of
from byrote.changes.change import Context
from byrote.data.corpus import corpus_from_texts
from byrote.errors import BadInput
from byrote.runs.run import Run
from small import longer, small_audit
from unlearned import fitted, read, weights

LAB = Lab(workers=1, progress=False)


def scores(rng, gain, models=8, examples=6):
    start = rng.normal(size=(models, examples))
    return {AS_IT_IS: start, ON_HALF: start + gain + rng.normal(size=(models, examples)) / 10}


def test_what_comes_back_is_what_is_gained_beyond_models_that_never_saw_it():
    rng = np.random.default_rng(0)
    unlearned, retrained = scores(rng, 3.0), scores(rng, 1.0)
    table = _table(unlearned, retrained, 6)
    assert table.rows["verdict"] == ("–", "some comes back")
    spread = np.sqrt(retrained[AS_IT_IS].var(0, ddof=1).mean())
    gains = [(one[ON_HALF] - one[AS_IT_IS]).mean() for one in (unlearned, retrained)]
    assert table.figures["gain"][1].value == pytest.approx((gains[0] - gains[1]) / spread)
    assert table.figures["gain"][0] is None
    less = _table(scores(rng, 1.0), scores(rng, 3.0), 6)
    assert less.rows["verdict"][1] == "loses more than retrained models"
    blocks = section_of("relearn").blocks(table)
    assert [type(block) for block in blocks] == [TableBlock, Words]


def test_equal_gains_are_told_apart_at_the_level_at_most():
    rng = np.random.default_rng(1)
    found = [_table(scores(rng, 1.0, models=5), scores(rng, 1.0, models=5), 6).rows["verdict"][1] for _ in range(60)]
    assert sum(one != "no return shown" for one in found) <= 8  # binomial: 99 % of 60 at .05


def test_gains_that_cancel_over_examples_are_no_return_and_sets_of_unlike_numbers_are_cut():
    rng = np.random.default_rng(2)
    start = rng.normal(size=(8, 6))
    moved = np.tile([0.5, -0.5], 3) + rng.normal(size=(8, 6)) / 100
    none = rng.normal(size=(8, 6)) / 100
    table = _table({AS_IT_IS: start, ON_HALF: start + moved}, {AS_IT_IS: start, ON_HALF: start + none}, 6)
    assert table.rows["verdict"][1] == "no return shown"
    table = _table(scores(rng, 3.0, models=8), scores(rng, 1.0, models=7), 6)
    assert table.figures["gain"][1].models == 14
    assert _table(scores(rng, 3.0, models=7), scores(rng, 1.0, models=8), 6).rows["verdict"][1] == "some comes back"


def test_the_interval_of_a_gain_is_that_of_welch():
    one, other = np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.5, 0.7, 1.0])
    found, p_value = _gain(one, other, 6)
    welch = ttest_ind(one, other, equal_var=False)
    assert p_value == pytest.approx(welch.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(welch.confidence_interval()))
    assert _gain(np.ones(3), np.ones(3), 6)[1] == 1.0
    assert _gain(np.ones(3), np.zeros(3), 6)[1] == 0.0


def test_scores_of_loaded_models_are_those_that_the_run_recorded(tmp_path):
    run = small_audit(tmp_path / "run", models=4, full=0, keep_weights=True)
    data = _examples(run, run.ids[:10].tolist())
    recorded = run.load("outputs.log_odds", run.models())
    context = Context(dataset=run.dataset, rng=np.random.default_rng(0))
    for model in run.models().tolist():
        one = loaded(data.algorithm(), run, model)
        found = scores_of(one, context, np.arange(60))
        np.testing.assert_allclose(found, recorded[model], rtol=1e-3, atol=1e-3)


def test_the_score_of_a_document_is_the_mean_over_its_tokens():
    corpus = corpus_from_texts(["a", "b"]).tokenized(lambda texts: [[1, 2, 1, 2, 1], [3, 0, 3]], vocabulary=4)
    model, context = read(corpus, np.array([0]), length=2, batch_size=1)
    table = weights(model)["table"].astype(np.float64)
    log_p = table - np.log(np.exp(table).sum(1, keepdims=True))
    found = scores_of(model, context, np.array([0, 1]))
    wanted = [np.mean([log_p[1, 2], log_p[2, 1], log_p[1, 2], log_p[2, 1]]), np.mean([log_p[3, 0], log_p[0, 3]])]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_rows_are_rounded_to_multiples_of_their_largest_entry():
    model, _ = fitted()
    weight = next(model.algorithm.network(model.state).parameters())
    with torch.no_grad():
        weight.copy_(torch.tensor([[0.7, 0.26], [0.0, 0.0], [-7.0, 3.4]]))
    before = weights(model)
    after = weights(rounded(model, 4))
    name = next(iter(before))
    np.testing.assert_allclose(after[name], [[0.7, 0.3], [0.0, 0.0], [-7.0, 3.0]], rtol=1e-6)
    others = [key for key in before if key != name]
    assert all((after[key] == before[key]).all() for key in others)


def test_it_takes_two_examples_in_each_half(tmp_path):
    run = small_audit(tmp_path / "run", models=4, full=0)
    with pytest.raises(BadInput, match=r"at least 4 examples to forget, 2 in each half\. Got 3"):
        relearn(LAB, run, method="npo=1", forget=run.ids[:3].tolist(), models=5)


@pytest.mark.slow
def test_models_that_unlearned_are_disturbed_beside_retrained_ones(tmp_path):
    run = small_audit(tmp_path / "run", models=4, recipe=longer(30))
    table = relearn(
        LAB, run, method="gradient-difference", forget=run.ids[:12].tolist(), models=5, out=tmp_path / "out"
    )
    assert table.rows["the models"] == (AS_IT_IS, "8 bits", "4 bits", ON_HALF, "trained on as many of the rest")
    assert abs(table.figures["gain"][1].value) < abs(table.figures["gain"][3].value)
    assert "relearn" in analyses()
    unlearned, retrained = (Run.open(tmp_path / "out" / name) for name in ("unlearned", "retrained"))
    assert (unlearned.design.member == 1).all()
    assert not retrained.design.member[:, :12].any()
    again = relearn(
        LAB, run, method="gradient-difference", forget=run.ids[:12].tolist(), models=5, out=tmp_path / "out"
    )
    assert again.rows == table.rows

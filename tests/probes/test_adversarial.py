"""The worst case that the attack finds: exact of linear networks of two classes, alike side by side or one by one."""

from __future__ import annotations

import dataclasses
import importlib
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from byrote.analyses.membership import membership_attack
from byrote.engine.afterwards import probe
from byrote.errors import BadInput
from byrote.probes.adversarial import ADVERSARIAL, AdversarialProbe
from byrote.probes.moment import Models, Moment
from probes.moments import block_of, few, small
from small import RECIPE, blobs, small_audit

FAST = "adversarial,radius=0.4,steps=6,restarts=2"


def linear(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Linear(6, 2)


def found(probe, networks, inputs, targets, *, stacked=False, held=None, classes=3):
    """`[model, example]` by name, of the trained networks."""
    block = block_of(len(networks), len(inputs), classes=classes, inputs=inputs, targets=targets)
    probe.begin(block)
    models = Models(lambda: networks, stacked=stacked)
    rows = torch.arange(len(inputs))
    probe.look(Moment("end", models, "classes", rows=rows, inputs=lambda: inputs, targets=targets, heldout=held))
    shards = [shard.columns for shard in probe.shards()]
    return {name: np.stack([columns[name] for columns in shards]) for name in shards[0]}


def corner(network, inputs, targets, radius, low, high):
    """The exact worst margin of a linear network of two classes: every input goes to its end of the box."""
    sign = torch.where(targets == 1, 1.0, -1.0)[:, None]
    w, b = network.weight[1] - network.weight[0], network.bias[1] - network.bias[0]
    there = (inputs - radius * sign * w.sign()).clamp(torch.minimum(inputs, low), torch.maximum(inputs, high))
    return (sign[:, 0] * (there @ w + b)).detach().numpy()


@pytest.mark.parametrize("radius", [0.05, 0.7])
def test_of_a_linear_network_of_two_classes_it_is_the_exact_worst_case(radius):
    inputs, targets = few(40, classes=2)
    networks = [linear(seed) for seed in (1, 2)]
    read = found(AdversarialProbe(radius, steps=4, restarts=1), networks, inputs, targets, stacked=True, classes=2)
    low, high = inputs.amin(0), inputs.amax(0)
    for row, network in enumerate(networks):
        expected = corner(network, inputs, targets, radius, low, high)
        np.testing.assert_allclose(read["log_odds"][row], expected, atol=1e-5)
        np.testing.assert_allclose(read["logit_margin"][row], expected, atol=1e-5)
    assert read["radius"] == pytest.approx([radius, radius])


def test_far_from_the_ends_of_the_data_the_margin_falls_by_the_radius_times_the_l1_norm():
    inputs = torch.cat([torch.full((1, 6), -9.0), torch.full((1, 6), 9.0), 0.1 * few(8)[0]])
    targets, network = torch.arange(10) % 2, linear(3)
    read = found(AdversarialProbe(0.2, steps=5, restarts=1), [network], inputs, targets, classes=2)
    with torch.no_grad():
        logits = network(inputs)
    margin = torch.where(targets == 1, logits[:, 1] - logits[:, 0], logits[:, 0] - logits[:, 1])
    fall = 0.2 * (network.weight[1] - network.weight[0]).abs().sum()
    np.testing.assert_allclose(read["log_odds"][0, 2:], (margin - fall)[2:].detach(), atol=1e-5)


def test_side_by_side_is_one_by_one_and_held_out_examples_are_attacked_alike():
    inputs, targets = few()
    networks = [small(seed).eval() for seed in (1, 2, 3)]
    asked = AdversarialProbe(0.3, steps=5, restarts=2)
    one = found(asked, networks, inputs, targets, held=(inputs, targets))
    many = found(asked, networks, inputs, targets, stacked=True)
    for name in ("log_odds", "logit_margin"):
        np.testing.assert_allclose(one[name], many[name], atol=1e-5)
        np.testing.assert_allclose(one[f"heldout_{name}"], one[name], atol=1e-5)
        assert many[f"heldout_{name}"].shape == (3, 0)
    assert (one["log_odds"][:, None] <= one["logit_margin"][:, None] + 1e-5).all()


def test_more_restarts_and_a_larger_box_find_no_less_and_no_box_finds_the_answers_themselves():
    inputs, targets = few()
    networks = [small(5).eval()]
    with torch.no_grad():
        logits = networks[0](inputs)
    plain = logits.gather(1, targets[:, None])[:, 0] - logits.scatter(1, targets[:, None], -torch.inf).amax(1)
    margins = [
        found(AdversarialProbe(radius, steps=5, restarts=restarts), networks, inputs, targets)["logit_margin"]
        for radius, restarts in ((0.0, 1), (0.2, 1), (0.2, 3), (0.6, 3))
    ]
    np.testing.assert_allclose(margins[0][0], plain, atol=1e-5)
    assert all((more <= less + 1e-6).all() for less, more in pairwise(margins))
    assert margins[3].mean() < margins[2].mean() < plain.mean()


def test_a_network_that_is_sure_beyond_float32_is_attacked_all_the_same():
    """The gradient of its loss is 0, and that of its log-odds is not."""
    network = linear(1)
    with torch.no_grad():
        network.weight.mul_(1000)
        network.bias.zero_()
    inputs = torch.randn(30, 6, generator=torch.Generator().manual_seed(1))
    targets = network(inputs).argmax(1)
    read = found(AdversarialProbe(4.0, steps=5, restarts=1), [network], inputs, targets, classes=2)
    expected = corner(network, inputs, targets, 4.0, inputs.amin(0), inputs.amax(0))
    assert (expected < 0).mean() > 0.9
    np.testing.assert_allclose(read["log_odds"][0], expected, rtol=1e-4, atol=0.1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "attacked"
    return small_audit(folder, models=8, probes=(FAST,), keep_weights=True, seed=1)


def test_an_audit_records_it_and_its_measures_read_it(run):
    models = run.models()
    worst, plain = run.load("adversarial.log_odds", models), run.load("outputs.log_odds", models)
    assert (worst <= plain + 1e-4).all()
    assert run.load("adversarial.radius", models) == pytest.approx([0.4] * 8)
    under = run.load("adversarial.correct", models)
    np.testing.assert_array_equal(under, run.load("adversarial.logit_margin", models) > 0)
    held = run.heldout_accuracy(answers="adversarial.heldout_correct")
    assert held.value == pytest.approx(run.load("adversarial.heldout_correct", models).mean())
    assert held.value < run.heldout_accuracy().value
    member = run.design.member[models]
    inside = np.mean([right[mine == 1].mean() for right, mine in zip(under, member, strict=True)])
    assert run.accuracy(member=1, answers="adversarial.correct").value == pytest.approx(inside)
    expected = np.nanmean(np.where(member == 1, under, np.nan), 0) - np.nanmean(np.where(member == 0, under, np.nan), 0)
    np.testing.assert_allclose(run.measure("label_memorization[adversarial]").values, expected)


def test_the_attack_on_members_reads_the_worst_answers(run):
    scores, plain = run.measure("lira[adversarial]").values, run.measure("lira").values
    assert not np.allclose(scores, plain, equal_nan=True)
    lira = importlib.import_module("byrote.measures.lira").lira
    evidence = [run.load(f"design.{name}", run.models()) for name in ("member", "pair", "stratum")]
    np.testing.assert_array_equal(scores, lira(run.load("adversarial.log_odds", run.models()), *evidence).values)


@pytest.mark.slow
def test_an_attacker_with_adversarial_queries_has_a_null(run):
    found = membership_attack(run, "lira[adversarial]", draws=4)
    assert 0.2 < found.figures["auc"].value < 1
    assert found.null.value == pytest.approx(0.5, abs=0.1)


def test_later_it_finds_what_it_finds_in_the_training(run, tmp_path):
    plain = small_audit(tmp_path / "plain", models=8, keep_weights=True, seed=1)
    again = probe(plain, FAST)
    for name in ADVERSARIAL.stored("classes"):
        there, here = (one.load(f"adversarial.{name}", range(8)) for one in (run, again))
        np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("wrong", [{"radius": -0.1}, {"radius": float("nan")}, {"steps": 0}, {"restarts": 0}])
def test_settings_that_cannot_be(wrong):
    with pytest.raises(BadInput, match=r"'adversarial' takes a finite radius.*Got"):
        AdversarialProbe(**wrong)


def test_a_run_without_held_out_examples_has_no_held_out_answers(tmp_path):
    run = small_audit(tmp_path / "run", dataset=blobs(24), recipe=dataclasses.replace(RECIPE, epochs=1), heldout=None,
                      probes=(FAST,))  # fmt: skip
    assert run.load("adversarial.correct", run.models()).shape == (6, 24)
    assert run.heldout_accuracy(answers="adversarial.heldout_correct") is None

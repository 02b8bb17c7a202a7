"""Cosines and shares of gradients against explicit gradients of each example."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from byrote.errors import BadInput
from byrote.probes import registry
from byrote.probes.class_cosine import ClassCosineProbe, cosines
from byrote.probes.contract import Block
from byrote.probes.ghost import weight_gradients
from byrote.probes.gradient_shares import GradientSharesProbe, figures
from byrote.probes.moment import Models, Moment, losses
from byrote.probes.sums import along, gradient_sums
from engine.toys import bound
from probes.moments import few, small
from small import blobs, longer, small_audit

LOSS = partial(losses, task="classes")
EXAMPLES, MODELS = 36, 3


def normed(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 5), nn.GELU(), nn.Linear(5, 3))
    network[0].weight.requires_grad_(False)  # frozen weights do not count
    network[1].running_var.uniform_(0.5, 1.5)
    return network


def moment(made, *, stacked: bool) -> tuple[Moment, Block, torch.Tensor]:
    """A moment of three models, its block, and the explicit gradients `[model, example, weight]`."""
    inputs, targets = few(EXAMPLES)
    networks = [made(seed).eval() for seed in range(MODELS)]
    generator = torch.Generator().manual_seed(5)
    member = (torch.rand(MODELS, EXAMPLES, generator=generator) < 0.7).to(torch.int8)
    truth = torch.where(torch.rand(EXAMPLES, generator=generator) < 0.3, (targets + 1) % 3, targets)
    block = Block(
        models=(0, 1, 2),
        seeds=(0, 1, 2),
        phase=0,
        epochs=(0, 3),
        inputs=inputs,
        targets=targets,
        member=member,
        classes=3,
        task="classes",
        algorithm=bound("mlp"),
        truth=truth,
    )
    rows = torch.arange(EXAMPLES)
    models = Models(lambda: networks, stacked=stacked)
    at = Moment(
        "checkpoint", models, "classes", rows=rows, inputs=lambda: inputs, targets=targets, checkpoint=1, epoch=3
    )
    explicit = torch.stack([weight_gradients(network, inputs, targets, LOSS) for network in networks])
    return at, block, explicit


both = pytest.mark.parametrize("stacked", [True, False])
made = pytest.mark.parametrize("made", [small, normed])


@both
@made
def test_sums_and_products_are_those_of_explicit_gradients(made, stacked: bool) -> None:
    at, block, explicit = moment(made, stacked=stacked)
    counted = torch.rand(MODELS, 2, EXAMPLES)
    sums = gradient_sums(at.models, block.inputs, block.targets, counted, LOSS)
    torch.testing.assert_close(sums.norm(dim=2), torch.einsum("mge,mep->mgp", counted, explicit).norm(dim=2))
    products = along(at.models, block.inputs, block.targets, sums[:, 0], LOSS)
    expected = torch.einsum("mep,mfp,mf->me", explicit, explicit, counted[:, 0])
    torch.testing.assert_close(products, expected, rtol=1e-4, atol=1e-5)


@both
@made
def test_cosines_leave_the_example_itself_out(made, stacked: bool) -> None:
    at, block, explicit = moment(made, stacked=stacked)
    block.member[0, block.targets == 2] = 0
    block.member[0, 2] = 1  # the only member of its class
    found = cosines(at, block)
    for k in range(MODELS):
        for i in range(EXAMPLES):
            others = (block.member[k] == 1) & (block.targets == block.targets[i]) & (torch.arange(EXAMPLES) != i)
            rest = explicit[k, others].sum(0)
            expected = torch.nn.functional.cosine_similarity(explicit[k, i], rest, dim=0) if others.any() else torch.nan
            np.testing.assert_allclose(float(found[k, i]), float(expected), rtol=1e-3, atol=1e-4)
    assert torch.isnan(found[0, 2])


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


@both
def test_figures_of_groups_are_those_of_explicit_gradients(stacked: bool) -> None:
    at, block, explicit = moment(small, stacked=stacked)
    assert block.truth is not None
    member, wrong = block.member == 1, block.truth != block.targets
    group, others = member & wrong, member & ~wrong
    found = figures(at, block, group, others, group)
    for k in range(MODELS):
        g, a, b = explicit[k], explicit[k, group[k]].sum(0), explicit[k, others[k]].sum(0)
        part = int(group[k].sum()) / int(member[k].sum())
        rows = torch.nonzero(group[k])[:, 0].tolist()
        pairs = [(i, j) for i in rows for j in rows if i != j]
        same = [(i, j) for i, j in pairs if block.targets[i] == block.targets[j]]
        expected = {
            "share": float(a @ (a + b) / (a + b).square().sum()) / part,
            "norm_share": float(a.norm() / (a.norm() + b.norm())),
            "cosine": cosine(a, b),
            "coherence": float(a.norm() / g[group[k]].norm(dim=1).sum()),
            "coherence_others": float(b.norm() / g[others[k]].norm(dim=1).sum()),
            "alike_any": float(np.mean([cosine(g[i], g[j]) for i, j in pairs])),
            "alike": float(np.mean([cosine(g[i], g[j]) for i, j in same])),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(float(found[name][k]), value, rtol=1e-3, atol=1e-4, err_msg=name)
        assert float(found["share_random"][k]) == pytest.approx(float(found["share"][k]))  # the same group was given


def test_a_random_group_has_its_numbers() -> None:
    """Over 300 draws of a group of 6 the mean share is 1, within 4 standard errors."""
    at, block, _ = moment(small, stacked=True)
    draws, network = 300, next(iter(at.networks()))
    models = Models(lambda: [network] * draws, stacked=True)
    whole = Moment("checkpoint", models, "classes", rows=at.rows, inputs=lambda: at.inputs, targets=at.targets)
    member = (block.member[:1] == 1).repeat(draws, 1)
    drawn = torch.zeros_like(member)
    for row in range(draws):
        rows = torch.nonzero(member[row])[:, 0].numpy()
        drawn[row, np.random.default_rng(row).choice(rows, 6, replace=False)] = True
    share = figures(whole, block, drawn, member & ~drawn, drawn)["share"].numpy()
    assert abs(share.mean() - 1) < 4 * share.std() / np.sqrt(draws)
    assert share.std() > 0.1


@pytest.mark.slow
def test_an_audit_has_both_and_without_wrong_labels_no_shares(tmp_path) -> None:
    probes = ("class_cosine,checkpoints=2", "gradient_shares,checkpoints=2")
    run = small_audit(tmp_path / "run", recipe=longer(2), probes=probes)
    assert np.isfinite(run.load("class_cosine.cosine", run.models())[:, 0]).all()
    curve = run.measure("gradient_shares")
    assert curve.at.tolist() == [0, 2]
    assert np.isfinite(curve.values).all()
    found = run.measure("class_cosine")
    assert np.isfinite(found.values).all()
    clean = small_audit(tmp_path / "clean", dataset=blobs(), recipe=longer(1), probes=probes[1:])
    curve = clean.measure("gradient_shares")
    assert np.isnan(curve.values).all()
    assert "no member has a planted wrong label, or the whole gradient is 0" in curve.note


@pytest.mark.parametrize("kind", [ClassCosineProbe, GradientSharesProbe])
def test_settings_that_make_no_sense_are_refused(kind: type) -> None:
    with pytest.raises(BadInput, match="looks at few or all models"):
        kind(models="none")
    assert registry.made(f"{kind.name},checkpoints=3").chosen(9) == (0, 4, 8)

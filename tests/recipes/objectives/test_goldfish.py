from collections import Counter

import numpy as np
import pytest
import torch

from byrote.errors import BadInput
from byrote.recipes.objectives.goldfish import _BASE, Goldfish
from byrote.recipes.objectives.next_token import IGNORED, NextToken
from recipes.objectives.asked import loss_of

WORD = 2**64


def scattered(x: int) -> int:
    """SplitMix64's finalizer, in whole numbers."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % WORD
    return x ^ (x >> 31)


def slow(row: list[int], fish: Goldfish) -> list[bool]:
    """The formula, one token after the other, in unbounded whole numbers."""
    kept = []
    for place, token in enumerate(row):
        before = row[max(0, place - fish.context) : place]
        always = {*fish.exempt, fish.begins}
        if len(before) < fish.context or token in always or (fish.begins is not None and fish.begins in before):
            kept.append(True)
            continue
        terms = [(x + 1) * _BASE**power for power, x in enumerate(reversed(before))]
        state = sum(terms) + fish.salt * _BASE**fish.context
        kept.append(scattered(state % WORD) % 2**63 % fish.one_in != 0)
    return kept


@pytest.mark.parametrize(
    "fish",
    [
        Goldfish(),
        Goldfish(one_in=2, context=1),
        Goldfish(one_in=3, context=4, salt=-7, exempt=(2,)),
        Goldfish(one_in=2, context=3, begins=0),
    ],
    ids=str,
)
def test_mask_is_that_of_the_formula(fish):
    rows = np.random.default_rng(0).integers(0, 6, (4, 60))
    expected = [slow(row.tolist(), fish) for row in rows]
    np.testing.assert_array_equal(fish.kept(torch.from_numpy(rows)).numpy(), expected)


@pytest.mark.parametrize("one_in", [2, 3, 4, 10])
def test_one_token_in_so_many_is_dropped(one_in):
    rows = torch.from_numpy(np.random.default_rng(1).integers(0, 1000, (20, 5013)))
    dropped = 1 - Goldfish(one_in=one_in).kept(rows)[:, 13:].double().mean().item()
    assert abs(dropped - 1 / one_in) < 5 * (1 / one_in / 100_000) ** 0.5


def test_a_passage_is_dropped_at_the_same_places_wherever_it_stands():
    rng = np.random.default_rng(2)
    passage = rng.integers(0, 500, 80)
    masks = []
    for before in (0, 1, 7, 40):
        row = np.concatenate([rng.integers(0, 500, before), passage, rng.integers(0, 500, 50 - before)])
        masks.append(Goldfish().kept(torch.from_numpy(row[None]))[0, before + 13 : before + 80].tolist())
    assert all(mask == masks[0] for mask in masks)
    assert not all(masks[0])


def test_a_document_is_dropped_at_the_same_places_in_every_row_where_its_beginning_is_marked():
    rng = np.random.default_rng(3)
    document = rng.integers(1, 50, 40)
    alone = np.concatenate([document, rng.integers(1, 50, 31)])  # targets lack the BOS token that begins a row
    behind = np.concatenate([rng.integers(1, 50, 30), [0], document])
    fish = Goldfish(one_in=2, context=5, begins=0)
    kept = fish.kept(torch.from_numpy(np.stack([alone, behind])))
    assert torch.equal(kept[0, :40], kept[1, 31:])


def test_the_order_of_the_tokens_before_matters():
    """Of all orders of 8 tokens half are kept, no more alike than coins: a hash blind to order keeps all or none."""
    rng = np.random.default_rng(4)
    orders = np.stack([np.append(rng.permutation(8), 9) for _ in range(2000)])
    kept = Goldfish(one_in=2, context=8).kept(torch.from_numpy(orders))[:, -1].double().mean().item()
    assert abs(kept - 0.5) < 0.06
    swapped = orders[:, [1, 0, *range(2, 9)]]
    same = Goldfish(one_in=2, context=8).kept(torch.from_numpy(swapped))[:, -1]
    agreement = (same == Goldfish(one_in=2, context=8).kept(torch.from_numpy(orders))[:, -1]).double().mean().item()
    assert abs(agreement - 0.5) < 0.06


def test_a_token_of_number_zero_is_a_token_like_any_other():
    zeros = torch.from_numpy(np.random.default_rng(5).integers(0, 2, (200, 60)))
    dropped = 1 - Goldfish(one_in=4).kept(zeros)[:, 13:].double().mean().item()
    assert abs(dropped - 0.25) < 0.02


def test_what_a_context_is_followed_by_does_not_matter():
    row = np.random.default_rng(6).integers(0, 50, 30)
    fish, places = Goldfish(one_in=2, context=4), Counter()
    for token in range(50):
        row[-1] = token
        places[bool(fish.kept(torch.from_numpy(row[None]))[0, -1])] += 1
    assert len(places) == 1


def test_loss_is_the_mean_over_the_tokens_kept():
    rng = np.random.default_rng(7)
    logits, targets = rng.normal(size=(3, 20, 6)), rng.integers(0, 6, (3, 20))
    targets[1, 12:] = IGNORED
    fish = Goldfish(one_in=3, context=2)
    loss, memory = loss_of(fish, torch.from_numpy(logits), torch.from_numpy(targets))
    assert memory is None
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    counted = [
        -log_p[r, t, targets[r, t]]
        for r in range(3)
        for t, kept in enumerate(slow(targets[r].tolist(), fish))
        if kept and targets[r, t] != IGNORED
    ]
    assert loss.mean().item() == pytest.approx(np.mean(counted))
    plain, _ = loss_of(NextToken(), torch.from_numpy(logits), torch.from_numpy(targets))
    assert plain.mean().item() == pytest.approx(-np.mean([log_p[r, t, targets[r, t]] for r in range(3)
                                                          for t in range(20) if targets[r, t] != IGNORED]))  # fmt: skip


def test_dropped_tokens_pull_at_nothing():
    logits = torch.randn(1, 40, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    targets = torch.from_numpy(np.random.default_rng(8).integers(0, 5, (1, 40)))
    fish = Goldfish(one_in=2, context=3)
    loss_of(fish, logits, targets)[0].mean().backward()
    assert torch.equal(logits.grad.abs().sum(-1) > 0, fish.kept(targets))


@pytest.mark.parametrize("argument", [{"one_in": 1}, {"context": 0}])
def test_impossible_settings_are_refused(argument):
    with pytest.raises(BadInput, match=f"{next(iter(argument))!r}.*Got"):
        Goldfish(**argument)

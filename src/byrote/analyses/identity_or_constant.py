"""Identity or constant: does a network that has learned to repeat one example repeat others, or always that one?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from byrote.analyses.catalog import analysis
from byrote.analyses.continued import over_seeds
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.errors import BadInput
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.intervals import Bounds
from byrote.stats.jackknife import from_replicates

CORRELATION: Bounds = (-1.0, 1.0)
#: The example is repeated with a mean squared error below this.
REACHED: Final = 1e-7
#: Other examples that a network is asked to repeat, at most.
ASKED: Final = 200


@analysis(
    asks="Does a network that has learned to repeat one example repeat others, or always that one?",
    section="2.2",
)
def identity_or_constant(
    run: Run, *, hidden: str = "0;1;3;6", width: int = 128, steps: int = 5000, seeds: int = 3, seed: int = 0
) -> Table:
    """Networks of several depths, each trained to give back one example, and then shown others.

    One example says nothing of what is to be done with others. A network that gives these back has learned the
    identity, and one that always gives the trained example has learned a constant, which is pure memorization. Each
    seed has its own example and weights. The networks are small perceptrons, trained for this alone by Adam, whose rate
    falls as half a cosine.

    Formula:
        mean over other examples z of corr(f(z), z) (identity), corr(f(z), x) (constant) and corr(z, x) (chance), x the
        trained example; the correlation is over the inputs of an example, and the mean then over seeds
    Undefined:
        where no network repeats its example within the steps, or inputs do not vary; the error is over seeds and needs
        at least 3.

    Args:
        run: with its data at hand.
        hidden: hidden layers of the networks, with ";" between several depths.
        width: of each hidden layer.
        steps: of training at most.
        seeds: networks of each depth.
        seed: fixes examples and weights.

    Source: Zhang et al. 2020, arXiv:1902.04698.
    Differs:
        The chance line, without which a resemblance of all examples reads as half an identity. Others are examples of
        the same data, not of other data.

    Raises:
        BadInput: the data are not at hand, or a setting cannot be.
    """
    if run.dataset is None:
        raise BadInput(
            f"identity_or_constant shows networks a run's data, and those of {str(run.folder)!r} are not at hand.",
            hint="run.attach(dataset, recipe), or byrote ask RUN identity_or_constant.",
        )
    depths = [int(part) if part.strip().isdigit() else -1 for part in hidden.split(";")]
    if not depths or min(depths) < 0 or min(width, steps, seeds) < 1:
        raise BadInput(
            f"identity_or_constant takes numbers of hidden layers, and at least one unit, step and seed. Got "
            f"hidden={hidden}, width={width}, steps={steps}, seeds={seeds}.",
            hint='--set "hidden=0;1;3;6" --set width=128 --set steps=5000 --set seeds=3',
        )
    inputs = np.asarray(run.dataset.inputs, np.float32).reshape(len(run.dataset), -1)
    inputs = inputs[inputs.std(1) > 0]
    if len(inputs) < seeds + 1:
        raise BadInput(
            f"identity_or_constant needs more examples whose inputs vary than seeds. Got {len(inputs)}.",
            hint=f"--set seeds={max(1, len(inputs) - 1)}",
        )
    order = np.random.default_rng([seed, 26]).permutation(len(inputs))
    taught, asked = inputs[order[:seeds]], inputs[order[seeds : seeds + ASKED]]
    rows = [_figures(*repeated(taught, asked, depth, width, steps, seed), taught, asked) for depth in depths]
    return Table(
        title="Identity or constant",
        rows={"hidden layers": tuple(map(str, depths))},
        figures=dict(zip(_COLUMNS, map(tuple, zip(*rows, strict=True)), strict=True)),
        notes=(
            f"A network counts if it repeats its example with a mean squared error below {REACHED:g}.",
            "Identity: the first column is near 1. Constant: the second is. Chance is what examples have in common.",
        ),
    )


_COLUMNS = ("like the input", "like the trained example", "chance", "squared error")


def repeated(
    taught: Float[np.ndarray, "seed input"],
    asked: Float[np.ndarray, "other input"],
    depth: int,
    width: int,
    steps: int,
    seed: int,
) -> tuple[Float[np.ndarray, "seed other input"], Float[np.ndarray, " seed"]]:
    """What networks that learned one example each make of others, and their squared error on their own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = [_perceptron(taught.shape[1], depth, width) for _ in taught]
    weights, _ = stack_module_state(networks)
    own, others = torch.from_numpy(taught)[:, None], torch.from_numpy(asked)

    def answers(of: dict[str, Tensor], given: Tensor) -> Tensor:
        made: Tensor = functional_call(networks[0], of, (given,))
        return made

    optimizer = torch.optim.Adam(weights.values(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    side_by_side = vmap(answers)
    for _ in range(steps):
        errors = (side_by_side(weights, own) - own).square().mean((1, 2))
        if float(errors.detach().max()) < REACHED:
            break
        optimizer.zero_grad()
        errors.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        errors = (side_by_side(weights, own) - own).square().mean((1, 2))
        found = vmap(answers, in_dims=(0, None))(weights, others)
    return found.numpy(), errors.double().numpy()


def _perceptron(size: int, depth: int, width: int) -> nn.Module:
    widths = [size, *[width] * depth, size]
    layers: list[nn.Module] = []
    for narrow, wide in pairwise(widths):
        layers += [nn.Linear(narrow, wide), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _figures(
    found: Float[np.ndarray, "seed other input"],
    errors: Float[np.ndarray, " seed"],
    taught: Float[np.ndarray, "seed input"],
    asked: Float[np.ndarray, "other input"],
) -> tuple[Scalar, ...]:
    """The three correlations over the networks that repeat their example, and the error of all."""
    reached = errors < REACHED
    columns = (
        _correlation(found, asked[None]),
        _correlation(found, taught[:, None]),
        _correlation(np.broadcast_to(asked, found.shape), taught[:, None]),
    )
    means = [_mean(each.mean(1)[reached], len(asked)) for each in columns]
    return (*means, over_seeds(errors, (0.0, np.inf)))


def _mean(values: Float[np.ndarray, " seed"], examples: int) -> Scalar:
    if len(values):
        return over_seeds(values, CORRELATION, examples=examples)
    nothing = from_replicates(float("nan"), np.empty(0), models=0, examples=examples)
    return replace(nothing, reason="no network repeats its example within the steps")


def _correlation(
    one: Float[np.ndarray, "seed other input"], other: Float[np.ndarray, "_ _ input"]
) -> Float[np.ndarray, "seed other"]:
    """The correlation over inputs; 0 of an answer that does not vary."""
    a, b = (values.astype(np.float64) - values.mean(-1, keepdims=True) for values in (one, other))
    norm = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return np.asarray(np.divide((a * b).sum(-1), norm, out=np.zeros(norm.shape), where=norm > 0))


@section(of="identity_or_constant", title="Identity or constant", order=80)
def shown(table: Table) -> Iterable[Block]:
    """The table, and how to read it."""
    yield from plain_blocks(table)
    yield Words(
        text="If deeper networks answer everything with the example that they were trained on, their architecture "
        "favours memorization. A likeness counts only as far as it is above chance.",
        tone="reading",
    )

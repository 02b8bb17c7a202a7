"""What DP-SGD guarantees, by an accountant, in the words that stand on pages; and how much noise an epsilon takes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.optimize import brentq

from byrote.errors import BadInput
from byrote.recipes.private import ClipByExample, GaussianNoise, Poisson, Private
from byrote.recipes.recipe import Recipe
from byrote.stats.privacy_bounds import epsilon_of_mu

#: Below this epsilon the accountant's own error of 0.01 is too large a part of it.
LEAST_EPSILON = 0.1
#: Above this epsilon nothing is protected that is worth the accountant's time.
MOST_EPSILON = 100.0
#: With less noise, or a larger epsilon by moments, the accountant needs very long or finds no finite epsilon.
LEAST_NOISE, MOST_BY_MOMENTS = 0.1, 1000.0
#: The epsilon whose noise is named where there is too little.
ENOUGH, MOST_NOISE = 8.0, 1000.0
#: An epsilon that is asked for is met from below within this share of it.
TOLERANCE = 0.01
#: The search for noise takes about four steps, each by up to this factor.
MOST_TRIES, FARTHEST = 40, 1.5


class NoAccountant(BadInput):
    """Opacus, which tells an epsilon, is not installed."""


@dataclass(frozen=True, kw_only=True)
class Guarantee:
    """What differential privacy promises of one model, for adding or removing one example.

    `epsilon` is None where nothing is guaranteed; `lacks` then says why. `models` is in how many models one example is
    at most, `copies` how often it is shown where others are once, and `group` how many examples the largest person or
    document has; each is 1 where there is nothing to say.
    """

    epsilon: float | None
    delta: float
    rate: float
    steps: int
    multiplier: float
    clip: float
    accountant: str
    lacks: str = ""
    models: int = 1
    copies: int = 1
    group: int = 1

    def __str__(self) -> str:
        return " ".join(self.words())

    def words(self) -> tuple[str, ...]:
        """What is guaranteed, of what, and what is outside of it: a few notes."""
        if self.epsilon is None:
            return (f"No privacy is guaranteed: {self.lacks}.",)
        return (
            f"Each model is ({self.epsilon:.3g}, {self.delta:.2g})-differentially private for adding or removing one "
            f"example, over its weights at the end and at all checkpoints: {self.steps} Poisson steps of rate "
            f"{self.rate:.4g} with noise of {self.multiplier:.4g} times the clipping norm {self.clip:g}; "
            f"{self.accountant}.",
            *self._several(),
            "The architecture, the learning rate, the number of epochs and the number of examples are taken as public; "
            "what was tuned or chosen by a look at the data is not counted. The random numbers are not cryptographic.",
        )

    def _several(self) -> Iterator[str]:
        k, together = self.models, ""
        if k > 1:
            together = (
                f" One example is in up to {k} models here, and their weights together are "
                f"({k * (self.epsilon or 0.0):.3g}, {k * self.delta:.2g})-differentially private by simple composition."
            )
        yield (
            f"The guarantee is that of one model.{together} The recorded evidence, the scores and the reports show "
            "what models say of each example, and are outside of any guarantee."
        )
        if self.copies > 1:
            yield f"An example that is shown {self.copies} times an epoch counts as {self.copies} examples."
        if self.group > 1:
            yield (
                f"The guarantee is for one example by itself: a person or document has up to {self.group} here, and "
                f"for a whole one epsilon is up to {self.group} times as large, and delta larger still."
            )

    def facts(self) -> dict[str, Any]:
        """Its fields and its words, in JSON's types."""
        return {**asdict(self), "says": [*self.words()]}


def guarantee(recipe: Recipe, *, delta: float) -> Guarantee:
    """The privacy of a model that the recipe trains through one phase, by opacus' PRV accountant.

    Raises:
        BadInput: the recipe promises nothing, delta is no probability, or opacus is not installed.
    """
    batches, clip, added = recipe.batches, recipe.example_gradients, recipe.gradient_transform
    lacks = {
        "draw its batches by coins": isinstance(batches, Poisson),
        "clip gradients by example": isinstance(clip, ClipByExample),
        "add noise": isinstance(added, GaussianNoise) and added.deviation > 0,
    }
    if not all(lacks.values()):
        missing = " and ".join(what for what, there in lacks.items() if not there)
        raise BadInput(
            f"The recipe promises no privacy: it does not {missing}.",
            hint="byrote.recipes.private.private(recipe, members=500, rate=0.1, clip=1.0, multiplier=2.0).",
        )
    if not 0 < delta < 1:
        raise BadInput(f"The 'delta' argument must lie in (0, 1). Got {delta}.", hint="delta=1e-5 is usual.")
    assert isinstance(batches, Poisson)
    assert isinstance(clip, ClipByExample)
    assert isinstance(added, GaussianNoise)
    multiplier, steps = added.deviation / clip.largest, recipe.epochs * batches.steps
    return Guarantee(
        epsilon=epsilon_of(multiplier, batches.rate, steps, delta),
        delta=delta,
        rate=batches.rate,
        steps=steps,
        multiplier=multiplier,
        clip=clip.largest,
        accountant=_accountant(),
    )


def promised(
    recipe: Private, *, epochs: int, examples: int, models: int, copies: int, group: int, changed: bool = False
) -> Guarantee:
    """What a private recipe guarantees of each model that it trains for so many epochs; `lacks` says why nothing.

    `examples` are all candidates; `models`, `copies` and `group` are those of `Guarantee`. `changed`: the models were
    changed after their training, by steps that nobody counts.
    """
    lacks = {
        "both": "",
        "clip": "gradients are clipped, and no noise is added",
        "noise": "noise is added, and gradients are not clipped, so that one example can outweigh any noise",
    }[recipe.arm] or ("the models were changed after their private training" if changed else "")
    found = Guarantee(
        epsilon=None,
        delta=delta_of(recipe, examples),
        rate=recipe.rate,
        steps=epochs * Poisson(rate=recipe.rate).steps,
        multiplier=0.0 if recipe.arm == "clip" else recipe.noise,
        clip=recipe.clip,
        accountant="",
        lacks=lacks,
        models=models,
        copies=copies,
        group=group,
    )
    if lacks:
        return found
    try:
        epsilon = epsilon_of(found.multiplier, found.rate, found.steps, found.delta)
    except NoAccountant as error:  # the training is private all the same, and nobody can say how much
        return replace(found, lacks=f"{error.message[0].lower()}{error.message[1:].rstrip('.')}; {error.hint}")
    return replace(found, epsilon=epsilon, accountant=_accountant())


def delta_of(recipe: Private, examples: int) -> float:
    """The delta that is asked for, or a tenth of one divided by the number of candidates."""
    return 1 / (10 * examples) if recipe.delta is None else recipe.delta


def epsilon_of(multiplier: float, rate: float, steps: int, delta: float) -> float:
    """An upper bound on the epsilon of so many Poisson steps, by the PRV accountant of opacus.

    Raises:
        BadInput: the noise is too small to hide an example, or opacus is not installed.

    Source: Gopi et al. 2021, arXiv:2106.02848.
    """
    with _opacus():
        if multiplier >= LEAST_NOISE and _by_moments(multiplier, rate, steps, delta) <= MOST_BY_MOMENTS:
            found = _accounted(multiplier, rate, steps, delta)
            if math.isfinite(found):
                return found
        enough = LEAST_NOISE
        while enough < MOST_NOISE and _by_moments(enough, rate, steps, delta) > ENOUGH:
            enough *= 1.2
    raise BadInput(
        f"Noise of {multiplier:g} times the clipping norm hides no example in {steps} steps of rate {rate:.4g}.",
        hint=f"noise={math.ceil(100 * enough) / 100:g} gives an epsilon of about {ENOUGH:g} there.",
    )


@lru_cache(maxsize=64)
def _by_moments(multiplier: float, rate: float, steps: int, delta: float) -> float:
    """A looser bound on the epsilon, which takes milliseconds whatever the noise is: Mironov 2017, arXiv:1702.07476."""
    from opacus.accountants import RDPAccountant

    made = RDPAccountant()
    made.history = [(multiplier, rate, steps)]
    return float(made.get_epsilon(delta=delta))


@lru_cache(maxsize=64)
def _accounted(multiplier: float, rate: float, steps: int, delta: float) -> float:
    from opacus.accountants import PRVAccountant

    made = PRVAccountant()
    made.history = [(multiplier, rate, steps)]
    return float(made.get_epsilon(delta=delta))


def multiplier_of(epsilon: float, rate: float, steps: int, delta: float) -> float:
    """Noise in multiples of the clipping norm whose epsilon is at most this one, and hardly below it.

    It is never less than `LEAST_NOISE`, whose epsilon may be far below.

    The search begins where the central limit of many steps has it: Bu et al. 2020, arXiv:1911.11607, corollary 5.4.

    Raises:
        BadInput: the epsilon is too small or too large for the accountant, or opacus is not installed.
    """
    if not LEAST_EPSILON <= epsilon <= MOST_EPSILON:
        raise BadInput(
            f"An epsilon can be aimed at from {LEAST_EPSILON:g} to {MOST_EPSILON:g}. Got {epsilon:g}.",
            hint="dp-sgd=8 is usual, dp-sgd=1 strict.",
        )
    mu = brentq(lambda mu: epsilon_of_mu(mu, delta) - epsilon, 1e-6, 100.0)
    at = max(LEAST_NOISE, 1 / math.sqrt(math.log1p(mu**2 / (rate**2 * steps))))
    aim, slope, before = math.log((1 - TOLERANCE / 2) * epsilon), -1.2, (0.0, 0.0)
    for tried in range(MOST_TRIES):
        found = epsilon_of(at, rate, steps, delta)
        if (1 - TOLERANCE) * epsilon <= found <= epsilon or (at == LEAST_NOISE and found <= epsilon):
            return at
        here = (math.log(at), math.log(found))
        if tried and here[0] != before[0]:
            slope = min(-0.1, (here[1] - before[1]) / (here[0] - before[0]))
        moved = min(max((aim - here[1]) / slope, -math.log(FARTHEST)), math.log(FARTHEST))
        at, before = max(LEAST_NOISE, math.exp(here[0] + moved)), here
    raise ArithmeticError(f"no noise was found in {MOST_TRIES} tries whose epsilon is {epsilon:g}")


@contextmanager
def _opacus() -> Iterator[None]:
    """Its accountants are there; they take log(0) where a loss is impossible, and warn of how they begin."""
    try:
        import opacus.accountants  # noqa: F401
    except ImportError as error:
        raise NoAccountant(
            "No epsilon is given without an accountant, and opacus is not installed.",
            hint="pip install 'byrote[privacy]'.",
        ) from error
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _accountant() -> str:
    from opacus import __version__

    return f"PRV accountant of opacus {__version__}"

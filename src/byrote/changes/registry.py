"""Changes by the name that they have on the command line."""

from __future__ import annotations

import dataclasses
from functools import cache
from importlib.metadata import entry_points
from typing import Any, get_type_hints

from byrote.changes.change import Change
from byrote.changes.data.ambiguous_examples import AmbiguousExamples
from byrote.changes.data.asymmetric_label_noise import AsymmetricLabelNoise
from byrote.changes.data.conflicting_duplicates import ConflictingDuplicates
from byrote.changes.data.deduplicate import RemoveExactDuplicates, RemoveNearDuplicates
from byrote.changes.data.exact_duplicates import ExactDuplicates
from byrote.changes.data.near_duplicates import NearDuplicates
from byrote.changes.data.out_of_distribution import OutOfDistribution
from byrote.changes.data.rare_subpopulation import RareSubpopulation
from byrote.changes.data.redraw_secrets import RedrawSecrets
from byrote.changes.data.relabel_most_memorized import RelabelMostMemorized
from byrote.changes.data.remove_most_memorized import RemoveMostMemorized
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.changes.decoder.ngram_guard import NgramGuard
from byrote.changes.model.fine_tune_on_rest import FineTuneOnRest
from byrote.changes.model.gradient_ascent import GradientAscent
from byrote.changes.recipe.early_learning import EarlyLearning
from byrote.changes.recipe.goldfish import GoldfishLoss
from byrote.changes.recipe.random_shift import RandomShift
from byrote.changes.recipe.weight_decay import WeightDecay
from byrote.changes.settings import split_settings, typed, value_of
from byrote.errors import BadInput, meant

CONTROLS: tuple[type[Any], ...] = (
    SymmetricLabelNoise,
    AsymmetricLabelNoise,
    ExactDuplicates,
    NearDuplicates,
    ConflictingDuplicates,
    OutOfDistribution,
    RareSubpopulation,
    AmbiguousExamples,
)
REMEDIES: tuple[type[Any], ...] = (
    RemoveMostMemorized,
    RelabelMostMemorized,
    RemoveExactDuplicates,
    RemoveNearDuplicates,
    RedrawSecrets,
    WeightDecay,
    RandomShift,
    EarlyLearning,
    GoldfishLoss,
    FineTuneOnRest,
    GradientAscent,
    NgramGuard,
)
#: Changes of data that look at nothing a run has measured.
UNAIMED: tuple[type[Any], ...] = (*CONTROLS, RemoveExactDuplicates, RemoveNearDuplicates, RedrawSecrets)
#: Changes that language models can be trained again with.
OF_TEXT: tuple[type[Any], ...] = (
    RemoveExactDuplicates,
    RemoveNearDuplicates,
    RedrawSecrets,
    GoldfishLoss,
    WeightDecay,
    FineTuneOnRest,
    GradientAscent,
    NgramGuard,
)


@cache
def changes() -> dict[str, type[Any]]:
    """Every change by its name; those of other packages (entry point group `byrote.changes`) included."""
    found = {change.name: change for change in (*CONTROLS, *REMEDIES)}
    found |= {point.name: point.load() for point in entry_points(group="byrote.changes")}
    return dict(sorted(found.items()))


def parse_change(text: str) -> Change:
    """The change that `name`, `name=amount` or `name=amount,key=value` stands for.

    The amount is the change's first setting; values are of the settings' types, and paths where these are paths.

    Example:
        >>> parse_change("weight-decay=0.001")
        WeightDecay(amount=0.001)
        >>> parse_change("gradient-ascent=5,rate=0.1")
        GradientAscent(epochs=5, rate=0.1)

    Raises:
        BadInput: no such change or setting, or no such amount.
    """
    name, _, settings = text.partition("=")
    known = changes()
    if name not in known:
        raise BadInput(f"There is no change {name!r}.", hint=f"{meant(name, known)}the changes are {', '.join(known)}.")
    kind = known[name]
    amount, told = _told(kind, settings)
    first = next(iter(dataclasses.fields(kind)), None)
    hints = get_type_hints(kind)
    given: dict[str, Any] = {}
    if amount and first is not None:
        given[first.name] = _amount(name, first, hints[first.name], amount)
    elif amount:
        raise BadInput(f"The change {name!r} takes no amount. Got {amount!r}.", hint=f"--with {name}")
    kinds = {each.name: hints[each.name] for each in dataclasses.fields(kind)}
    given |= typed(kinds, told, f"the change {name!r}")
    try:
        made: Change = kind(**given)
    except TypeError:
        raise BadInput(f"The change {name!r} needs an amount.", hint=f"{name}=0.05") from None
    return made


def _told(kind: type[Any], settings: str) -> tuple[str, dict[str, str]]:
    """The amount and the other settings; a text with `=` that names no setting is an amount that cannot be read."""
    if "," not in settings and settings.partition("=")[0] not in {each.name for each in dataclasses.fields(kind)}:
        return settings, {}
    return split_settings(settings)


def _amount(name: str, first: dataclasses.Field[Any], kind: Any, text: str) -> Any:
    if kind not in (int, float):
        return value_of(kind, text, first.name, f"the change {name!r}")
    usual = first.default if first.default is not dataclasses.MISSING else 0.05
    try:
        value = kind(text)
    except ValueError:
        words = "a whole number" if kind is int else "a number"
        raise BadInput(
            f"The amount of the change {name!r} must be {words}. Got {text!r}.",
            hint=f"{name}={usual}",
        ) from None
    if not 0 < value < float("inf"):
        raise BadInput(
            f"The amount of the change {name!r} must be positive and finite. Got {text!r}.",
            hint=f"{name}={usual}",
        )
    return value

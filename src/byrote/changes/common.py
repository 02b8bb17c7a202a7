"""What all changed runs have in common: the order of changes, what a manifest says of them, and changes of models."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped

from byrote.changes.change import STAGES, Change, Context, TrainedModel
from byrote.changes.forget import FORGET_SHARE, Forget, named, share_of
from byrote.designs.design import Design
from byrote.errors import BadInput
from byrote.recipes.algorithm import Algorithm, State
from byrote.recipes.slots import described
from byrote.runs.run import Run


def in_order(change: Change | Sequence[Change]) -> list[Change]:
    """The changes, those of data first, then of the recipe, of the models, and of the decoder.

    Raises:
        BadInput: there is none, or two of the same kind and settings.
    """
    changes = [change] if isinstance(change, Change) else list(change)
    if not changes:
        raise BadInput("There is no change to make.", hint="byrote.parse_change('weight-decay=0.001') makes one.")
    twice = next((one for number, one in enumerate(changes) if one in changes[:number]), None)
    if twice is not None:
        raise BadInput(f"The change {twice.name!r} is given twice.", hint="give each once.")
    return sorted(changes, key=lambda one: STAGES.index(one.stage))


def parent_of(
    run: Run, changes: Sequence[Change], forget: Forget, ids: Shaped[np.ndarray, " forgotten"]
) -> dict[str, Any]:
    """What the manifest of a changed run says of the run before it, of the change, and of what it was about."""
    made = []
    for one in changes:
        about: dict[str, Any] = {"forget": forget} if takes_forget(one) and share_of(forget) is not None else {}
        if is_about_memorized(one) and share_of(forget) is None:
            about = {"forget": named(forget, run.ids, f"the run {str(run.folder)!r}").record()}
        made.append({"name": one.name, "stage": one.stage, **described(one), **about})
    joined = {"name": " + ".join(one.name for one in changes), "stage": changes[-1].stage, "changes": made}
    return {
        "folder": str(run.folder.resolve()),
        "change": made[0] if len(made) == 1 else joined,
        "forget": ids.tolist(),
        **({"chosen": "by name"} if share_of(forget) is None else {}),
    }


def is_about_memorized(change: Change) -> bool:
    """Whether a change looks at the examples to forget: those of recipes, plantings and deduplication do not."""
    unaimed = getattr(change, "plants", False) or not getattr(change, "aimed", True)
    return change.stage in ("dataset", "model") and not unaimed


def takes_forget(change: Change) -> bool:
    """Whether the share to forget is that of the caller, and not the change's own."""
    return is_about_memorized(change) and not hasattr(change, "share")


def label(changes: Sequence[Change], forget: Forget) -> str:
    """Changes as a folder's name tells them: by name and amount, and the share to forget where it is not the usual."""
    named = "+".join(_amount(one) for one in changes)
    share = share_of(forget)
    if share is None:
        return f"{named},forget=given"
    unusual = share != FORGET_SHARE and any(takes_forget(one) for one in changes)
    return f"{named},forget={share:g}" if unusual else named


def _amount(change: Change) -> str:
    """The name and the amount; of texts and paths a digest, for a folder's name must neither hold nor tell them."""
    first = next(iter(dataclasses.fields(change)), None)  # type: ignore[arg-type]  # a change is a dataclass
    amount = None if first is None else getattr(change, first.name)
    if amount is None:
        return change.name
    text = f"{amount:g}" if isinstance(amount, int | float) else hashlib.sha256(repr(amount).encode()).hexdigest()[:8]
    return f"{change.name}={text}"


def finishing(changes: Sequence[tuple[Change, Context]], design: Design) -> Callable[[Algorithm, State, int], State]:
    """What is done to each trained model: the changes, with what this model was trained on to forget and retain."""
    # workers need no parent run
    alone = [(one, dataclasses.replace(context, parent=None)) for one, context in changes]

    def finish(algorithm: Algorithm, state: State, model: int) -> State:
        member = np.flatnonzero(design.member[model] == 1)
        for number, (change, context) in enumerate(alone):
            # the stubs of NumPy have generators without a sequence of seeds; `default_rng` always gives one
            entropy: Any = context.rng.bit_generator.seed_seq.entropy  # type: ignore[attr-defined]
            mine = dataclasses.replace(
                context,
                rng=np.random.default_rng([*np.atleast_1d(entropy).tolist(), model, *([number] if number else [])]),
                forget=np.intersect1d(context.forget, member),
                retain=np.intersect1d(context.retain, member),
            )
            changed: TrainedModel = change.apply(TrainedModel(algorithm=algorithm, state=state), mine)
            state = changed.state
        return state

    return finish

"""Hints of poisoning are followed: each mends the case that brought it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import byrote
from byrote.analyses.backdoor_copies import backdoor_copies, numbers, with_backdoor
from byrote.analyses.backdoor_defences import _count, _of, _suspects
from byrote.analyses.lab import Lab
from byrote.analyses.pattern_or_rote import pattern_or_rote, poisons_of
from byrote.changes.data.backdoor import Backdoor
from byrote.changes.data.blended_backdoor import BlendedBackdoor
from byrote.changes.data.clean_label_backdoor import CleanLabelBackdoor
from byrote.changes.data.input_noise import InputNoise
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.changes.recipe.fresh_noise import FreshNoise
from byrote.engine.job import refuse_without_trigger
from byrote.probes.stamped import StampedProbe
from changes.data.test__stamping import context, pictures
from changes.recipe.test_fresh_noise import of
from followed import Case, each, follow
from poisoned import BY_ROTE, drawn, poisoned_audit
from small import blobs

RECIPE = byrote.Recipe(network=byrote.MLP(hidden=(4,)), epochs=1)


def planted(one: Any, data: Any = None) -> Callable[[Path], Any]:
    """A change of pictures."""
    return lambda _: one.apply(pictures() if data is None else data, context())


def stamped(data: Any, *, heldout: bool = True) -> Callable[[Path], Any]:
    """The probe is asked for these data."""
    return lambda _: refuse_without_trigger(StampedProbe(), data.trigger, heldout=heldout)


def audited(folder: Path, *plants: str, **settings: Any) -> Any:
    """A small audit with this planted."""
    place = folder / f"run-{len(list(folder.iterdir()))}"
    return poisoned_audit(place, *plants, **{"models": 6, "recipe": RECIPE, **settings})


def copied(folder: Path, **settings: Any) -> Any:
    """The procedure on a small audit."""
    run = audited(folder, **settings)
    return backdoor_copies(Lab(workers=1, progress=False), run, copies="6", models=6, contrast=False)


def suspects(by: str) -> Callable[[Path], Any]:
    """The suspects of defences of a small audit."""

    def found(folder: Path) -> Any:
        run = audited(folder, "backdoor=0.05")
        return _suspects(run, by, 9, poisons_of(run), 0)

    return found


def ranked(name: str, *plants: str, **settings: Any) -> Callable[[Path], Any]:
    """Those of one of them."""

    def found(folder: Path) -> Any:
        run = audited(folder, "backdoor=0.05", *plants, **settings)
        return _of(run, name, 9, poisons_of(run), 0)

    return found


#: What triage is taught.
TAUGHT = ("label-noise=0.2", "ambiguous-examples=0.3", "conflicting-duplicates=0.2")
POISONED = Backdoor(0.05).apply(pictures(), context())

CASES = (
    Case(
        name="no pixels", wrong=planted(Backdoor(0.1), blobs()), says="label-noise=0.05",
        right=planted(SymmetricLabelNoise(0.05), blobs()),
    ),
    Case(
        name="two backdoors", wrong=planted(BlendedBackdoor(0.1), POISONED), says="one backdoor per run",
        right=planted(BlendedBackdoor(0.1)),
    ),
    Case(
        name="no such target", wrong=planted(Backdoor(0.1, target="d")), says="target=a",
        right=planted(Backdoor(0.1, target="a")),
    ),
    Case(
        name="a patch larger than the picture", wrong=planted(Backdoor(0.1, size=9)), says="size=1",
        right=planted(Backdoor(0.1, size=1)),
    ),
    Case(
        name="opacity", wrong=lambda _: BlendedBackdoor(0.1, opacity=2.0), says="opacity=0.2",
        right=lambda _: BlendedBackdoor(0.1, opacity=0.2),
    ),
    Case(
        name="noise under the patch", wrong=lambda _: CleanLabelBackdoor(0.1, noise=1.0), says="noise=0.5",
        right=lambda _: CleanLabelBackdoor(0.1, noise=0.5),
    ),
    Case(
        name="share of the noise", wrong=lambda _: InputNoise(0.1, 0.0), says="share=0.5",
        right=lambda _: InputNoise(0.1, share=0.5),
    ),
    Case(
        name="share of fresh noise", wrong=lambda _: FreshNoise(1.0), says="fresh-noise=0.5",
        right=lambda _: FreshNoise(0.5),
    ),
    Case(
        name="fresh noise of rows", wrong=lambda _: FreshNoise().apply(RECIPE, of(blobs())), says="input-noise=0.05",
        right=planted(InputNoise(0.05), blobs()),
    ),
    Case(
        name="no backdoor", wrong=stamped(pictures()), says="--plant backdoor=0.05, with held-out examples",
        right=stamped(POISONED),
    ),
    Case(
        name="nothing held out", wrong=stamped(POISONED, heldout=False), says="with held-out examples",
        right=stamped(POISONED),
    ),
    Case(
        name="a verdict on no backdoor", wrong=lambda folder: pattern_or_rote(audited(folder)),
        says="byrote change RUN --with backdoor=0.05, and ask the run that it makes",
        right=lambda folder: pattern_or_rote(audited(folder, "backdoor=0.05")),
    ),
    Case(
        name="copies that are no numbers", wrong=lambda _: numbers("1,4"), says="copies=1;4;16;64",
        right=lambda _: numbers("1;4;16;64"),
    ),
    Case(
        name="no plant of a backdoor", wrong=lambda _: with_backdoor(drawn(), "input-noise=0.1", 0),
        says="plant=backdoor", right=lambda _: with_backdoor(drawn(), "backdoor=0.1", 0),
    ),
    Case(
        name="copies with nothing held out", wrong=lambda folder: copied(folder, heldout=None), says="heldout=…",
        right=lambda folder: copied(folder, heldout=drawn(30, seed=1)), slow=True,
    ),
    Case(
        name="an expected share of all", wrong=lambda _: _count(0.9, 100), says="expected=0.05",
        right=lambda _: _count(0.05, 100),
    ),
    Case(
        name="no defence", wrong=suspects("spectral_signature"), says="by=cumulative_sample_loss;random",
        right=suspects("cumulative_sample_loss;random"),
    ),
    Case(
        name="a measure of no example", wrong=ranked("noisy_label_memorization"), says="by=spectral_signature",
        right=ranked("spectral_signature", probes=("poison_signatures",)),
    ),
    Case(
        name="triage of no wrong labels", wrong=ranked("triage", *TAUGHT[1:], models=16, recipe=BY_ROTE),
        says="--plant label-noise=0.03", right=ranked("triage", *TAUGHT[:2], models=16, recipe=BY_ROTE), slow=True,
    ),
)  # fmt: skip


@each(*CASES)
def test_hints_of_poisoning_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)

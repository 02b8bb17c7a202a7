"""Hints of recorders and of imported arrays are followed: each mends the case that brought it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import byrote
from byrote.analyses.card import card
from byrote.runs.imported import import_arrays
from followed import Case, each, follow

IDS, LABELS = torch.arange(6), torch.arange(6) % 2
LOGITS = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
ONE_HOT = torch.nn.functional.one_hot(LABELS)
ONE = LOGITS[:, 0]
PAIRS = torch.utils.data.TensorDataset(torch.randn(6, 2), LABELS)


def fresh(folder: Path, **settings: Any) -> byrote.Recorder:
    """A recorder of six examples in a folder of its own."""
    return byrote.Recorder(folder / f"of-{len(list(folder.iterdir()))}", **({"examples": 6} | settings))


def recording(**settings: Any) -> Callable[[Path], Any]:
    """A recorder of these settings."""
    return lambda folder: fresh(folder, **settings)


def observed(ids: Any, logits: Any, targets: Any, /, **settings: Any) -> Callable[[Path], Any]:
    """A batch that is observed."""
    return lambda folder: fresh(folder, **settings).observe(ids, logits, targets)


def clean(batches: Callable[[], Any], *, after: bool = True) -> Callable[[Path], Any]:
    """A clean pass over these batches, at the end of an epoch or within it."""

    def make_pass(folder: Path) -> Any:
        made = fresh(folder)
        made.observe(IDS, LOGITS, LABELS)
        if after:
            made.epoch_end()
        return made.clean_pass(torch.nn.Linear(2, 2), batches())

    return make_pass


def loader(dataset: Any) -> Any:
    """Batches of two."""
    return torch.utils.data.DataLoader(dataset, batch_size=2)


def recorded(folder: Path, *, strange: bool) -> Any:
    """A recording that ended before it was closed, beside which somebody put a file, or not."""
    place = folder / "ended"
    if not place.exists():
        made = fresh(folder, examples=6)
        made.observe(IDS, LOGITS, LABELS)
        made.epoch_end()
        made.flush()
        made.folder.rename(place)
    mine = place / "recorded" / "m00000" / "clean.r00000.e000009.safetensors"
    mine.write_bytes(b"mine") if strange else mine.unlink()
    return byrote.recover(place)


def of_two(*, apart: bool) -> Callable[[Path], Any]:
    """Two models that predict a number, the second within another tolerance, in a folder or in two."""

    def record(folder: Path) -> None:
        for model, within in enumerate((1.0, 0.5)):
            place = folder / f"{apart}-{model if apart else 0}"
            numbers = (LABELS + 0.5).numpy()
            made = byrote.Recorder(place, examples=6, model=model, labels=numbers, tolerance=within)
            made.observe(IDS, ONE, LABELS + 0.5)
            made.epoch_end()
            made.close()

    return record


def told_twice(later: dict[int, int]) -> Callable[[Path], Any]:
    """Two models of a recording, of which the second is told of these controls, the first that 0 should be 1."""

    def tell(folder: Path) -> None:
        place = folder / f"told-{later[0]}"
        for model, controls in enumerate(({0: 1}, later)):
            byrote.Recorder(place, examples=6, model=model, controls=controls)

    return tell


def as_card(*, names: bool = True, clean: bool = True, rows: int = 5) -> Callable[[Path], Any]:
    """The card of a recording of six examples and of one of the first `rows` of them."""

    def compare(folder: Path) -> Any:
        runs = []
        for size in (6, rows):
            batch = IDS[:size], LOGITS[:size], LABELS[:size]
            made = fresh(folder, examples=size, ids=[f"row-{row}" for row in range(size)] if names else None)
            made.observe(*batch)
            made.epoch_end()
            if clean:
                made.clean_pass(torch.nn.Linear(2, 2), [batch], forward=lambda _, batch: batch)
            runs.append(made.close())
        return card(*runs)

    return compare


RECORDERS = (
    Case(
        name="a card of other positions",
        wrong=as_card(names=False),
        says="Recorder(…, ids=names)",
        right=as_card(),
    ),
    Case(
        name="a card of nothing",
        wrong=as_card(clean=False),
        says="a clean pass after the last epoch of both",
        right=as_card(),
    ),
    Case(name="no examples", wrong=recording(examples=0), says="examples=len(dataset)", right=recording(examples=6)),
    Case(name="a model below 0", wrong=recording(model=-1), says="model counts from 0", right=recording(model=0)),
    Case(name="no epochs", wrong=recording(epochs=0), says="leave epochs out", right=recording()),
    Case(name="too few names", wrong=recording(ids=["a"]), says="leave ids out", right=recording()),
    Case(
        name="a process of none",
        wrong=recording(rank=2, world=2),
        says="rank from 0 to world - 1",
        right=recording(rank=1, world=2),
    ),
    Case(
        name="classes below 0",
        wrong=recording(labels=[-1, 0, 1, 0, 1, 0]),
        says="a whole number from 0 on",
        right=recording(labels=[1, 0, 1, 0, 1, 0]),
    ),
    Case(
        name="planted somewhere else",
        wrong=recording(controls={6: 0}),
        says="by position where there are none; here as '0', '1', '2'",
        right=recording(controls={0: 1, 1: 0, 2: 1}),
    ),
    Case(
        name="a true label of no class",
        wrong=recording(controls={0: "dog"}),
        says="or with class_names=… its name",
        right=recording(controls={0: "dog"}, class_names=["cat", "dog"]),
    ),
    Case(
        name="other controls for another model",
        wrong=told_twice({0: 0}),
        says="the same controls=…",
        right=told_twice({0: 1}),
    ),
    Case(
        name="one-hot",
        wrong=observed(IDS, LOGITS, ONE_HOT),
        says="targets.argmax(1)",
        right=observed(IDS, LOGITS, ONE_HOT.argmax(1)),
    ),
    Case(
        name="several labels",
        wrong=observed(IDS, LOGITS, torch.ones(6, 2, dtype=torch.int64)),
        says="Recorder(labels=…)",
        right=observed(IDS, LOGITS, ONE_HOT | (IDS[:, None] == 0), labels=(ONE_HOT | (IDS[:, None] == 0)).numpy()),
    ),
    Case(
        name="one logit",
        wrong=observed(IDS, ONE, LABELS),
        says="torch.stack([torch.zeros_like(logit), logit], 1)",
        right=observed(IDS, torch.stack([torch.zeros_like(ONE), ONE], 1), LABELS),
    ),
    Case(
        name="one logit in a column",
        wrong=observed(IDS, ONE[:, None], LABELS),
        says="torch.stack([torch.zeros_like(logit), logit], 1)",
        right=observed(IDS, torch.stack([torch.zeros_like(ONE), ONE], 1), LABELS),
    ),
    Case(
        name="logits of NumPy",
        wrong=observed(IDS, LOGITS.numpy(), LABELS),
        says="torch.from_numpy(logits)",
        right=observed(IDS, torch.from_numpy(LOGITS.numpy()), LABELS),
    ),
    Case(
        name="ids beyond the examples",
        wrong=observed(IDS, LOGITS, LABELS, examples=3),
        says="examples=len(dataset)",
        right=observed(IDS, LOGITS, LABELS, examples=6),
    ),
    Case(
        name="names as ids",
        wrong=observed(list("abcdef"), LOGITS, LABELS),
        says="names go into Recorder(ids=…)",
        right=observed(IDS, LOGITS, LABELS, ids=list("abcdef")),
    ),
    Case(
        name="numbers as targets",
        wrong=observed(IDS, ONE, LABELS + 0.5),
        says="what Recorder(labels=…) holds",
        right=observed(IDS, ONE, LABELS + 0.5, labels=(LABELS + 0.5).numpy()),
    ),
    Case(
        name="a clean pass within an epoch",
        wrong=clean(lambda: loader(byrote.WithIds(PAIRS)), after=False),
        says="call epoch_end() first",
        right=clean(lambda: loader(byrote.WithIds(PAIRS)), after=True),
    ),
    Case(
        name="a clean pass without ids",
        wrong=clean(lambda: loader(PAIRS)),
        says="byrote.WithIds(dataset)",
        right=clean(lambda: loader(byrote.WithIds(PAIRS))),
    ),
    Case(
        name="a clean pass over nothing",
        wrong=clean(lambda: iter(())),
        says="a loader that yields batches",
        right=clean(lambda: loader(byrote.WithIds(PAIRS))),
    ),
    Case(
        name="ids of a loader",
        wrong=lambda _: byrote.WithIds(iter(PAIRS)),
        says="before a DataLoader",
        right=lambda _: list(loader(byrote.WithIds(PAIRS))),
    ),
    Case(
        name="ids twice",
        wrong=lambda _: byrote.WithIds([{"x": 1, byrote.recording.with_ids.KEY: 0}])[0],
        says="without byrote.WithIds",
        right=lambda _: [{"x": 1, byrote.recording.with_ids.KEY: 0}][0],
    ),
    Case(
        name="a file of others",
        wrong=lambda folder: recorded(folder, strange=True),
        says="remove the file",
        right=lambda folder: recorded(folder, strange=False),
    ),
    Case(name="models of other aims", wrong=of_two(apart=False), says="its own folder", right=of_two(apart=True)),
    Case(
        name="a model that is there",
        wrong=lambda folder: [byrote.Recorder(folder / "run", examples=6) for _ in range(2)],
        says="model=1",
        right=lambda folder: byrote.Recorder(folder / "run", examples=6, model=1),
    ),
)


@each(*RECORDERS)
def test_hints_of_recorders_are_followed(case, tmp_path):
    follow(case, tmp_path)


MEMBER = np.repeat([[1, 0] * 10, [0, 1] * 10], 2, axis=0)
CORRECT = np.random.default_rng(0).random((4, 20)) > 0.5
NOT = np.random.default_rng(0).random((4, 20, 2))


def imported(**given: Any) -> Callable[[Path], Any]:
    """Arrays that are imported."""
    how: dict[str, Any] = {
        "labels": np.arange(20) % 2,
        "member": MEMBER,
        "evidence": {"outputs.correct": CORRECT},
    } | given
    return lambda folder: import_arrays(folder / f"of-{len(list(folder.iterdir()))}", **how)


IMPORTS = (
    Case(
        name="the other way round",
        wrong=imported(member=MEMBER.T),
        says="member[model, example]",
        right=imported(member=MEMBER.T.T),
    ),
    Case(name="ids twice", wrong=imported(ids=["a"] * 20), says="ids=… differ, or are left out", right=imported()),
    Case(
        name="no evidence",
        wrong=imported(evidence={}),
        says="evidence={'outputs.logits': …}",
        right=imported(evidence={"outputs.logits": 3 * NOT}),
    ),
    Case(
        name="a pair of one",
        wrong=imported(pair=np.array([0, 1, 2, 2])),
        says="gives both models of a pair the same number, and all others -1",
        right=imported(pair=np.array([-1, -1, 2, 2])),
    ),
    Case(
        name="checkpoints backwards",
        wrong=imported(checkpoints=(3, 1), evidence={"trajectory.log_odds": NOT.swapaxes(1, 2)}),
        says="in ascending order",
        right=imported(checkpoints=(1, 3), evidence={"trajectory.log_odds": NOT.swapaxes(1, 2)}),
    ),
)


@each(*IMPORTS)
def test_hints_of_imported_arrays_are_followed(case, tmp_path):
    follow(case, tmp_path)

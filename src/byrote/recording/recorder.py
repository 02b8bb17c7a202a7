"""Recorder: byrote looks on while you train in a loop of your own."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from byrote.data.controls import Controls
from byrote.data.task import refuse_other_tasks
from byrote.engine.resources import logits_fit
from byrote.errors import BadInput
from byrote.evidence.finite import MOST
from byrote.evidence.manifest import FILE
from byrote.evidence.tables import write_table
from byrote.probes.probabilities import Suspicion
from byrote.recording.journal import FOLDER, LARGE, Journal, Settings, locked
from byrote.recording.kept import Kept
from byrote.recording.merge import GIVEN, merged
from byrote.recording.planted import Given, controls_of, told
from byrote.recording.tally import UNLABELLED, Shown
from byrote.recording.wanted import check_range, indices, wanted_of
from byrote.runs.folder import refuse_remains
from byrote.runs.run import Run

#: Logits of steps wait to be reduced together until they are so many numbers, or so many steps.
WAITING_NUMBERS = 2**22
WAITING_STEPS = 1024
#: Presentations stay on the device until the epoch ends, or until they are so many.
WAITING_PRESENTATIONS = 2**24

#: `forward(model, batch)` gives ids, logits and targets of a batch of a clean pass.
Forward = Callable[[nn.Module, Any], tuple[Any, Tensor, Any]]


class Recorder:
    """Takes note of every example that a training loop shows to its model, and makes a run of it.

    The run has the measures and the report of any other. What a step saw (`observe`: in training mode, augmented,
    before its update) and what a clean pass saw are different evidence and are never mixed. Several trainings on the
    same examples make one run of several models: `model=0`, `model=1`, and so on. The processes of a distributed
    training each have a recorder of the same arguments and the same folder; nothing is sent between them.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> recorder = Recorder(f"{folder}/mine", examples=3, epochs=1)
        >>> recorder.observe([0, 2], torch.tensor([[2.0, 0.0], [0.0, 1.0]]), [0, 0])
        >>> run = recorder.epoch_end()
        >>> run.design.member
        array([[1, 0, 1]], dtype=int8)
        >>> run.measure("area_under_margin").values
        array([-2., nan,  1.])

    Args:
        out: the run folder.
        examples: how many training examples there are; ids are 0 to one below.
        epochs: close by itself once so many epochs are over; a `clean_pass` after that still counts.
        model: the number of this training among those of the run.
        repeats: count every presentation. Otherwise an example counts once an epoch, by its first presentation, so
            that what a distributed sampler shows twice to fill up counts once; pass it with samplers that draw with
            replacement.
        ids: the examples' names, in their order.
        labels: the examples' labels; else those that come with `observe`. Of other targets than classes they are
            needed: 0 and 1 [example, label], or numbers [example] or [example, number], as `observe` gets them.
        class_names: in the order of the logits.
        tolerance: by how much an answer may miss its number and still be right; a quarter of the numbers' standard
            deviation unless given. Of several numbers: how large the root of the mean of the squared errors may be,
            each in standard deviations of its number.
        controls: what was planted in the data: `{example: true label}` of examples whose label was made wrong, or the
            `controls` of a dataset that `byrote.plant` made. These examples show what the models find, as in an audit
            with `--plant`: they make `triage` and probabilities of label errors possible, and are left out of lists.
        name: what to call the data.
        keep_weights_at: keep the model's weights at clean passes, for `byrote probe` and `byrote where`: at each of
            them ("checkpoints"), or after these epochs, e.g. "0,3,last"; for the first 8 models, in at most 1 GB.
        resume_at: go on with a recording at the start of this epoch, counted from 0; what it holds of it and of later
            ones is forgotten.
        flush_seconds: an `epoch_end` so long after the last writes to disk.
        rank, world: which process of how many; torch.distributed or its launcher knows them otherwise.

    Raises:
        BadInput: arguments that do not fit, or a folder that holds something else.
    """

    def __init__(
        self,
        out: str | Path,
        *,
        examples: int,
        epochs: int | None = None,
        model: int = 0,
        repeats: bool = False,
        ids: Sequence[str] | None = None,
        labels: Sequence[Any] | np.ndarray | None = None,
        class_names: Sequence[str] | None = None,
        tolerance: float | None = None,
        controls: Given | None = None,
        name: str = "recorded",
        keep_weights_at: str | None = None,
        resume_at: int | None = None,
        flush_seconds: float | int = 60,
        rank: int | None = None,
        world: int | None = None,
    ) -> None:
        self.folder = Path(out)
        self.rank, self.world = _process(rank, world)
        for argument, value, least in (("examples", examples, 1), ("model", model, 0), ("epochs", epochs, 1)):
            if value is not None and value < least:
                raise BadInput(
                    f"The {argument!r} argument of Recorder must be at least {least}. Got {value}.",
                    hint="examples=len(dataset); model counts from 0; leave epochs out where unknown.",
                )
        self.examples = examples
        self.epochs_done = 0 if resume_at is None else resume_at
        self.run: Run | None = None
        self._last_epoch = epochs
        self._wanted = wanted_of(labels, class_names, tolerance, examples)
        self._judge = self._wanted.judge
        self._labels = self._wanted.kinds.astype(np.int32)
        self._flush_seconds = float(flush_seconds)
        self._settings = Settings(
            examples=examples,
            world=self.world,
            repeats=repeats,
            name=name,
            class_names=None if class_names is None else tuple(map(str, class_names)),
            task=self._wanted.task,
            tolerance=tolerance,
        )
        self._journal = Journal(self.folder, model)
        self._kept = None if keep_weights_at is None else Kept(keep_weights_at)
        self._begin(ids, labels, resume_at, controls)
        self._step = self._steps_before()
        self._waiting: list[tuple[Tensor, Tensor, Tensor]] = []
        self._reduced: list[tuple[Tensor, Tensor, Tensor, Tensor, np.ndarray]] = []
        self._numbers = self._presentations = 0
        self._suspicion = Suspicion()
        self._shown: list[Shown] = []
        self._closed = False
        self._in_epoch = 0
        self._flushed = time.monotonic()

    def __repr__(self) -> str:
        return (
            f"Recorder({str(self.folder)!r}: model {self._journal.model}, {self.examples} examples, "
            f"{self.epochs_done} epochs done)"
        )

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close, or keep what there is where the training failed."""
        if kind is None:
            self.close()
        elif not self._closed:
            self.flush()

    @property
    def open(self) -> bool:
        """Whether it still takes note."""
        return not self._closed

    def observe(self, ids: Any, logits: Any, targets: Any) -> None:
        """Take note of a forward pass of the training: `ids[batch]`, `logits[batch, class]`, `targets[batch]`.

        Of several labels or numbers `logits` and `targets` are [batch, label], of one number the answers [batch] or
        [batch, 1].

        Call it for every batch that the loss is taken of, with gradient accumulation too. Nothing waits for a GPU:
        logits are copied there and reduced to losses and margins in float32 later on. Labels and values that only the
        device knows are checked when they come to the host, at the latest at `epoch_end`.

        Raises:
            BadInput: shapes, ids or targets that do not fit; values that are not finite; logits that are probabilities.
        """
        self._refuse_closed("observe")
        ids, logits, targets = self._checked(ids, logits, targets)
        device = logits.device
        self._waiting.append((_copied(ids, device), logits.detach().clone(), _copied(targets, device)))
        self._step += 1
        self._in_epoch += 1
        self._numbers += logits.numel()
        if self._numbers > WAITING_NUMBERS or len(self._waiting) >= WAITING_STEPS:
            self._reduce()
            if self._presentations > WAITING_PRESENTATIONS:
                self._drain()

    def epoch_end(self) -> Run | None:
        """An epoch is over; the run, where it was the last one of `epochs` and every process is done.

        Raises:
            BadInput: see `observe`.
        """
        self._refuse_closed("epoch_end")
        self._drain()
        self._in_epoch = 0
        self.epochs_done += 1
        if self.epochs_done == self._last_epoch:
            return self.close()
        if time.monotonic() - self._flushed >= self._flush_seconds:
            self.flush()
        return None

    def flush(self) -> None:
        """Write what was seen to disk; a process that is killed loses what came after. Call it with own checkpoints.

        Raises:
            BadInput: see `observe`.
        """
        self._refuse_closed("flush")
        self._drain()
        shown, self._shown = Shown.joined([Shown.none(), *self._shown]), []
        self._journal.write_shown(self.rank, shown, epochs=self.epochs_done, classes=self._wanted.outputs)
        self._flushed = time.monotonic()
        if self.rank == 0 and self._journal.bytes() > LARGE:
            with locked(self.folder):
                self._journal.add_up(finished=False)

    def close(self) -> Run | None:
        """The training is over. The last process to say so makes the run and gets it; the others get None.

        Raises:
            BadInput: see `observe`; another model of the run is about other examples or classes.
        """
        if self._closed:
            return self.run
        self._drain()
        if self._in_epoch:
            self._in_epoch = 0
            self.epochs_done += 1
        self.flush()
        with locked(self.folder):
            self._journal.close(self.rank)
            self._closed = True
            if self._journal.complete():
                self._journal.add_up(finished=True)
                self.run = merged(self.folder, unfinished=False)
        return self.run

    @torch.no_grad()
    def clean_pass(self, model: nn.Module, batches: Iterable[Any], *, forward: Forward | None = None) -> None:
        """Ask the model about every example in evaluation mode, as it stands now, between two epochs.

        A batch is (inputs, targets, ids), as a loader over `byrote.WithIds` gives it; for any other, `forward(model,
        batch)` gives (ids, logits, targets). Leave out augmentation. Together the processes must show every example;
        each may show all of them or its share, and copies count once. Which modules train, and the random states, are
        afterwards as they were. With `keep_weights_at` the weights are kept, too. Two passes or more after epochs make
        `trajectory`, one after the last `outputs`. After the last of `epochs` the run is there already: it is made
        anew, and `recorder.run` is the new one.

        Raises:
            BadInput: it is called within an epoch, or see `observe`.
        """
        late = self._closed and self.epochs_done == self._last_epoch
        if not late:
            self._refuse_closed("clean_pass")
        if self._in_epoch:
            raise BadInput(
                f"clean_pass was called after {self._in_epoch} steps of epoch {self.epochs_done}.",
                hint="call epoch_end() first.",
            )
        forward = forward or _forward
        network = model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model
        parts: list[dict[str, np.ndarray]] = []
        with _evaluating(network):
            for batch in batches:
                ids, logits, targets = self._checked(*forward(network, batch), waiting=True)
                if self._wanted.learned.of_classes:
                    self._suspicion.see(logits.float())
                parts.append(self._answers(ids, logits, _copied(targets, logits.device)))
        if not parts:
            raise BadInput(
                "The clean pass went over no batch.",
                hint="give a loader that yields batches; a generator can be gone through once only.",
            )
        self._suspicion.settle()
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        bad = ~np.isfinite(columns[self._judge.telling])
        if bad.sum() > MOST * len(bad):
            raise BadInput(
                f"The logits of {int(bad.sum())} of {len(bad)} examples in the clean pass are not finite.",
                hint="check that the training did not diverge, and that the inputs hold no NaN.",
            )
        self._know(columns["example"], columns["label"])
        first = np.unique(columns["example"], return_index=True)[1]
        columns = {name: column[first] for name, column in columns.items()}
        done = {"epochs": self.epochs_done, "classes": self._wanted.outputs}
        self._journal.write_clean(self.rank, columns, **done)
        if self._kept is not None:
            self._kept.keep(self._journal, network, rank=self.rank, **done)
        if late and self._journal.complete():
            with locked(self.folder):
                self.run = merged(self.folder, unfinished=False)

    def _answers(self, ids: Tensor, logits: Tensor, targets: Tensor) -> dict[str, np.ndarray]:
        judge = self._judge
        types = {**judge.signals, **judge.answers}
        read = {**judge.read(logits.float(), targets), **judge.answered(logits.float(), targets)}
        answers = {name: values.to(types[name]).cpu().numpy() for name, values in read.items()}
        example = ids.cpu().numpy().astype(np.int32)
        label = self._wanted.kind(example, targets.cpu().numpy()).astype(np.int32)
        keep = self._wanted.learned.of_classes and logits_fit(1, self.examples, self._wanted.outputs)
        kept = {"logits": logits.float().cpu().numpy()} if keep else {}
        return {"example": example, "label": label, **answers, **kept}

    @torch.no_grad()
    def _reduce(self) -> None:
        """Losses and margins of the steps that wait, on their device."""
        if not self._waiting:
            return
        sizes = [len(ids) for ids, _, _ in self._waiting]
        ids, logits, targets = (torch.cat([step[column] for step in self._waiting]) for column in range(3))
        logits = logits.float()
        if self._wanted.learned.of_classes:
            self._suspicion.see(logits)
        sound = self._wanted.sound(targets)
        correct, summed = self._judge.presented(logits, sound)
        if "loss_sum" in summed:
            loss, margin = summed["loss_sum"], summed["logit_margin_sum"]
        else:
            read = self._judge.read(logits, sound)
            loss = read.get("squared_error", read["residual"].square())
            margin = torch.where(correct, 1.0, -1.0)
        steps = np.repeat(np.arange(self._step - len(sizes), self._step) + 1, sizes)
        self._reduced.append((ids, targets, loss, margin, steps))
        self._presentations += len(ids)
        self._waiting, self._numbers = [], 0

    def _drain(self) -> None:
        """Bring what was reduced to the host, check it, and keep it for the next flush."""
        self._reduce()
        self._suspicion.settle()
        parts, self._reduced, self._presentations = self._reduced, [], 0
        for ids, targets, loss, margin, steps in parts:
            ids = ids.cpu()
            check_range("id", ids, self.examples)
            self._wanted.check(targets.cpu())
            example = ids.numpy()
            label = self._wanted.kind(example, targets.cpu().numpy())
            shown = Shown(
                epoch=np.full(len(steps), self.epochs_done, np.int32),
                step=steps.astype(np.int32),
                example=example.astype(np.int32),
                label=label.astype(np.int32),
                loss=loss.cpu().numpy(),
                logit_margin=margin.cpu().numpy(),
            )
            bad = ~(np.isfinite(shown.loss) & np.isfinite(shown.logit_margin))
            if bad.sum() > MOST * len(bad):
                raise BadInput(
                    f"The logits of {int(bad.sum())} of {len(bad)} presentations up to step {steps[-1]} are not "
                    "finite.",
                    hint="the training diverged; a lower learning rate or clipped gradients may help.",
                )
            self._know(shown.example, shown.label)
            self._shown.append(shown)

    def _know(self, example: np.ndarray, label: np.ndarray) -> None:
        """Hold labels against those that are known, and learn new ones."""
        new = np.flatnonzero(self._labels[example] == UNLABELLED)[::-1]  # of several labels the first stays
        self._labels[example[new]] = label[new]
        other = np.flatnonzero(self._labels[example] != label)
        if len(other):
            one = example[other[0]]
            raise BadInput(
                f"Example {one} came with label {label[other[0]]}, and with label {self._labels[one]} before.",
                hint="ids are positions in the dataset, not in the batch; byrote.WithIds(dataset) adds them to its "
                "items.",
            )

    def _checked(self, ids: Any, logits: Any, targets: Any, *, waiting: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """A batch whose shapes fit; values on the host are looked at, those on a device where it may be waited for."""
        if not isinstance(logits, Tensor):
            raise BadInput(
                f"Logits must be a torch tensor. Got a {type(logits).__name__!r}.",
                hint="pass output.logits of a model that returns an object, and torch.from_numpy(logits) of an array.",
            )
        ids = indices("ids", ids)
        logits, targets = self._wanted.batch(ids, logits, targets)
        if waiting or targets.device.type == "cpu":
            self._wanted.check(targets)
        if waiting or ids.device.type == "cpu":
            check_range("id", ids, self.examples)
        return ids, logits, targets

    def _refuse_closed(self, what: str) -> None:
        if self._closed:
            raise BadInput(
                f"{what} was called on a recorder that is closed.",
                hint="call close() last, and leave out epochs= where the training goes on; a further training takes a "
                "new Recorder with another model=….",
            )

    def _begin(self, ids: Sequence[str] | None, labels: Any, resume_at: int | None, controls: Given | None) -> None:
        """Take the place of this process in the folder."""
        if ids is not None and (len(ids) != self.examples or len({*map(str, ids)}) < len(ids)):
            raise BadInput(
                f"The 'ids' argument of Recorder must name {self.examples} different examples.",
                hint="give one name per example, each once, or leave ids out: examples are then numbered.",
            )
        planted = None if controls is None else self._planted(controls, ids)
        model = self._journal.model
        try:
            self._refuse_run()
            if resume_at is not None:
                self._journal.cut(resume_at, self.rank, self.world)
            elif self._journal.settings_path(self.rank).exists():
                raise BadInput(
                    f"The folder {str(self.folder)!r} already holds a recording of model {model}.",
                    hint=f"model={model + 1} for a further training, resume_at=… to go on with this one, or another "
                    "folder.",
                )
            self._journal.begin(self.rank, self._settings)
            if self.rank == 0 and (ids is not None or labels is not None):
                columns: dict[str, Any] = {} if ids is None else {"example": list(map(str, ids))}
                columns |= {} if labels is None else {"label": self._labels}
                columns |= {} if self._wanted.targets is None else {"target": self._wanted.targets.tolist()}
                write_table(self.folder / FOLDER / GIVEN, pa.table(columns))
            if self.rank == 0 and planted is not None:
                told(self.folder, planted)
        except OSError as error:
            raise BadInput(
                f"The run folder {str(self.folder)!r} cannot be made: {error.strerror or error}.",
                hint="give another folder.",
            ) from error

    def _planted(self, controls: Given, ids: Sequence[str] | None) -> Controls:
        """What was planted, in the names of this recording.

        Raises:
            BadInput: an example or a label is unknown, or the targets are no classes.
        """
        refuse_other_tasks(self._wanted.task, self._settings.name, "The argument 'controls' of Recorder")
        names = list(map(str, range(self.examples) if ids is None else ids))
        return controls_of(controls, names, self._settings.class_names)

    def _refuse_run(self) -> None:
        """Refuse a folder that holds a run, or what is left of one, that no recorder made."""
        if not os.path.exists(self.folder / FOLDER):
            if os.path.exists(self.folder / FILE):
                raise BadInput(
                    f"The folder {str(self.folder)!r} already holds a run.", hint="give another folder, or remove it."
                )
            refuse_remains(self.folder, shared=True)

    def _steps_before(self) -> int:
        """The last step that an earlier process of this rank wrote; labels that it saw are known again."""
        last = 0
        added = self._journal.added()
        if added is not None:
            seen = np.flatnonzero(added.label != UNLABELLED)
            self._know(seen, added.label[seen])
        for path in self._journal.shown_paths(self.rank):
            shown, _ = self._journal.shown(path)
            self._know(shown.example, shown.label)
            last = max([last, *shown.step[-1:].tolist()])
        return last


def recover(folder: str | Path) -> Run:
    """A run of what was on disk when a training was killed, models that were not closed included.

    Its notes say how far they came.

    Raises:
        BadInput: nothing was recorded there.

    Example:
        >>> recorder = byrote.Recorder("runs/killed", examples=2, epochs=3)
        >>> recorder.observe([0, 1], torch.eye(2), [0, 1])
        >>> recorder.epoch_end()
        >>> recorder.flush()
        >>> byrote.recover("runs/killed").manifest.notes
        ('Model 0 was not closed; it is recorded up to 1 full epoch.',)
    """
    place = Path(folder)
    run = None
    if os.path.exists(place / FOLDER):
        with locked(place):
            run = merged(place, unfinished=True)
    if run is None:
        raise BadInput(
            f"The folder {str(folder)!r} holds no recording.", hint="give the folder that was given to Recorder."
        )
    return run


def _process(rank: int | None, world: int | None) -> tuple[int, int]:
    """Which process this is of how many: as told, as torch.distributed knows, or as its launcher said."""
    if rank is None and world is None:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
            return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        return 0, 1
    if rank is None or world is None or not 0 <= rank < world:
        raise BadInput(
            f"The 'rank' and 'world' arguments of Recorder must name a process of so many. Got {rank} and {world}.",
            hint="give both, rank from 0 to world - 1, or leave both out under torchrun.",
        )
    return rank, world


def _copied(values: Tensor, device: torch.device) -> Tensor:
    """A copy that no later write reaches; without waiting, where it goes to a GPU."""
    kind = torch.float32 if values.is_floating_point() else torch.int64
    return values.to(device, kind, copy=True, non_blocking=device.type == "cuda")


def _forward(model: nn.Module, batch: Any) -> tuple[Any, Tensor, Any]:
    if not isinstance(batch, (tuple, list)) or len(batch) != 3:
        raise BadInput(
            f"A batch of a clean pass must be (inputs, targets, ids). Got a {type(batch).__name__!r}.",
            hint="load byrote.WithIds(dataset), or pass forward=….",
        )
    inputs, targets, ids = batch
    place = next(model.parameters(), None)
    return ids, model(inputs if place is None else inputs.to(place.device)), targets


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; outside, modules and random states are as if nothing had been."""
    training = [(module, module.training) for module in model.modules()]
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 - the user's own
    used = sorted({weight.device.index or 0 for weight in model.parameters() if weight.device.type == "cuda"})
    with torch.random.fork_rng(devices=used):
        model.eval()
        try:
            yield
        finally:
            for module, was in training:
                module.training = was
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002

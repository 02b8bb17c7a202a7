"""Hints of recorded trainings are followed: each mends the case that brought it."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import pytest
import torch
import torch.nn.functional as F
import transformers
from torch.utils.data import DataLoader

import byrote
from byrote.recording.journal import rank_of
from byrote.recording.lightning import RecorderCallback as OfLightning
from byrote.recording.lightning import unpacked
from byrote.recording.recorder import recover
from byrote.recording.transformers import RecorderCallback, _by_example, _forward, _logits
from byrote.recording.with_ids import KEY
from followed import Case, each, follow, without
from small import small_audit

IDS, LABELS = torch.arange(6), torch.arange(6) % 2
LOGITS = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
SETS, NUMBERS = (torch.arange(12).reshape(6, 2) % 3 == 0).long(), torch.arange(6) + 0.5


def new(folder: Path) -> Path:
    """A place in the folder where nothing is yet."""
    return folder / f"of-{len(list(folder.iterdir()))}"


def recorder(folder: Path, **settings: Any) -> byrote.Recorder:
    """A recorder of six examples."""
    return byrote.Recorder(folder, **({"examples": 6} | settings))


def shown(
    ids: Any = IDS, logits: Any = LOGITS, targets: Any = LABELS, /, *more: Any, **settings: Any
) -> Callable[[Path], Any]:
    """Batches that are shown, and the end of the epoch."""

    def show(folder: Path) -> Any:
        made = recorder(new(folder), **settings)
        made.observe(ids, logits, targets)
        if more:
            made.observe(*more)
        made.epoch_end()
        return made.close()

    return show


def of_sets(ids: Any = IDS, logits: Any = LOGITS, targets: Any = SETS) -> Callable[[Path], Any]:
    """The same, of several labels per example."""
    return shown(ids, logits, targets, labels=SETS)


def of_numbers(logits: Any = LOGITS[:, 0], targets: Any = NUMBERS) -> Callable[[Path], Any]:
    """The same, of numbers."""
    return shown(IDS, logits, targets, labels=NUMBERS, tolerance=0.5)


def begun(folder: Path, **settings: Any) -> byrote.Recorder:
    """A recording of an epoch that was not closed."""
    made = recorder(folder, **settings)
    numbers = "tolerance" in settings
    made.observe(IDS, LOGITS[:, 0] if numbers else LOGITS, settings["labels"] if numbers else LABELS)
    made.epoch_end()
    made.flush()
    return made


def spoiled(spoil: Callable[[Path], Any], **settings: Any) -> Callable[[Path], Any]:
    """The same, of whose folder a copy is kept before it is spoiled; and what is made of it."""

    def record(folder: Path) -> Any:
        begun(folder / "run", **settings)
        shutil.copytree(folder / "run", folder / "copy")
        spoil(folder / "run" / "recorded")
        return recover(folder / "run")

    return record


def restored(folder: Path) -> Any:
    """The folder from its copy."""
    shutil.rmtree(folder / "run")
    shutil.copytree(folder / "copy", folder / "run")
    return recover(folder / "run")


def cut_off(recorded: Path) -> None:
    """What was shown is cut off."""
    (path,) = (recorded / "m00000").glob("shown.*")
    path.write_bytes(path.read_bytes()[:40])


def went_on(at: int, *, added: bool = True) -> Callable[[Path], Any]:
    """Two epochs that were added up, and a training that goes on at another one."""

    def record(folder: Path) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("byrote.recording.recorder.LARGE", 0)
            made = begun(new(folder))
        return recorder(made.folder, resume_at=at)

    return record


def other_arguments(second: int) -> Callable[[Path], Any]:
    """Two processes of a training."""

    def record(folder: Path) -> Any:
        place = new(folder)
        recorder(place, rank=0, world=2).close()
        return recorder(place, examples=second, rank=1, world=2).close()

    return record


def two_models(apart: bool = False, **other: Any) -> Callable[[Path], Any]:
    """Two models of one run, or each in its own folder."""

    def record(folder: Path) -> Any:
        place = new(folder)
        first = recorder(place)
        first.observe(IDS, LOGITS, LABELS)
        first.close()
        second = recorder(new(folder) if apart else place, model=0 if apart else 1, **other)
        count = other.get("examples", 6)
        answers = torch.zeros(count, 1) if "tolerance" in other else torch.randn(count, 2)
        second.observe(torch.arange(count), answers, NUMBERS if "tolerance" in other else torch.arange(count) % 2)
        return second.close()

    return record


def clean(answers: Any) -> Callable[[Path], Any]:
    """A clean pass of a network that gives these."""

    def record(folder: Path) -> Any:
        made = recorder(new(folder))
        made.observe(IDS, LOGITS, LABELS)
        made.epoch_end()
        return made.clean_pass(
            torch.nn.Linear(2, 2), [(LOGITS, LABELS, IDS)], forward=lambda *_: (IDS, answers, LABELS)
        )

    return record


def twice(*, other: bool) -> Callable[[Path], Any]:
    """A recorder that was closed, and one that observes."""

    def record(folder: Path) -> Any:
        made = recorder(new(folder))
        made.observe(IDS, LOGITS, LABELS)
        made.close()
        later = recorder(made.folder, model=1) if other else made
        later.observe(IDS, LOGITS, LABELS)
        return later.close()

    return record


def over_a_run(name: str) -> Callable[[Path], Any]:
    """A recorder in a folder of an audit, or another."""

    def record(folder: Path) -> Any:
        if not (folder / "run").exists():
            small_audit(folder / "run", models=4, full=0)
        return recorder(folder / name)

    return record


def on_a_file(name: str) -> Callable[[Path], Any]:
    """A recorder below a file, or elsewhere."""

    def record(folder: Path) -> Any:
        (folder / "file").write_text("")
        return recorder(folder / name / "run")

    return record


class Net(torch.nn.Module):
    """A classifier as transformers has them."""

    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Linear(2, 2)
        self.config = transformers.PretrainedConfig()

    def forward(self, x: torch.Tensor, labels: Any = None) -> dict[str, Any]:
        logits = self.net(x)
        return {"loss": F.cross_entropy(logits, LABELS[: len(x)] if labels is None else labels), "logits": logits}


def items(*without: str) -> list[dict[str, Any]]:
    """Six items with named values."""
    return [
        {name: value for name, value in {"x": LOGITS[n], "labels": n % 2}.items() if name not in without}
        for n in IDS.tolist()
    ]


def trained(dataset: Any = None, callback: dict[str, Any] | None = None, **options: Any) -> Callable[[Path], Any]:
    """A training by Trainer."""

    def train(folder: Path) -> Any:
        settings = {
            "output_dir": str(folder / "out"), "num_train_epochs": 1, "remove_unused_columns": False, "report_to": [],
            "save_strategy": "no", "disable_tqdm": True, "use_cpu": True, "dataloader_pin_memory": False,
        } | options  # fmt: skip
        given = byrote.WithIds(items()) if dataset is None else dataset
        records = RecorderCallback(new(folder), examples=6, **(callback or {}))
        return transformers.Trainer(
            model=Net(), args=transformers.TrainingArguments(**settings), train_dataset=given, callbacks=[records]
        ).train()

    return train


class Module(lightning.LightningModule):
    """A classifier of Lightning, whose step returns its logits or not."""

    def __init__(self, *, returns: bool) -> None:
        super().__init__()
        self.net, self.returns = torch.nn.Linear(2, 2), returns

    def training_step(self, batch: Any) -> Any:
        logits = self.net(batch[0])
        loss = F.cross_entropy(logits, batch[1])
        return {"loss": loss, "logits": logits} if self.returns else loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fitted(*, returns: bool) -> Callable[[Path], Any]:
    """A training by Lightning."""

    def fit(folder: Path) -> Any:
        loader = DataLoader(byrote.WithIds(torch.utils.data.TensorDataset(LOGITS, LABELS)), batch_size=6)
        how = {"max_epochs": 1, "accelerator": "cpu", "logger": False, "enable_checkpointing": False}
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "log_every_n_steps": 1}
        records = OfLightning(new(folder), examples=6)
        lightning.Trainer(default_root_dir=folder, callbacks=[records], **how, **quiet).fit(
            Module(returns=returns), loader
        )

    return fit


def imported(name: str) -> Callable[[Path], Any]:
    """A module that is loaded anew."""

    def load(_: Path) -> Any:
        held = sys.modules.pop(name)
        try:
            return importlib.import_module(name)
        finally:
            sys.modules[name] = held

    return load


OF_LIGHTNING, OF_TRAINER = imported("byrote.recording.lightning"), imported("byrote.recording.transformers")
PROBABILITIES = LOGITS.softmax(1).repeat(2, 1)
BATCH = {"x": LOGITS, "labels": LABELS, KEY: IDS}
NAN = torch.full((6, 2), torch.nan)

TRAININGS = (
    Case(
        name="no clean pass",
        wrong=lambda folder: RecorderCallback(folder / "a", examples=6, clean_every=0),
        says="clean_every=1",
        right=lambda folder: RecorderCallback(folder / "a", examples=6, clean_every=1),
    ),
    Case(
        name="before the training",
        wrong=lambda folder: RecorderCallback(folder / "a", examples=6).recorder,
        says="after Trainer.train()",
        right=trained(),
    ),
    Case(
        name="a file of others",
        wrong=spoiled(lambda recorded: (recorded / "m00000" / "shown.safetensors").write_bytes(b"none")),
        says="remove the file",
        right=lambda folder: [
            (folder / "run" / "recorded" / "m00000" / "shown.safetensors").unlink(),
            recover(folder / "run"),
        ],
    ),
    Case(name="cut off", wrong=spoiled(cut_off), says="restore any other run from a copy", right=restored),
    Case(name="an epoch that was added up", wrong=went_on(0), says="after 1 epochs", right=went_on(1)),
    Case(name="an epoch to come", wrong=went_on(3), says="after 1 epochs", right=went_on(1)),
    Case(
        name="settings of none",
        wrong=spoiled(lambda recorded: (recorded / "m00000" / "settings.r00000.json").write_text("[]")),
        says="restore the folder from a copy",
        right=restored,
    ),
    Case(
        name="no targets",
        wrong=spoiled(lambda recorded: (recorded / "given.parquet").unlink(), labels=NUMBERS, tolerance=0.5),
        says="restore the folder from a copy",
        right=restored,
    ),
    Case(
        name="controls of none",
        wrong=spoiled(lambda recorded: (recorded / "controls.parquet").write_bytes(b"none"), controls={0: 1}),
        says="restore the folder from a copy",
        right=restored,
    ),
    Case(
        name="targets of none",
        wrong=spoiled(
            lambda recorded: (recorded / "given.parquet").write_bytes(b"none"), labels=NUMBERS, tolerance=0.5
        ),
        says="restore the folder from a copy",
        right=restored,
    ),
    Case(
        name="another number of examples",
        wrong=other_arguments(5),
        says="the same arguments in every process",
        right=other_arguments(6),
    ),
    Case(
        name="models of other examples",
        wrong=two_models(examples=4),
        says="its own folder",
        right=two_models(apart=True, examples=4),
    ),
    Case(
        name="models of another task",
        wrong=two_models(labels=NUMBERS, tolerance=0.5),
        says="its own folder",
        right=two_models(apart=True, labels=NUMBERS, tolerance=0.5),
    ),
    Case(
        name="no recording",
        wrong=lambda folder: recover(folder),
        says="that was given to Recorder",
        right=lambda folder: [begun(folder / "run"), recover(folder / "run")],
    ),
    Case(name="a clean pass of NaN", wrong=clean(NAN), says="did not diverge", right=clean(LOGITS)),
    Case(name="a training of NaN", wrong=shown(IDS, NAN, LABELS), says="a lower learning rate", right=shown()),
    Case(
        name="another label",
        wrong=shown(IDS, LOGITS, LABELS, IDS, LOGITS, 1 - LABELS),
        says="positions in the dataset",
        right=shown(IDS, LOGITS, LABELS, IDS, LOGITS, LABELS),
    ),
    Case(
        name="a closed recorder",
        wrong=twice(other=False),
        says="a new Recorder with another model=…",
        right=twice(other=True),
    ),
    Case(name="a run that is there", wrong=over_a_run("run"), says="give another folder", right=over_a_run("another")),
    Case(
        name="a file in the way",
        wrong=on_a_file("file"),
        says="a place that you may write to",
        right=on_a_file("folder"),
    ),
    Case(name="a name of 300 letters", wrong=on_a_file("x" * 300), says="give another folder", right=on_a_file("x")),
    Case(
        name="targets of fewer",
        wrong=shown(labels=NUMBERS[:2]),
        says="the target of each example",
        right=of_numbers(),
    ),
    Case(
        name="another number of classes",
        wrong=shown(IDS, LOGITS, LABELS, IDS, torch.zeros(6, 3), LABELS),
        says="the logits of all classes",
        right=shown(IDS, LOGITS, LABELS, IDS, LOGITS, LABELS),
    ),
    Case(name="one logit of two labels", wrong=of_sets(IDS, LOGITS[:, :1]), says="one per label", right=of_sets()),
    Case(name="two numbers of one", wrong=of_numbers(LOGITS), says="as many numbers per example", right=of_numbers()),
    Case(
        name="whole answers",
        wrong=of_numbers(LOGITS[:, 0].long()),
        says="what the loss is taken of",
        right=of_numbers(),
    ),
    Case(name="ids of fewer", wrong=of_sets(IDS[:3]), says="byrote.WithIds(dataset)", right=of_sets()),
    Case(name="another target", wrong=of_sets(IDS.flip(0)), says="ids are positions in the dataset", right=of_sets()),
    Case(
        name="words as targets",
        wrong=of_numbers(LOGITS[:, 0], ["a"] * 6),
        says="as the loop has them",
        right=of_numbers(),
    ),
    Case(
        name="a file of no process",
        wrong=lambda _: rank_of(Path("shown.safetensors")),
        says="remove the file",
        right=lambda _: rank_of(Path("shown.r00000.safetensors")),
    ),
    Case(
        name="a batch without ids",
        wrong=lambda _: unpacked((LOGITS, LABELS)),
        says="byrote.WithIds(dataset)",
        right=lambda _: unpacked((LOGITS, LABELS, IDS)),
    ),
    Case(
        name="a step without logits",
        wrong=fitted(returns=False),
        says='return {"loss": loss, "logits": logits}',
        right=fitted(returns=True),
    ),
    Case(
        name="no lightning",
        wrong=without("lightning.pytorch", OF_LIGHTNING),
        says="byrote[lightning]",
        right=OF_LIGHTNING,
    ),
    Case(
        name="no transformers", wrong=without("transformers", OF_TRAINER), says="byrote[transformers]", right=OF_TRAINER
    ),
    Case(
        name="no logits",
        wrong=lambda _: _logits({"loss": 1}),
        says="AutoModelForSequenceClassification",
        right=lambda _: _logits({"logits": LOGITS}),
    ),
    Case(
        name="logits of tokens",
        wrong=lambda _: _by_example(LOGITS[None]),
        says="AuditCallback",
        right=lambda _: _by_example(LOGITS),
    ),
    Case(
        name="a batch without names",
        wrong=lambda _: _forward(Net(), [LOGITS]),
        says="give a dictionary",
        right=lambda _: _forward(Net(), BATCH),
    ),
    Case(
        name="a clean pass without ids",
        wrong=lambda _: _forward(Net(), {"x": LOGITS, "labels": LABELS}),
        says="byrote.WithIds",
        right=lambda _: _forward(Net(), BATCH),
    ),
    Case(
        name="unused columns",
        wrong=trained(remove_unused_columns=True),
        says="remove_unused_columns=False",
        right=trained(remove_unused_columns=False),
    ),
    Case(
        name="items without ids",
        wrong=trained(items()),
        says="train_dataset=byrote.WithIds(dataset)",
        right=trained(byrote.WithIds(items())),
    ),
    Case(
        name="labels kept from the model",
        wrong=trained(byrote.WithIds(items("labels"))),
        says="RecorderCallback(…, labels=…)",
        right=trained(byrote.WithIds(items("labels")), {"labels": LABELS.numpy()}),
    ),
)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # lightning's
@each(*TRAININGS)
def test_hints_of_trainings_are_followed(case, tmp_path):
    follow(case, tmp_path)

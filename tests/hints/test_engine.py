"""Hints of audits are followed: each mends the case that brought it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import byrote
from byrote.data.canaries import plant
from byrote.data.corpus import corpus_from_texts
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.engine import afterwards
from byrote.engine.division import refuse_budget
from byrote.engine.executors import trained
from byrote.engine.job import check_device, check_network
from byrote.engine.language import audit_model
from byrote.engine.stopping import Goal
from byrote.evidence.shards import read_header, read_shard, write_shard
from byrote.recipes.networks.pretrained import Pretrained
from byrote.recipes.objectives.trades import Trades
from byrote.recipes.private import ClipByExample
from byrote.runs.run import Run
from documents import SUMMING, Bigrams, letters, small_language_audit
from engine.toys import job, recipe
from followed import Case, each, follow
from made_once import MAKERS, copied
from small import RECIPE, blobs

QUICK = dataclasses.replace(RECIPE, epochs=1)


def new(folder: Path) -> Path:
    """A place in the folder where nothing is yet."""
    return folder / f"of-{len(list(folder.iterdir()))}"


def audited(dataset: Any = None, slots: Any = QUICK, /, **settings: Any) -> Callable[[Path], Any]:
    """A quick audit of four models."""
    how = {"models": 4, "full": 0, "workers": 1, "progress": False, "checkpoints": 2} | settings
    given = blobs(30) if dataset is None else dataset

    def audit(folder: Path) -> Any:
        return byrote.audit(given, slots, out=new(folder), **how)

    return audit


def language(**settings: Any) -> Callable[[Path], Any]:
    """An audit of a language model of a few words."""
    how = {"checkpoints": 0, "generate": None} | settings
    return lambda folder: small_language_audit(new(folder), **how)


class Written(nn.Module):
    """A network of the tests, whose forward is any function of a linear layer and the inputs."""

    def __init__(self, forward: Callable[..., Any], *, outputs: int = 3, inputs: int = 6) -> None:
        super().__init__()
        self.layer, self.given = nn.Linear(inputs, outputs), forward

    def forward(self, inputs: torch.Tensor) -> Any:
        return self.given(self.layer, inputs)


class Two(nn.Linear):
    """A network of two inputs."""

    def __init__(self) -> None:
        super().__init__(6, 3)

    def forward(self, inputs: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(inputs) * masks


def whole(layer: nn.Module, inputs: torch.Tensor) -> Any:
    """As it should be."""
    return layer(inputs)


def fitted(forward: Callable[..., Any] = whole, **settings: Any) -> Callable[[Path], Any]:
    """A network that is tried on the data before it is trained."""
    return network(lambda: Written(forward, **settings))


def network(made: Callable[[], nn.Module]) -> Callable[[Path], Any]:
    """The same, of any network."""
    return lambda folder: check_network(job(folder, recipe(byrote.Network(made))))


@dataclass(frozen=True)
class Loss:
    """An objective whose `loss` is any function."""

    function: Any
    task: ClassVar[str] = "classes"
    once: ClassVar[bool] = True

    def memory(self, examples: int, classes: int) -> None:
        return None

    def loss(self, forward: Any, batch: Any, memory: Any) -> Any:
        return self.function(forward, batch, memory)


@dataclass(frozen=True)
class Turned:
    """An augmentation that is any function."""

    function: Any

    def __call__(self, inputs: torch.Tensor, **_: Any) -> torch.Tensor:
        return self.function(inputs)


def of_all(forward: Any, batch: Any, memory: Any) -> Any:
    """The mean over the batch, which is one number."""
    logits = forward(batch.inputs, train=True)
    return logits, F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten()), None


def of_classes(forward: Any, batch: Any, memory: Any) -> Any:
    """One loss a class."""
    logits = forward(batch.inputs, train=True)
    return logits, -logits.log_softmax(-1), None


def of_examples(forward: Any, batch: Any, memory: Any) -> Any:
    """One loss an example."""
    logits = forward(batch.inputs, train=True)
    by_row = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), reduction="none")
    return logits, by_row.reshape(batch.targets.shape), None


def learned(function: Any) -> Callable[[Path], Any]:
    """A step with an objective."""
    slots = recipe(byrote.MLP(hidden=(4,)), objective=Loss(function))
    return lambda folder: check_network(job(folder, slots))


class Raising:
    """The training of a block, in which a network may raise."""

    def __init__(self, *, raises: bool) -> None:
        self.raises = raises

    def train(self, block: Any, progress: Any) -> list[int]:
        if self.raises:
            raise ZeroDivisionError("by nothing")
        return []


def block_trained(*, raises: bool) -> Callable[[Path], Any]:
    """A block that is trained."""
    one = type("Block", (), {"models": (0, 1)})()
    return lambda _: trained(Raising(raises=raises), one, lambda share: None)


def budget(minutes: int) -> Callable[[Path], Any]:
    """A first look that takes five minutes."""
    goal = Goal.of(stderr=None, budget=60.0 * minutes, models=64)
    assert goal is not None
    return lambda _: refuse_budget(goal, 299.0)


def probed(kind: str = "weights", *names: str, attached: bool = True) -> Callable[[Path], Any]:
    """A probe of a run that is opened again."""

    def look(folder: Path) -> Any:
        run = Run.open(folder / kind if (folder / kind).exists() else copied(kind, folder, kind))
        return afterwards.probe(
            run.attach(blobs(noise=0.1), RECIPE) if attached else run, *(names or ("rewinding,permutations=1",))
        )

    return look


def other_weights(folder: Path) -> Any:
    """Weights of a narrower network."""
    run = Run.open(copied("weights", folder, "weights"))
    path = run.evidence.path("weights_at", 1, 0)
    columns, header = read_shard(path), read_header(path)
    name = next(iter(columns))
    words = {key: word for key, word in header.items() if key not in ("checksum", "schema")}
    path.unlink()
    write_shard(path, {**columns, name: columns[name][..., :-1]}, words)
    return probed()(folder)


def made_again(folder: Path) -> Any:
    """What the hint says of weights: the folder is removed, and the audit made again."""
    shutil.rmtree(folder / "weights" / "evidence" / "weights_at")
    MAKERS["weights"](folder / "weights")
    return probed()(folder)


def probed_twice(folder: Path) -> Any:
    """Two numbers of permutations, one after another."""
    probed("weights", "rewinding,permutations=1")(folder)
    return probed("weights", "rewinding,permutations=2")(folder)


def probed_anew(folder: Path) -> Any:
    """What the first found is removed."""
    shutil.rmtree(folder / "weights" / "evidence" / "rewinding")
    return probed("weights", "rewinding,permutations=2")(folder)


def apart(folder: Path) -> Any:
    """A probe of checkpoints, of models whose best checkpoints differ."""
    run = Run.open(copied("weights", folder, "weights"))
    path = run.evidence.path("weights_at", 1, 0)
    columns, header = read_shard(path), read_header(path)
    words = {key: word for key, word in header.items() if key not in ("checksum", "schema")}
    path.unlink()
    write_shard(path, columns, {**words, "coordinate.checkpoint": '["0", "4"]'})
    return probed("weights", "el2n")(folder)


def half_recorded(folder: Path) -> Any:
    """A probe of checkpoints, of which the audit recorded what one of the models lacks now."""
    place = folder / "recorded"
    run = Run.open(place) if place.exists() else recorded(folder)
    run.evidence.path("el2n", 1, 0).unlink(missing_ok=True)
    return afterwards.probe(run.attach(blobs(30), QUICK), "el2n")


def recorded(folder: Path) -> Run:
    """An audit with a probe of checkpoints, or the same again."""
    how: dict[str, Any] = {"models": 4, "full": 0, "workers": 1, "progress": False, "checkpoints": 2}
    return byrote.audit(
        blobs(30), QUICK, out=folder / "recorded", probes=("el2n",), keep_weights_at="checkpoints", **how
    )


def recorded_again(folder: Path) -> Any:
    """What the hint says: the same audit once more."""
    assert recorded(folder).models_with("el2n") == [0, 1, 2, 3]
    return afterwards.probe(Run.open(folder / "recorded").attach(blobs(30), QUICK), "el2n")


def measured(*probes: str) -> Callable[[Path], Any]:
    """A measure of a run that kept weights, once these probes have read them."""

    def measure(folder: Path) -> Any:
        run = probed("weights", *probes)(folder) if probes else Run.open(copied("weights", folder, "weights"))
        return run.measure("el2n")

    return measure


def regression_probed(folder: Path) -> Any:
    """A probe of classes of a run of numbers."""
    x = np.random.default_rng(0).normal(size=(30, 2))
    data = byrote.from_arrays(x.astype(np.float32), x.sum(1), task="regression")
    run = audited(data, dataclasses.replace(QUICK, objective=byrote.SquaredError()), keep_weights_at="checkpoints")(
        folder
    )
    return afterwards.probe(run, "rewinding")


def observed(made: nn.Module, *, bos: int | None = 0) -> Callable[[Path], Any]:
    """A trained model that reads two documents, before each its BOS token if there is one."""
    found = Pretrained(
        name="model", network=made, encode=lambda texts: [[ord(c) - 96 for c in text] for text in texts], bos=bos,
        vocabulary=27, context=16, digest="of it",
    )  # fmt: skip
    how: dict[str, Any] = {"progress": False, "device": "cpu", "bos": True if bos is None else None}
    return lambda folder: audit_model(
        found, corpus_from_texts(["abcd", "gh"]), out=folder / f"of-{len(list(folder.iterdir()))}", **how
    )


class Backward(Bigrams):
    """A model that sees what comes."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().forward(inputs.flip(1)) + 1


class Short(Bigrams):
    """A model of fewer tokens."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().forward(inputs)[..., :5]


def bigrams(kind: type[Bigrams] = Bigrams, first: float = 0.0) -> nn.Module:
    """A table of logits."""
    made = kind(27)
    with torch.no_grad():
        made.table += torch.randn(27, 27, generator=torch.Generator().manual_seed(0))
        made.table[:3] = first
    return made


PLAIN = corpus_from_texts(["one two three", "four five six", "seven eight nine"])
CANARIES = plant(PLAIN, level=1, repeat=(2,), rng=np.random.default_rng(0))
HALVES = half_subset_pairs(30, 4, rng=np.random.default_rng(0))
OTHERS = half_subset_pairs(20, 4, rng=np.random.default_rng(0))
ALL = half_subset_pairs(18, 4, rng=np.random.default_rng(0))
BY_EXAMPLE = dataclasses.replace(SUMMING, example_gradients=ClipByExample(1.0))
ROWS = byrote.from_arrays(np.arange(60.0).reshape(30, 2), np.arange(30) + 0.5, task="regression")
NUMBERS = dataclasses.replace(QUICK, objective=byrote.SquaredError())

ENGINE = (
    Case(name="no data", wrong=probed(attached=False), says="run.attach(dataset, recipe)", right=probed()),
    Case(name="no weights", wrong=probed("classes"), says="--keep-weights-at checkpoints", right=probed()),
    Case(name="a run of numbers", wrong=regression_probed, says="probe a run of classes", right=probed(), slow=True),
    Case(name="weights of another network", wrong=other_weights, says="remove the folder", right=made_again, slow=True),
    Case(name="other settings", wrong=probed_twice, says="remove its folder", right=probed_anew, slow=True),
    Case(name="a short budget", wrong=budget(4), says="--budget 10m", right=budget(10)),
    Case(
        name="a network that raises",
        wrong=block_trained(raises=True),
        says="it happened in train",
        right=block_trained(raises=False),
    ),
    Case(
        name="inputs that are written to",
        wrong=fitted(lambda layer, x: layer(x.sub_(1))),
        says="x = x - 1",
        right=fitted(lambda layer, x: layer(x - 1)),
    ),
    Case(name="two outputs", wrong=fitted(outputs=2), says="nn.Linear(…, 3)", right=fitted(outputs=3)),
    Case(
        name="no device", wrong=lambda _: check_device("gpu"), says="cpu and cuda", right=lambda _: check_device("cpu")
    ),
    Case(
        name="a GPU that is not there",
        wrong=lambda _: check_device("cuda:9"),
        says="leave it out, or take cpu",
        right=lambda _: check_device("cpu"),
    ),
    Case(
        name="a network of arguments",
        wrong=lambda folder: check_network(job(folder, recipe(byrote.Network(Written)))),
        says="calls MyNet() without arguments",
        right=fitted(),
    ),
    Case(name="two inputs", wrong=network(Two), says="forward(self, x)", right=fitted()),
    Case(
        name="doubles",
        wrong=fitted(lambda layer, x: layer(x.double())),
        says="float32",
        right=fitted(lambda layer, x: layer(x)),
    ),
    Case(name="other inputs", wrong=fitted(inputs=5), says="the shape of one example", right=fitted(inputs=6)),
    Case(
        name="a fault of its own",
        wrong=fitted(lambda layer, x: layer(y)),
        says="fix its forward()",
        right=fitted(lambda layer, x: layer(x)),
    ),
    Case(name="a loss that raises", wrong=learned(of_all), says="loss[model, batch]", right=learned(of_examples)),
    Case(name="a loss of classes", wrong=learned(of_classes), says="loss[model, batch]", right=learned(of_examples)),
    Case(
        name="a probe of classes",
        wrong=audited(ROWS, NUMBERS, probes=("last_layer",)),
        says="audit without it",
        right=audited(ROWS, NUMBERS),
    ),
    Case(
        name="a probe of another time",
        wrong=audited(probes=("rewinding",)),
        says="--keep-weights-at checkpoints",
        right=probed(),
    ),
    Case(
        name="best checkpoints",
        wrong=apart,
        says="--keep-weights-at checkpoints",
        right=lambda folder: afterwards.probe(audited(keep_weights_at="checkpoints")(folder), "el2n"),
    ),
    Case(
        name="half of what an audit recorded", wrong=half_recorded, says="the same `byrote audit`", right=recorded_again
    ),
    Case(name="weights that nobody read", wrong=measured(), says="byrote probe", right=measured("el2n")),
    Case(
        name="no probe",
        wrong=audited(probes=("lastlayer",)),
        says='probes=("last_layer",)',
        right=audited(blobs(12), probes=("last_layer",)),
        slow=True,
    ),
    Case(
        name="a design beside a goal",
        wrong=audited(stderr=0.1, models=None, design=HALVES),
        says="leave out stderr and budget",
        right=audited(design=HALVES),
    ),
    Case(
        name="a design of others",
        wrong=audited(design=OTHERS),
        says="a dataset of this length",
        right=audited(design=HALVES),
    ),
    Case(name="an odd number", wrong=audited(models=5), says="--models 6", right=audited(models=6)),
    Case(name="two models", wrong=audited(models=2), says="--models 64", right=audited(models=64), slow=True),
    Case(
        name="a recipe that is not made",
        wrong=audited(None, lambda: QUICK),
        says="call it: recipe()",
        right=audited(None, (lambda: QUICK)()),
    ),
    Case(name="data that are none", wrong=audited([1, 2]), says="byrote.from_arrays", right=audited(blobs(30))),
    Case(name="a length of 1", wrong=language(length=1), says="64 or 128", right=language(length=64)),
    Case(
        name="weights at no checkpoint",
        wrong=language(keep_weights_at="checkpoints"),
        says="checkpoints=6",
        right=language(keep_weights_at="checkpoints", checkpoints=6),
    ),
    Case(
        name="a design of fewer documents",
        wrong=language(design=OTHERS),
        says="those held out together",
        right=language(design=ALL),
    ),
    Case(
        name="canaries without a tokenizer",
        wrong=language(canaries=CANARIES.canaries),
        says="tokenizer=…",
        right=language(),
    ),
    Case(
        name="tokens of one part",
        wrong=language(corpus=PLAIN),
        says="corpus.replace(texts=corpus.texts)",
        right=language(corpus=PLAIN, heldout=letters(["abc", "def"], name="others").replace(texts=("abc", "def"))),
    ),
    Case(
        name="clipping by example",
        wrong=language(recipe=BY_EXAMPLE),
        says="leave batches and example_gradients out",
        right=language(recipe=SUMMING),
    ),
    Case(
        name="an objective of classes for text",
        wrong=language(recipe=dataclasses.replace(SUMMING, objective=Trades())),
        says="objective=byrote.NextToken()",
        right=language(recipe=dataclasses.replace(SUMMING, objective=byrote.NextToken(label_smoothing=0.1))),
    ),
    Case(
        name="an attack on tokens",
        wrong=language(recipe=dataclasses.replace(SUMMING, input_perturbation=byrote.ProjectedGradient())),
        says="leave input_perturbation out",
        right=language(recipe=SUMMING),
    ),
    Case(
        name="a sampler by class for text",
        wrong=language(recipe=dataclasses.replace(SUMMING, sampler=byrote.ClassBalanced())),
        says="leave the sampler out",
        right=language(recipe=SUMMING),
    ),
    Case(
        name="a probe of classifiers for text",
        wrong=language(probes=("gradient_norm",)),
        says="audit without it",
        right=language(probes=()),
    ),
    Case(
        name="few logits",
        wrong=observed(bigrams(Short)),
        says="logits[row, position, vocabulary]",
        right=observed(bigrams()),
    ),
    Case(
        name="a model that sees what comes",
        wrong=observed(bigrams(Backward)),
        says="such as a GPT",
        right=observed(bigrams()),
    ),
    Case(
        name="an overflow",
        wrong=observed(bigrams(first=torch.inf)),
        says="save its weights again",
        right=observed(bigrams()),
    ),
    Case(name="no BOS token", wrong=observed(bigrams(), bos=None), says="leave --bos out", right=observed(bigrams())),
)


@each(*ENGINE)
def test_hints_of_audits_are_followed(case, tmp_path):
    follow(case, tmp_path)

"""A probe: what it reads from a block of models, at which moments, and the evidence that it records."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Literal

import numpy as np
from torch import Tensor, nn

from byrote.data.canary_tokens import CanaryTokens
from byrote.data.corpus import Corpus, Encode
from byrote.data.task import Task
from byrote.data.trigger import Trigger
from byrote.errors import BadInput
from byrote.evidence.kind import Kind
from byrote.recipes.algorithm import Algorithm

#: A step of the training, a clean pass at a checkpoint, the end of the training, and any time after it.
When = Literal["step", "checkpoint", "end", "after"]
#: Only at the end: with kept weights such a probe can also run later.
END: Final[frozenset[When]] = frozenset({"end"})
#: What the examples of a probe have: a task, or the text of language models.
About = Task | Literal["text"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """The models that are about to be trained, one or several at once, in the last phase of a design.

    `inputs[example, ...]` and `targets[example]` are those of all examples, `member[model, example]` says who is
    trained on which, `epochs` is how many are done at each checkpoint. `heldout` are inputs and targets that nobody is
    trained on, where there are any, and `truth` the targets of classes before wrong ones were planted, where some were.
    `trigger` is that of a backdoor, where one was planted.
    `few` are the run's models that probes which cost much look at.

    For language models the examples are the documents of `corpus`, which the networks read in rows of `context` tokens;
    then `inputs` and `targets` are empty, and `heldout_corpus` has the documents that no model of the run trains on.
    `canaries` are the planted ones, by their tokens; `cores` is the number of cores that a reading may use. Foreign
    models have no `algorithm`.
    """

    models: tuple[int, ...]
    seeds: tuple[int, ...]
    phase: int
    epochs: tuple[int, ...]
    inputs: Tensor
    targets: Tensor
    member: Tensor
    classes: int
    task: About
    algorithm: Algorithm | None
    heldout: tuple[Tensor, Tensor] | None = None
    truth: Tensor | None = None
    corpus: Corpus | None = None
    heldout_corpus: Corpus | None = None
    context: int = 0
    canaries: CanaryTokens | None = None
    cores: int = 1
    few: tuple[int, ...] = ()
    trigger: Trigger | None = None

    @property
    def device(self) -> str:
        """Where the models are."""
        return str(self.member.device)

    def only(self, rows: Sequence[int]) -> Block:
        """The block of these of its models."""
        chosen = list(rows)
        models, seeds = (tuple(one[row] for row in chosen) for one in (self.models, self.seeds))
        return replace(self, models=models, seeds=seeds, member=self.member[chosen])


@dataclass(frozen=True, kw_only=True, eq=False)
class Shard:
    """What a probe found of one model: arrays by name, without the model's axis.

    `coordinates` name the places of the kind's named axes; `words` are further entries of the header.
    """

    kind: Kind
    model: int
    columns: Mapping[str, np.ndarray]
    coordinates: Mapping[str, Sequence[str]] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)


class Probe(ABC):
    """Reads models. Its instances are prototypes: each block is read by a copy.

    `name` is what asks for it, `kinds` the evidence that it writes, `when` the moments at which it looks. A kind may
    depend on the settings of the probe, which then has `kinds` as a property. With `few` it looks only at a few
    models: those of four pairs and those trained on all data; its kinds are `sampled`. For the plan, `passes` is the
    cost of a look at all examples, in backward passes, and `passes_a_class` the additional cost for each class.
    With `masked` it skips the rows of a step that only fill up a batch. With `stamps` it puts the trigger of a planted
    backdoor on held-out examples, so that it takes both.
    """

    name: ClassVar[str]
    when: ClassVar[frozenset[When]]
    kinds: Any  # tuple[Kind, ...]; an attribute of the class or a property
    few: Any = False  # bool; an attribute of the class or a property, as the two below
    passes: Any = 0.0
    passes_a_class: Any = 0.0
    masked: ClassVar[bool] = False
    stamps: ClassVar[bool] = False

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:  # noqa: B027  # most probes read any network
        """Refuse an algorithm or a network that it cannot read, on a few examples and before anything trains.

        Raises:
            BadInput: with what the network would have to be.
        """

    def chosen(self, checkpoints: int) -> tuple[int, ...]:
        """The numbers of the checkpoints at which it looks, of so many: all of them."""
        return tuple(range(checkpoints))

    def memory(self, shape: tuple[int, ...]) -> int:
        """Bytes that it holds of one model beyond what it writes, where all inputs have the shape `[example, ...]`."""
        return 0

    def begin(self, block: Block) -> None:
        """A block is about to be trained."""
        self.block = block

    @abstractmethod
    def look(self, at: Any) -> None:
        """See the models at a `Moment` of the training; or, after it, a run's `History`.

        At a step or a checkpoint it is called for each batch of examples, at the end once for all examples.
        """

    def unfinished(self) -> dict[str, np.ndarray] | None:
        """Arrays by name from which `resume` goes on after a stop; None where a stopped training begins anew."""
        return None if self.when & {"step", "checkpoint"} else {}

    def resume(self, found: Mapping[str, np.ndarray]) -> None:  # noqa: B027  # a probe that keeps nothing has nothing to do
        """Go on, once begun, from what `unfinished` gave."""

    def with_settings(self, settings: Sequence[str]) -> Probe:
        """The probe with these settings, each `name=value` for a field of its dataclass.

        Raises:
            BadInput: there is no such setting, or its value is of another type.
        """
        names = [f.name for f in dataclasses.fields(self)] if dataclasses.is_dataclass(self) else list[str]()
        values = {}
        for setting in settings:
            name, _, text = setting.partition("=")
            kind = type(getattr(self, name)) if name in names else None
            if kind not in (int, float, str):
                raise BadInput(
                    f"The probe {self.name!r} has no setting {name!r} that can be named here.",
                    hint=f"its settings are {', '.join(names) or 'none'}.",
                )
            try:
                values[name] = kind(text)
            except ValueError:
                raise BadInput(
                    f"The setting {name!r} of {self.name!r} must be like {getattr(self, name)!r}. Got {text!r}.",
                    hint=f"{self.name},{name}={getattr(self, name)}",
                ) from None
        return dataclasses.replace(self, **values)  # type: ignore[type-var]  # with settings it is a dataclass

    @abstractmethod
    def shards(self) -> Iterator[Shard]:
        """What was found, one shard for each model and kind."""


class CheckpointProbe(Probe):
    """A probe that finds a number or more of each model and example at each checkpoint, in evaluation mode."""

    when: ClassVar[frozenset[When]] = frozenset({"checkpoint"})

    def begin(self, block: Block) -> None:
        """Nothing is found yet."""
        super().begin(block)
        self.places = self.chosen(len(block.epochs))
        self.found: dict[str, np.ndarray] = {}

    def look(self, at: Any) -> None:
        """Keep what is found of a batch of examples."""
        if at.checkpoint not in self.places:
            return
        size = (len(self.block.models), len(self.places), len(self.block.inputs))
        for name, values in self.read(at).items():
            array = self.found.setdefault(name, np.full(size, np.nan, np.float32))
            array[:, self.places.index(at.checkpoint), at.rows.cpu().numpy()] = values.float().cpu().numpy()

    @abstractmethod
    def read(self, at: Any) -> dict[str, Tensor]:
        """Arrays `[model, example]` of a moment by name."""

    def shards(self) -> Iterator[Shard]:
        """Those arrays, `[checkpoint, example]` each, and the epochs of the checkpoints."""
        epochs = np.array([self.block.epochs[place] for place in self.places], np.int64)
        for row, model in enumerate(self.block.models):
            columns = {name: array[row] for name, array in self.found.items()}
            yield Shard(kind=self.kinds[0], model=model, columns={**columns, "epochs": epochs})


class _NetworkProbe(Probe):
    """A probe that finds arrays of each trained network by itself."""

    when: ClassVar[frozenset[When]] = END

    def begin(self, block: Block) -> None:
        """Nothing is found yet."""
        super().begin(block)
        self.found: list[dict[str, np.ndarray]] = []

    def shards(self) -> Iterator[Shard]:
        """Those arrays."""
        for model, columns in zip(self.block.models, self.found, strict=True):
            yield Shard(kind=self.kinds[0], model=model, columns=columns)


class EndProbe(_NetworkProbe):
    """A probe that reads each network by itself at the end of the training, in evaluation mode."""

    def look(self, at: Any) -> None:
        """Read one network after another."""
        for network, seed in zip(at.networks(), self.block.seeds, strict=True):
            self.found.append(self.read(network, self.block.inputs, self.block.targets, seed))

    @abstractmethod
    def read(self, network: nn.Module, inputs: Tensor, targets: Tensor, seed: int) -> dict[str, np.ndarray]:
        """Arrays of one model by name."""


class TextProbe(_NetworkProbe):
    """A probe that reads each language model by itself once it is trained, in evaluation mode.

    The model's weights are kept until then, so a reading that was stopped resumes without training.
    """

    def refuse_unfit(self, corpus: Corpus, context: int, canaries: CanaryTokens | None) -> None:  # most read any
        """Refuse documents that it cannot read, or a context that is too short, before anything trains.

        Raises:
            BadInput: with what is required.
        """

    def with_texts(
        self, corpus: Corpus, encode: Callable[[], Encode | None], heldout: Corpus | None = None
    ) -> TextProbe:
        """The probe with texts of its own that it asks for, by tokens; most ask for those of the corpus alone.

        `encode` gives the tokenizer, or None where there is none; `heldout` are the documents that no model trains on.

        Raises:
            BadInput: it needs a tokenizer, or held-out documents, and there is none.
        """
        return self

    def look(self, at: Any) -> None:
        """Read one network after another."""
        for network in at.networks():
            self.found.append(self.read(network, self.block, at.progress))

    @abstractmethod
    def read(self, network: nn.Module, block: Block, progress: Callable[[float], None]) -> dict[str, np.ndarray]:
        """Arrays of one model by name; `progress` gets the share that is done."""


class LaterProbe(Probe):
    """A probe that reads the weights that a run kept, after its training, one model after another."""

    when: ClassVar[frozenset[When]] = frozenset({"after"})
    found: Sequence[Shard] = ()

    def look(self, at: Any) -> None:
        """Read one model after another."""
        self.found = [self.read(at, model) for model in at.models]

    @abstractmethod
    def read(self, at: Any, model: int) -> Shard:
        """What is found of one model of a `History`."""

    def shards(self) -> Iterator[Shard]:
        """One shard per model."""
        yield from self.found

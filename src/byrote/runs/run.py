"""Run: one folder with a manifest and evidence, and the way from there to measures.

A run is the same thing whether byrote trained its models, looked on while somebody else did, or imported arrays.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int8

from byrote.axes import BOUNDARY, CHECKPOINT, EXAMPLE, MODEL, QUERY, TOKEN
from byrote.data.controls import Controls
from byrote.data.corpus import Corpus
from byrote.data.dataset import Dataset
from byrote.data.problems import counted, quoted
from byrote.data.task import Learned, Task, learned_of
from byrote.designs.design import ROLES, UNKNOWN_COUNT, UNTRAINED, Design
from byrote.designs.strata import strata
from byrote.errors import BadInput, MissingEvidence, NotEnoughRoom, NotWritable, OtherExamples, TooFewModels
from byrote.evidence.by_model import ByModel
from byrote.evidence.finite import DIVERGED, MOST, flagged, not_finite
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.evidence.manifest import Manifest
from byrote.evidence.schema import every_kind, kind_of, quantity
from byrote.evidence.seals import write_sealed
from byrote.evidence.store import Evidence, cut_along
from byrote.evidence.tables import (
    EXAMPLES,
    WRITE_AGAIN,
    examples_of,
    read_controls,
    read_design,
    read_examples,
    read_table,
    table_bytes,
    unlike,
)
from byrote.markup import table_html
from byrote.measures._windows import PREFIX, SUFFIX
from byrote.measures.catalog import Measure, find
from byrote.measures.leaving_out import measured_without
from byrote.parts import public
from byrote.recipes.algorithm import TrainingRecipe
from byrote.results import (
    Curve,
    PerCanary,
    PerExample,
    PerModelExample,
    PerPair,
    Result,
    Scalar,
    Survival,
    Table,
    blanked,
)
from byrote.stats.intervals import Bounds
from byrote.stats.jackknife import UNBOUNDED, from_replicates, parts
from byrote.stats.over_examples import dealt, influence_from, influence_of_parts, over_both

#: More diverged models than this share refuse every result: the recipe does not train.
MOST_DIVERGED = 0.05
SHARE: Bounds = (0.0, 1.0)
#: Evidence is read and measured in blocks of examples of about this many bytes.
BLOCK_BYTES = 256 * 2**20
#: The reason why an example whose answers are not finite has no value.
NOT_FINITE = "a model's answer is not a finite number"
#: Pairs are left out of pooled figures in at most this many parts.
JACKKNIFE_PARTS = 20
#: More clusters of examples are dealt out to so many: clusters that are independent are so together, too.
MOST_CLUSTERS = 2**16

#: A quoted name in a note.
QUOTED = re.compile(r"(?<!\w)(['\"])(.+?)\1(?!\w)")

Pooled = Callable[[np.ndarray], float]
Keep = Callable[[np.ndarray, np.ndarray], float]
Influence = Callable[[np.ndarray, np.ndarray], np.ndarray]
OnProgress = Callable[[float], None]


#: The kind of evidence that holds the documents.
CORPUS = "corpus"
#: The word in a shard's header that says which probe, with which settings, wrote it after the audit.
PROBE = "probe"
#: The word that names the kept weights which such a probe read, if it read those of checkpoints: others have no shard.
READ_FROM = "read_from"
#: Measures that ask of texts only whether two are the same, or a suffix its document's own, which is what is left of
#: them in a run whose contents were forgotten.
SAME_TEXTS = ("discoverable_extraction", "exact_memorization", "positional_match", "probabilistic_extraction")


#: What to ask of runs of each task.
INSTEAD: dict[Task, str] = {
    "classes": "label_memorization, membership_risk, lira and most others are.",
    "labels": "label_memorization, label_memorization[label_accuracy], membership_risk and lira are.",
    "regression": "label_memorization (within the tolerance), counterfactual_memorization[squared_error], "
    "membership_risk[absolute_error] and lira[residual] are.",
}


def _stop(examples: slice, size: int) -> int:
    return size if examples.stop is None else min(int(examples.stop), size)


def no_progress(share: float) -> None:
    """Ignore the share that is done."""


@dataclass(kw_only=True, eq=False)
class Run:
    """A run folder that is open for reading.

    `dataset`, `heldout` and `recipe` are there where the run was just made or they were attached; a folder holds
    evidence and ids, not anybody's data. `on_progress` gets the share of a measure by example that is done. `source`
    is how they were built, where it was not as the manifest says. `unfinished` says how many models are there of a run
    that is still being trained. A run that does not keep (`keeps`) writes no tables; `unkept` says of each that could
    not be written, why.

    Example:
        >>> run = byrote.Run.open("runs/toy")
        >>> found = run.measure("label_memorization")
        >>> found.values.shape, found.stderr.shape
        ((400,), (400,))
    """

    folder: Path
    manifest: Manifest
    design: Design
    ids: np.ndarray
    labels: np.ndarray
    controls: Controls
    dataset: Dataset | None = None
    corpus: Corpus | None = None
    heldout: Dataset | None = None
    recipe: TrainingRecipe | None = None
    on_progress: OnProgress = field(default=no_progress, repr=False)
    redacted: bool = False
    source: dict[str, Any] | None = None
    keeps: bool = True
    unfinished: str = ""
    unkept: dict[str, str] = field(default_factory=dict, repr=False)
    _found_strata: dict[tuple[int, ...], np.ndarray] = field(default_factory=dict, repr=False)
    _replicates: dict[tuple[str, str], tuple[PerExample, np.ndarray]] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """The run in that folder.

        Raises:
            BadInput: the folder is no run, or a table of it is missing or damaged.
        """
        folder = Path(folder)
        manifest = Manifest.read(folder)
        table = read_examples(folder, manifest.tables)
        design = Design.from_tensors(read_design(folder, manifest.tables), manifest.design)
        _refuse_other_design(folder, design, manifest)
        if design.examples != len(table):
            raise BadInput(
                f"The design of the run {str(folder)!r} is about {design.examples} examples, and its table names "
                f"{len(table)}.",
                hint=WRITE_AGAIN,
            )
        _refuse_other_labels(folder, table["label"].to_numpy(), manifest)
        return cls(
            folder=folder,
            manifest=manifest,
            design=design,
            ids=np.array(table["example"].to_pylist(), np.str_),
            labels=table["label"].to_numpy(),
            controls=Controls.from_table(read_controls(folder, manifest.tables)),
        )

    def __repr__(self) -> str:
        return (
            f"Run({str(self.folder)!r}: {self.manifest.origin}, {counted(self.design.models, 'model', 'models')}, "
            f"{len(self.ids)} examples of {self.manifest.dataset['name']!r})"
        )

    def _repr_html_(self) -> str:
        roles = [(role, len(self.design.models_of(role))) for role in ROLES]
        facts = {
            "made by": f"{self.manifest.origin}, {self.manifest.created}",
            "models": ", ".join(f"{many} {role}" for role, many in roles if many) or "none",
            "documents" if self.of_text else "examples": f"{len(self.ids):,}",
            "held out": f"{self.manifest.heldout['examples']:,}" if self.manifest.heldout else "none",
            "planted": ", ".join(self.controls.kinds()) or "nothing",
            "evidence": ", ".join(self.manifest.evidence),
            "results": ", ".join(sorted(path.stem for path in (self.folder / "results").glob("*.parquet"))) or "none",
        }
        title = f"{self.folder}: {self.manifest.dataset['name']}"
        return table_html(title, (), list(facts.items()), self.manifest.notes)

    def report(self, *, contents: bool = True) -> Any:
        """The report as a page that a notebook shows in place; its `save` writes the page.

        Without `contents` nobody's data are in it, as in that of a run that was opened without its data.

        Example:
            run.report()                       # the last line of a cell
            run.report().save("report.html")
        """
        return public("report.shown", "report")(self, contents=contents)

    def issues(self) -> Table:
        """What is wrong with which example, kind by kind, the surest first; the run keeps it.

        Raises:
            BadInput: the run has neither its data nor answers of models without an example.

        Example:
            run.issues().to_pandas().query("issue == 'label error'")
        """
        found: Table = public("analyses.catalog", "ask")(self, "issues")
        return found

    @cached_property
    def examples(self) -> pa.Table:
        """The table of its examples: ids, labels and, where there are any, digests of inputs, groups and numbers."""
        return read_examples(self.folder, self.manifest.tables)

    @cached_property
    def evidence(self) -> Evidence:
        """The shards."""
        return Evidence(self.folder / "evidence")

    @property
    def of_text(self) -> bool:
        """Whether its models are language models, and its examples documents."""
        return self.manifest.dataset.get("kind") == CORPUS

    @property
    def forgotten(self) -> bool:
        """Whether its contents were removed; what is left of texts says only which of them are the same."""
        return self.manifest.forgotten is not None

    @property
    def guarded(self) -> frozenset[str]:
        """The kinds of evidence that a decoder has changed: what comes out, where the weights are as they were."""
        kinds = (self.manifest.parent or {}).get("reads")
        return frozenset(map(str, kinds)) if isinstance(kinds, list) else frozenset()

    @property
    def lengths(self) -> tuple[int, int]:
        """Tokens that language models were given of a document, and asked for; the usual ones where none was asked."""
        prefix, suffix = self.manifest.identity.get("generate") or (PREFIX, SUFFIX)
        later = dict(setting.partition("=")[::2] for setting in self.probed_with("generations").split(",")[1:])
        lengths = {name: int(word) for name, word in later.items() if word.isdecimal()}
        return lengths.get("prefix", int(prefix)), lengths.get("suffix", int(suffix))

    @property
    def keeps_weights_by(self) -> str:
        """How to keep weights at checkpoints, for a hint."""
        recorded = self.manifest.origin == "observed" and not self.of_text
        return f"{WEIGHTS_AT.recorder if recorded else WEIGHTS_AT.recorded_by}."

    def probed_with(self, kind: str) -> str:
        """The probe that recorded a kind of evidence after the audit, with its settings; empty if none did."""
        there = self.models_with(kind)
        return self.evidence.header(kind, there[0], self.last_phase).get(PROBE, "") if there else ""

    def is_sampled(self, kind: str) -> bool:
        """Whether a kind of evidence was meant for some of the models only, so that the others do not lack it."""
        entry = kind_of(kind)
        return entry.sampled or (not entry.is_fact and bool(self.of_kept_weights(entry.shards)))

    def of_kept_weights(self, kind: str) -> list[int]:
        """The models with weights at checkpoints, if a kind of evidence was read from those; else none."""
        kept, there = self.models_with(WEIGHTS_AT.name), self.models_with(kind)
        if not kept or not there:
            return []
        return kept if READ_FROM in self.evidence.header(kind, there[0], self.last_phase) else []

    def models_with(self, kind: str) -> list[int]:
        """The models that have a kind of evidence in the last phase."""
        return [model for model in self._trained if self.evidence.has(kind, model, self.last_phase)]

    @property
    def _trained(self) -> list[int]:
        """The models that are there."""
        return np.flatnonzero(self.design.role != UNTRAINED).tolist()

    def without_contents(self) -> Run:
        """The run without anybody's data at hand, as a report is made from it that leaves them out."""
        notes = without_names(self.manifest.notes, self.groups)
        manifest = replace(self.manifest, notes=notes)
        return replace(self, dataset=None, heldout=None, corpus=None, manifest=manifest, redacted=True)

    def so_far(self, models: Sequence[int]) -> Run:
        """The run as if these of its models were all: others may still be in training. It keeps no tables."""
        there = np.isin(np.arange(self.design.models), list(models))
        design = replace(self.design, role=np.where(there, self.design.role, UNTRAINED).astype(np.int8))
        known = len(design.models_of("reference"))
        what = f"{known} of {counted(len(self.design.models_of('reference')), 'model', 'models')}"
        if not known:
            what = f"{counted(len(there.nonzero()[0]), 'training', 'trainings')} on all data"
        words = f"This is a look after {what}; the others are being trained, and will tell more."
        manifest = replace(self.manifest, notes=(words, *self.manifest.notes))
        own: dict[str, Any] = {"_found_strata": {}, "_replicates": {}}  # what was measured is of other models
        return replace(self, design=design, manifest=manifest, keeps=False, unfinished=words, **own)

    @property
    def groups(self) -> np.ndarray | None:
        """The person or document that each example belongs to, where that was told; numbered where redacted."""
        return self.all_groups

    @cached_property
    def all_groups(self) -> np.ndarray | None:
        """The groups of all examples of the folder."""
        table = self.examples
        if "group" not in table.column_names:
            return None if self.dataset is None else self.dataset.groups
        names = np.array(table["group"].to_pylist(), np.str_)
        return numbered(names) if self.redacted else names

    def clusters(self, rows: np.ndarray) -> np.ndarray:
        """For each of these rows the number of its person or document, or its own: what is drawn as a whole.

        Numbers follow the order of the rows, so that they are the same where names were taken out.
        """
        if self.groups is None:
            return np.arange(len(rows))
        _, first, group = np.unique(self.groups[rows], return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first, kind="stable"), kind="stable")[group]

    @property
    def heldout_clusters(self) -> np.ndarray:
        """The same of held-out examples; each by itself where their persons or documents were not recorded."""
        facts = self.manifest.heldout or {"examples": 0}
        return np.array(facts["groups"] if "groups" in facts else np.arange(facts["examples"]), np.int64)

    @cached_property
    def numbers(self) -> np.ndarray:
        """The targets of a regression, in their own unit; of several numbers their mean, centred and scaled.

        Raises:
            MissingEvidence: the run is none.
        """
        table = self.examples
        if "target" not in table.column_names:
            raise MissingEvidence(
                f"The run {str(self.folder)!r} holds no numbers that are predicted.",
                hint="run.labels holds the classes; a regression comes from an audit with --task regression.",
            )
        return np.asarray(table["target"].to_numpy(), np.float64)

    @property
    def task(self) -> Task:
        """What is learned of an example: one of its classes, which of several labels it has, or a number."""
        task: Task = self.manifest.dataset.get("task", "classes")
        return task

    @property
    def learns(self) -> type[Learned]:
        """The kind of target, which says what can be asked; of documents the next token."""
        several = bool(self.manifest.dataset.get("outputs", 1) > 1)
        return learned_of("text" if self.of_text else self.task, several=several)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels; of sets of labels, or of fifths of the numbers."""
        return tuple(self.manifest.dataset["class_names"])

    @property
    def last_phase(self) -> int:
        """The phase whose end state is asked."""
        return len(self.design.phases) - 1

    def diverged(self) -> tuple[int, ...]:
        """Models most of whose answers are not finite."""
        return tuple(model for model, bad in self._flagged.items() if float(bad.mean()) > MOST)

    @property
    def undefined(self) -> Bool[np.ndarray, " example"]:
        """Examples on which answers of a model that did not diverge are not finite: no measure has a value for them."""
        return self._undefined

    @cached_property
    def _undefined(self) -> np.ndarray:
        usable = [bad for model, bad in self._flagged.items() if model not in self.diverged()]
        return np.any(usable, axis=0) if usable else np.zeros(self.design.examples, bool)

    @cached_property
    def _answered(self) -> np.ndarray:
        """The held-out examples on which all answers of models that did not diverge are finite."""
        assert self.manifest.heldout is not None
        bad = [each for model, each in self._flagged_of(("heldout",)).items() if model not in self.diverged()]
        return ~np.any(bad, axis=0) if bad else np.ones(int(self.manifest.heldout["examples"]), bool)

    @cached_property
    def _flagged(self) -> dict[int, np.ndarray]:
        """By model, the examples on which its answers are not finite; only of models that have some."""
        return self._flagged_of([kind.name for kind in every_kind() if kind.judges])

    def _flagged_of(self, kinds: Sequence[str]) -> dict[int, np.ndarray]:
        found: dict[int, np.ndarray] = {}
        for model in self._trained:
            for kind in kinds:
                if not self.evidence.has(kind, model, self.last_phase):
                    continue
                if flagged(self.evidence.header(kind, model, self.last_phase)):
                    bad = self._not_finite(kind, model)
                    found[model] = bad | found.get(model, False)
        return found

    def _not_finite(self, kind: str, model: int) -> np.ndarray:
        columns = self.evidence.block(kind, model, self.last_phase)
        if not kind_of(kind).of_text:
            return not_finite(columns)
        if self.evidence.header(kind, model, self.last_phase)[DIVERGED] == "true":
            return np.ones(self.design.examples, bool)  # nothing else was asked of it
        token = not_finite({name: columns[name] for name in kind_of(kind).quantities if name in columns})
        scored = self.evidence.block(CORPUS, 0, 0)["scored"]
        return np.asarray(np.add.reduceat(np.append(token & scored, False), self.offsets[:-1]) > 0)

    @property
    def member(self) -> Int8[np.ndarray, "model example"]:
        """`design.member` as measures get it: -1 for examples whose answers are not finite."""
        return self._member if self._undefined.any() else self.design.member

    @cached_property
    def _member(self) -> np.ndarray:
        return np.where(self._undefined, np.int8(-1), self.design.member)

    def models(self, role: str = "reference") -> np.ndarray:
        """The usable models of a role: a diverged model leaves with its mate.

        Raises:
            TooFewModels: more than 5 % of them diverged, or the run is one of released values.
        """
        if not self.design.models:
            held = sorted(path.stem for path in (self.folder / "results").glob("*.parquet"))
            raise TooFewModels(
                f"The run {str(self.folder)!r} holds released values ({', '.join(held)}) and no models: there is "
                "nothing to measure.",
                hint="read its tables under results/, or put the values beside a run of your own with "
                "byrote.runs.readers.add(format, path, run).",
            )
        chosen = self.design.models_of(role)
        failed = np.intersect1d(chosen, np.array(self.diverged(), np.int64))
        if len(failed) > MOST_DIVERGED * len(chosen):
            raise TooFewModels(
                f"{len(failed)} of {len(chosen)} {role} models diverged, above the limit of 5 %: results are refused.",
                hint="lower the learning rate of the recipe, or clip gradients with ClipNorm.",
            )
        pairs = self.design.pair[failed]
        gone = np.isin(chosen, failed) | np.isin(self.design.pair[chosen], pairs[pairs >= 0])
        return chosen[~gone]

    def load(self, name: str, models: Sequence[int] | np.ndarray, examples: slice = slice(None)) -> np.ndarray:
        """One piece of evidence, by its name in the schema, for these models and a block of examples.

        Of examples that are `undefined`, membership is -1 = unknown, and answers that are not finite are 0, which no
        measure shows.
        """
        values = self._loaded(name, models, examples)
        if values.dtype.kind != "f" or not self._undefined.any():
            return values
        dims = quantity(name).dims
        if EXAMPLE in dims:
            bad, axis = self._undefined[examples], dims.index(EXAMPLE)
        elif dims[-1] == TOKEN:
            whole = np.repeat(self._undefined, np.diff(self.offsets))
            bad, axis = whole[self._tokens(examples)], len(dims) - 1
        else:
            return values
        shape = [1] * values.ndim
        shape[axis] = -1
        return np.where(bad.reshape(shape) & ~np.isfinite(values), values.dtype.type(0), values)

    def _tokens(self, examples: slice) -> slice:
        return slice(*self.offsets[[examples.start or 0, _stop(examples, len(self.ids))]].tolist())

    def _loaded(self, name: str, models: Sequence[int] | np.ndarray, examples: slice) -> np.ndarray:
        kind, entry = kind_of(name), quantity(name)
        if entry.fact:
            return self._fact(name, models, examples)
        if BOUNDARY in entry.dims:
            offsets = self.offsets[examples.start or 0 : _stop(examples, len(self.ids)) + 1]
            return np.asarray(offsets - offsets[0])
        if QUERY in entry.dims and self.manifest.heldout is None:
            raise MissingEvidence(
                f"{name!r} is not recorded: the audit had no held-out examples.",
                hint="pass heldout=… to byrote.audit, or define heldout() in the experiment's file.",
            )
        phase = 0 if kind.phases == "first" else self.last_phase
        rows = self._tokens(examples) if TOKEN in entry.dims else slice(None) if QUERY in entry.dims else examples
        if MODEL in entry.dims or kind.per == "block":
            return self.evidence.load(name, [int(model) for model in models], phase, rows)
        return self._shared(name, (0, 0) if kind.per == "run" else (int(models[0]), phase), rows)

    def _shared(self, name: str, where: tuple[int, int], rows: slice) -> np.ndarray:
        """What is the same for all models: that of the run, or of the first model."""
        kind, column, entry = kind_of(name), name.split(".")[1], quantity(name)
        if column in kind.coordinates:
            return np.array(self.evidence.coordinates(kind.shards, column, *where), np.str_)
        self.evidence.require(name, *where)
        values = self.evidence.block(kind.shards, *where)[column]
        if name == "corpus.scored" and self._undefined.any():
            values = values & ~np.repeat(self._undefined, np.diff(self.offsets))
        along = cut_along(entry)
        return values if along is None else values[(slice(None),) * along + (rows,)]

    def _fact(self, name: str, models: Sequence[int] | np.ndarray, examples: slice) -> np.ndarray:
        """What is known of the design and the data."""
        kind, column = name.split(".")
        if name == "data.label":
            return self.labels[examples]
        if name == "data.true_label":
            return self.controls.true_labels(self.ids[examples], self.labels[examples], self.class_names)
        if kind == "controls":
            return self.controls.mask(self.ids[examples], column)
        return self._first_phase(models, examples) if kind == "first_phase" else self._design(column, models, examples)

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where each document starts in the tokens of a language model's corpus, and where the last one ends.

        Raises:
            MissingEvidence: the run is about no documents.
        """
        self.evidence.require("corpus.offsets", 0, 0)
        return self.evidence.block(CORPUS, 0, 0)["offsets"]

    def _first_phase(self, models: Sequence[int] | np.ndarray, examples: slice) -> np.ndarray:
        count = self.design.phases[0].count[models][:, examples]
        member = (count > 0).astype(np.int8)
        if not self.design.known:
            member[count == UNKNOWN_COUNT] = -1
        return member

    def _strata(self, models: Sequence[int] | np.ndarray) -> np.ndarray:
        """The strata of these models, found once for each choice of them."""
        key = tuple(int(model) for model in models)
        if key not in self._found_strata:
            chosen = np.array(key, np.int64)
            level, reference = self.design.level[chosen], self.design.role[chosen] == 0
            if reference.any():  # a target is attacked with all references, whatever its own size
                level = np.where(reference, level, np.median(level[reference]))
            self._found_strata[key] = strata(level, self.design.member[chosen], self.all_groups)
        return self._found_strata[key]

    def _design(self, column: str, models: Sequence[int] | np.ndarray, examples: slice) -> np.ndarray:
        if column == "pair":
            return self.design.pair[models]
        if column == "member":
            return self.member[models][:, examples]
        if column == "ratio":
            return self.design.level[models]
        if column == "stratum":
            return self._strata(models)[:, examples]
        if len(self.design.phases) == 1:
            raise MissingEvidence(
                "No example was withdrawn from training: the design of this run has a single phase.",
                hint="audit with --design two-splits into another folder; from Python also design=byrote.inject(…) "
                "or byrote.poison(…).",
            )
        counts = [phase.count[:, examples] for phase in self.design.phases]
        if column == "repetitions":
            return np.asarray(np.max(counts, axis=(0, 1)), np.int64)
        earlier = np.any([count[models] > 0 for count in counts[:-1]], axis=0)
        return np.asarray(earlier & (counts[-1][models] == 0))

    def measure(self, key: str, *, role: str = "reference", **options: Any) -> Result:
        """Run a measure of the catalog on this run's evidence, and keep its table under `results/`.

        `role` chooses the models: "reference" is the ensemble, "full" the models that train on all data.

        Raises:
            BadInput: no such measure.
            MissingEvidence: it needs what was not recorded.
            TooFewModels: the models cannot support it.
        """
        entry = find(key)
        models = self.models(role)
        if not len(models):
            others = [other for other in ROLES if len(self.design.models_of(other))]
            raise TooFewModels(
                f"The run has no models of role {role!r}.",
                hint=f"it has some of role {' and '.join(map(repr, others))}"
                + ("; --models 64 audits an ensemble." if role == "reference" else "."),
            )
        if (key, role) in self._replicates and not options:
            result: Result = self._replicates[key, role][0]
        else:
            result = self.measured_on(key, models, **options)
        self._keep(entry, role, result)
        return replace(result, ids=self.ids) if isinstance(result, PerExample | PerModelExample | PerPair) else result

    def refuse_forgotten(self, key: str, needs: Iterable[str]) -> None:
        """Refuse what reads texts of a run whose texts were forgotten.

        Raises:
            MissingEvidence: it does.
        """
        reads = any(quantity(need).text for need in needs) and key.partition("[")[0] not in SAME_TEXTS
        if self.forgotten and reads:
            raise MissingEvidence(
                f"{key!r} reads texts, and those of the run {str(self.folder)!r} were forgotten.",
                hint="audit again into another folder; a table that was made before is kept under results/.",
            )

    def measured_on(self, key: str, models: np.ndarray, **options: Any) -> Result:
        """A measure on these models only; nothing is kept.

        Raises:
            BadInput: no such measure.
            MissingEvidence: it needs what was not recorded.
            TooFewModels: there are none.
        """
        entry = find(key)
        models = self._having(entry, models)
        if not len(models):
            raise TooFewModels(f"{key!r} was asked of no models.", hint="run.models() are those of the ensemble.")
        if not self.of_text and not entry.of_text and not entry.suits(self.task):
            raise MissingEvidence(
                f"{key!r} is not for the targets of the run {str(self.folder)!r}, which has {self.learns.says}.",
                hint=INSTEAD[self.task],
            )
        self.refuse_forgotten(key, entry.needs)
        if (
            self.guarded
            and entry.evaluation == "extraction"
            and any(need.startswith("tokens.") for need in entry.needs)
        ):
            raise MissingEvidence(
                f"{key!r} reads what the weights hold, past the decoder of the run {str(self.folder)!r}.",
                hint="discoverable_extraction[generated], approximate_extraction and "
                "probabilistic_extraction[decoding] tell what comes out; ask the run before for what the weights hold.",
            )
        self._refuse_unprobed(entry)
        if entry.by_example:
            return joined([block for _, block in self._blocks(entry, models, options)])
        return self._without_undefined(entry.function(**self._arguments(entry, models, slice(None)), **options))

    def _refuse_unprobed(self, entry: Measure) -> None:
        """Refuse a measure of what probes would find in the weights that the run kept."""
        if names := self.unread(entry):
            raise MissingEvidence(
                f"{entry.key!r} needs the probe {' and '.join(names)}, which has not read the weights that the run "
                f"{str(self.folder)!r} kept.",
                hint=f"byrote probe {self.folder} {' '.join(names)}",
            )

    def unread(self, entry: Measure) -> list[str]:
        """The probes that a measure lacks, if they can read the weights that the run kept at checkpoints; else none."""
        lacking = entry.unasked(self.manifest.evidence) | entry.unprobed(self.manifest.evidence)
        if not lacking or not self.models_with(WEIGHTS_AT.name):
            return []
        from byrote.probes import registry  # here, because it takes torch

        return sorted(lacking) if lacking <= {*registry.probes(after=True)} else []

    def _having(self, entry: Measure, models: np.ndarray) -> np.ndarray:
        """Those of the models that have what a measure needs, of kinds that only some models have."""
        sampled = [kind_of(kind).shards for kind in entry.kinds if self.is_sampled(kind)]
        found = [m for m in models if all(self.evidence.has(kind, int(m), self.last_phase) for kind in sampled)]
        return np.array(found, np.int64) if sampled and found else models

    def _without_undefined(self, result: Result, examples: slice = slice(None)) -> Result:
        """A result, of these examples, without values of those whose answers are not finite."""
        bad = self.undefined[examples]
        if not bad.any():
            return result
        if isinstance(result, PerExample):
            return blanked(result, bad, NOT_FINITE)
        if isinstance(result, PerModelExample):
            return blanked(result, bad, NOT_FINITE)
        if isinstance(result, PerPair):
            kept = ~bad[result.example]
            columns = ("example", "query", "values", "stderr", "low", "high")
            counts = {name: count[kept] for name, count in result.counts.items()}
            return replace(result, counts=counts, **{name: getattr(result, name)[kept] for name in columns})
        return result

    def _arguments(self, entry: Measure, models: np.ndarray, examples: slice) -> dict[str, Any]:
        def one_by_one(need: str) -> ByModel:
            self.load(need, models[:1], examples)  # what is missing is told before anything is computed
            return ByModel(len(models), lambda row: self.load(need, models[row : row + 1], examples)[0])

        return {
            name: one_by_one(need) if name in entry.by_model else self.load(need, models, examples)
            for name, need in entry.parameters.items()
        }

    def _blocks(
        self, entry: Measure, models: np.ndarray, options: Mapping[str, Any]
    ) -> Iterator[tuple[dict[str, np.ndarray], PerExample]]:
        for rows in self._rows(entry, models):
            arguments = self._arguments(entry, models, rows)
            result = self._without_undefined(entry.function(**arguments, **options), rows)
            assert isinstance(result, PerExample)
            yield arguments, result
            self.on_progress(rows.stop / len(self.ids))

    def _rows(self, entry: Measure, models: np.ndarray) -> Iterator[slice]:
        """The blocks of examples in which a measure is run."""
        checkpoints = len(self.manifest.checkpoints) or 1
        cells = len(models) * (checkpoints if any(CHECKPOINT in quantity(n).dims for n in entry.needs) else 1)
        if any(TOKEN in quantity(n).dims for n in entry.needs):
            cells *= 1 + int(self.offsets[-1]) // max(1, len(self.ids))
        yield from self.blocks(cells * len(entry.needs) if entry.by_example else 0)

    def blocks(self, cells: int) -> Iterator[slice]:
        """The examples in blocks in which so many numbers of each take little memory; all at once where it is none."""
        size = max(1, BLOCK_BYTES // (8 * cells)) if cells else len(self.ids)
        for start in range(0, len(self.ids), size):
            yield slice(start, min(start + size, len(self.ids)))

    def replicates(self, key: str, *, role: str = "reference") -> tuple[PerExample, np.ndarray]:
        """A measure of examples on all models, and its values with each part of the pairs left out.

        The second array is `[left_out, example]`; computed once a run object.
        """
        if (key, role) not in self._replicates:
            entry = find(key)
            if not entry.scores_examples:
                raise BadInput(
                    f"{key!r} gives no score per example, so it cannot be pooled.",
                    hint="`byrote measures` lists those that score examples.",
                )
            models = self.models(role)
            left_out = parts(self.design.pair[models], groups=JACKKNIFE_PARTS)
            count = int(left_out.max()) + 1
            having = np.isin(models, self._having(entry, models))
            models, (numbers, own) = models[having], np.unique(left_out[having], return_inverse=True)
            several = count > 1 and len(numbers) > 1
            whole, values = [], []
            for rows in self._rows(entry, models):

                def on_progress(share: float, rows: slice = rows) -> None:
                    self.on_progress((rows.start + share * (rows.stop - rows.start)) / len(self.ids))

                arguments = self._arguments(entry, models, rows)
                found: Result
                if several:
                    found, without = measured_without(entry, own, arguments, on_progress)
                else:
                    found, without = (
                        entry.function(**arguments),
                        np.full((len(numbers), rows.stop - rows.start), np.nan),
                    )
                result = self._without_undefined(found, rows)
                assert isinstance(result, PerExample)
                # of parts without a model that has the evidence nothing is left out
                block = np.tile(result.values, (count if count > 1 else 0, 1))
                if count > 1:
                    block[numbers] = without
                whole.append(result)
                values.append(np.where(np.isnan(result.values), np.nan, block))
                on_progress(1.0)
            self._replicates[key, role] = joined(whole), np.concatenate(values, axis=1)
        return self._replicates[key, role]

    def pooled(
        self,
        key: str,
        statistic: Pooled,
        *,
        examples: int,
        role: str = "reference",
        bounds: Bounds = UNBOUNDED,
        drawn: np.ndarray | None = None,
        seed: int = 0,
    ) -> Scalar:
        """A figure over the examples of a measure (a mean, an AUC), with the error that comes from the models.

        `statistic` takes the values `[example]`, nan where an example does not count; `examples` is the number of them
        that it rests on, `bounds` between what the figure lies. The error is the delete-one-pair jackknife's. Of a
        figure that stands for more than these examples `drawn` says which of them it rests on: the error is then
        about models and examples, of which parts that `seed` draws are left out, persons and documents whole.
        """
        (found,) = self.all_pooled(
            key, lambda v: (statistic(v),), examples=examples, role=role, bounds=bounds, drawn=drawn, seed=seed
        )
        return found

    def all_pooled(
        self,
        key: str,
        statistics: Callable[[np.ndarray], Sequence[float]],
        *,
        examples: int,
        role: str = "reference",
        bounds: Bounds = UNBOUNDED,
        drawn: np.ndarray | None = None,
        seed: int = 0,
        without: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None,
    ) -> tuple[Scalar, ...]:
        """Several figures that are `pooled` together, so that what they share is computed once.

        `without` is a faster way to them, `[part, figure]`, without each part of the drawn rows of the values.
        """
        whole, values = self.replicates(key, role=role)
        figures = statistics(whole.values)
        replicates = np.array([statistics(row) for row in values], np.float64).reshape(len(values), len(figures))
        found = [
            from_replicates(figure, column, models=whole.models, examples=examples, bounds=bounds)
            for figure, column in zip(figures, replicates.T, strict=True)
        ]
        if drawn is None or not drawn.any():
            return tuple(found)
        rows = np.flatnonzero(drawn)
        part = dealt(self.clusters(rows), np.random.default_rng([seed, 5]))
        if without is None:
            moved = influence_of_parts(statistics, whole.values, rows, part)
        else:
            moved = influence_from(without(whole.values, rows, part))
        return tuple(over_both(one, row[None], bounds=bounds) for one, row in zip(found, moved, strict=True))

    def share(
        self,
        name: str,
        keep: Keep,
        *,
        role: str = "reference",
        examples: int,
        influence: Influence | None = None,
        cluster: np.ndarray | None = None,
    ) -> Scalar:
        """A share that is a mean over models, with its jackknife error over pairs.

        `keep(answers, member)` reduces one model's evidence `[example]` and membership `[example]` to a number from
        0 to 1; models where it is nan do not count. Of a share that stands for more than these examples `influence`
        says how far each of them moves the number of one model, and `cluster` which are drawn together: the error is
        then about models and examples.
        """
        models = self.models(role)
        queries = QUERY in quantity(name).dims
        left_out = parts(self.design.pair[models], groups=JACKKNIFE_PARTS)
        each, moved = np.empty(len(models)), _Moved(int(left_out.max()) + 1)
        for row, model in enumerate(models):
            answers = self.load(name, [int(model)])[0]
            answers = answers[self._answered] if queries else answers
            member = np.empty(0) if queries else self.member[model]
            each[row] = keep(answers, member)
            if influence is not None and not np.isnan(each[row]):
                moved.add(int(left_out[row]), influence(answers, member))
        counted = ~np.isnan(each)
        if not counted.any():
            return from_replicates(float("nan"), np.empty(0), models=len(models), examples=examples)
        kept = [counted & (left_out != part) for part in range(left_out.max() + 1)]
        replicates = np.array([each[some].mean() for some in kept if some.any()])
        found = from_replicates(
            float(each[counted].mean()),
            replicates,
            models=int(counted.sum()),
            examples=examples,
            bounds=SHARE,
        )
        if cluster is None:
            return found
        return over_both(found, moved.by_cluster(cluster) / counted.sum(), bounds=SHARE)

    def accuracy(self, *, member: int, rows: np.ndarray | None = None, answers: str = "outputs.correct") -> Scalar:
        """Mean accuracy of the ensemble on its members (1) or non-members (0), of all examples or of these rows.

        On members it is about these examples, which the models fit or not; on non-members it stands for new ones.
        `answers` is the evidence that says what is right, as "adversarial.correct" under attack.
        """
        chosen = np.arange(len(self.ids)) if rows is None else rows

        def share(right: np.ndarray, membership: np.ndarray) -> float:
            judged = right[chosen][membership[chosen] == member]
            return float(judged.mean()) if len(judged) else float("nan")

        def influence(right: np.ndarray, membership: np.ndarray) -> np.ndarray:
            return centred(right[chosen], membership[chosen] == member)

        if member:
            return self.share(answers, share, examples=len(chosen))
        cluster = self.clusters(chosen)
        return self.share(answers, share, examples=len(chosen), influence=influence, cluster=cluster)

    def heldout_accuracy(self, *, role: str = "reference", answers: str = "heldout.correct") -> Scalar | None:
        """Mean accuracy on the held-out examples; None without any, or without models of the role.

        `answers` as of `accuracy`, as "adversarial.heldout_correct".
        """
        if self.manifest.heldout is None or not len(self.design.models_of(role)):
            return None
        queries = int(self.manifest.heldout["examples"])
        return self.share(
            answers,
            lambda right, _: float(right.mean()),
            role=role,
            examples=queries,
            influence=lambda right, _: centred(right, np.ones(len(right), bool)),
            cluster=self.heldout_clusters[self._answered],
        )

    def votes(self, rows: np.ndarray) -> np.ndarray:
        """`[row, class]`: how many models that did not train on the example predict each class."""
        counts = np.zeros((len(rows), len(self.class_names)), np.int64)
        if not len(rows):
            return counts
        first = int(rows.min())
        among = slice(first, int(rows.max()) + 1)
        for model in self.models():
            predicted = self.load("outputs.prediction", [int(model)], among)[0][rows - first]
            outside = self.member[model][rows] == 0
            counts[np.flatnonzero(outside), predicted[outside]] += 1
        return counts

    def attach(self, dataset: Dataset, recipe: TrainingRecipe, heldout: Dataset | None = None) -> Run:
        """The run with its data and recipe at hand.

        A recording knows its examples only by order and labels, unless the recorder got their ids. A probe checks by
        the networks' predictions whether the data are the same.

        Raises:
            BadInput: they are not those that the run was made from.
        """
        dataset = self._under_its_ids(dataset)
        if not self._is_of(dataset):
            raise BadInput(
                f"The dataset {dataset.name!r} is not the one that the run {str(self.folder)!r} was made from.",
                hint="pass the same examples in the same order, with the same planted controls.",
            )
        self._refuse_other_examples(dataset)
        return replace(self, dataset=dataset, recipe=recipe, heldout=heldout)

    def _under_its_ids(self, dataset: Dataset) -> Dataset:
        """The dataset with the recording's example numbers as ids, if the recorder got no ids."""
        recorded = self.manifest.dataset["fingerprint"] is None and WEIGHTS_AT.name in self.manifest.evidence
        numbers = list(map(str, range(len(dataset))))
        if not recorded or (self.ids.tolist() != numbers and self.ids.tolist() != dataset.ids.tolist()):
            return dataset
        return dataset.replace(ids=self.ids, controls=self.controls)

    def _is_of(self, dataset: Dataset) -> bool:
        """Whether it is the run's dataset; for a recording with kept weights only ids and labels are compared."""
        known = self.manifest.dataset["fingerprint"]
        if known is None and WEIGHTS_AT.name in self.manifest.evidence:
            return not unlike(self.examples.select(("example", "label")), examples_of(dataset))
        return bool(dataset.fingerprint() == known)

    def _refuse_other_examples(self, dataset: Dataset) -> None:
        columns = ("example", "label") if self.forgotten else self.examples.column_names
        wrong = unlike(self.examples.select(columns), examples_of(dataset))
        if wrong:
            raise OtherExamples(
                f"The table {EXAMPLES!r} of the run {str(self.folder)!r} is not that of the data: its column "
                f"{quoted(wrong)} differs.",
                hint=WRITE_AGAIN,
            )

    def _keep(self, entry: Measure, role: str, result: Result) -> None:
        if isinstance(result, Scalar):
            return
        name = entry.key if role == "reference" else f"{entry.key}@{role}"
        self.keep_table(name, table(result, self.ids))

    def keep_table(self, name: str, rows: pa.Table) -> Path:
        """Write a table under `results/`, as `keep` does, and say where it is."""
        return self.keep(f"{name}.parquet", table_bytes(rows))

    def kept_table(self, name: str, *columns: str) -> pa.Table:
        """A table under `results/` with at least these columns, as it was written.

        Raises:
            BadInput: it cannot be read, lacks a column, or is damaged; nobody knows of one that version 0.1.0 wrote.
        """
        path, hint = self.folder / "results" / name, "remove it; the command that wrote it writes it again."
        found = read_table(path, must_be_sealed=self.manifest.tables is not None, hint=hint)
        lacking = [column for column in columns if column not in found.column_names]
        if lacking:
            raise BadInput(f"The run's table {str(path)!r} lacks the column {', '.join(lacking)}.", hint=hint)
        return found

    def keep(self, name: str, content: bytes) -> Path:
        """Write a file under `results/`, sealed, and say where it is.

        Where it cannot be written, as in a folder of others or on a full disk, `unkept` says so and nothing fails:
        what was computed is there all the same.
        """
        path = self.folder / "results" / name
        if self.keeps:
            try:
                write_sealed(path, content)
            except (NotWritable, NotEnoughRoom) as error:
                self.unkept[name] = error.message
        return path


def _refuse_other_design(folder: Path, design: Design, manifest: Manifest) -> None:
    if design.fingerprint() != manifest.design.get("fingerprint"):
        raise BadInput(
            f"The design of the run {str(folder)!r} is not the one that its manifest names.",
            hint=WRITE_AGAIN,
        )


def _refuse_other_labels(folder: Path, labels: np.ndarray, manifest: Manifest) -> None:
    """Refuse labels of which the manifest has no class; documents of language models have none."""
    classes = max(1, len(manifest.dataset.get("class_names") or ()))
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise BadInput(
            f"The labels of the run {str(folder)!r} go from {labels.min()} to {labels.max()}, and its manifest names "
            f"{counted(classes, 'class', 'classes')}.",
            hint=WRITE_AGAIN,
        )


def centred(answers: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """How far each example moves the mean of the answers on the judged ones; the others do not.

    Example:
        >>> centred(np.array([True, False, True]), np.array([True, True, False]))
        array([ 0.25, -0.25,  0.  ])
    """
    count = max(int(judged.sum()), 1)
    return np.asarray(np.where(judged, answers - answers[judged].sum() / count, 0.0) / count)


class _Moved:
    """Sums over the models of each part of how far examples move a figure."""

    def __init__(self, parts: int) -> None:
        self.sums: list[np.ndarray | None] = [None] * parts

    def add(self, part: int, influence: np.ndarray) -> None:
        before = self.sums[part]
        self.sums[part] = influence if before is None else before + influence

    def by_cluster(self, cluster: np.ndarray) -> np.ndarray:
        """`[part, cluster]`."""
        number = np.unique(cluster, return_inverse=True)[1] % MOST_CLUSTERS
        return np.stack([np.bincount(number, row) for row in self.sums if row is not None])


def numbered(groups: np.ndarray) -> np.ndarray:
    """Groups by number in place of their names, in the order in which they first stand.

    Example:
        >>> numbered(np.array(["Zoe", "Ann", "Zoe"])).tolist()
        ['group 1', 'group 2', 'group 1']
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first, kind="stable"), kind="stable") + 1
    digits = len(str(len(first)))
    return np.array([f"group {number:0{digits}}" for number in place], np.str_)[group]


def without_names(notes: Sequence[str], groups: np.ndarray | None) -> tuple[str, ...]:
    """Notes in which quoted names of groups, whatever their case and blanks, are left out.

    Example:
        >>> without_names(["'ann ' and 'Ann' are one group of 'people'."], np.array(["Ann", "Zoe"]))
        ("'…' and '…' are one group of 'people'.",)
    """
    known = set() if groups is None else {_plainly(name) for name in np.unique(groups).tolist()}

    def hidden(quote: re.Match[str]) -> str:
        return "'…'" if _plainly(quote[2]) in known else quote[0]

    return tuple(QUOTED.sub(hidden, note) for note in notes)


def _plainly(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).split()).casefold()


def joined(blocks: Sequence[PerExample]) -> PerExample:
    """Results of blocks of examples, one after another, as one."""
    if len(blocks) == 1:
        return blocks[0]
    reasons = tuple(dict.fromkeys(reason for block in blocks for reason in block.reasons))
    notes = dict.fromkeys(block.note for block in blocks if block.note)
    codes = [
        np.array([reasons.index(reason) for reason in block.reasons])[block.reason_code].astype(block.reason_code.dtype)
        for block in blocks
    ]
    return replace(
        blocks[0],
        values=np.concatenate([block.values for block in blocks]),
        stderr=np.concatenate([block.stderr for block in blocks]),
        low=np.concatenate([block.low for block in blocks]),
        high=np.concatenate([block.high for block in blocks]),
        counts={name: np.concatenate([b.counts[name] for b in blocks]) for name in blocks[0].counts},
        reasons=reasons,
        reason_code=np.concatenate(codes),
        note="; ".join(notes),
    )


def table(result: PerExample | PerModelExample | PerPair | PerCanary | Curve | Survival, ids: np.ndarray) -> pa.Table:
    """A result as a table with `value`, `stderr`, `low`, `high`, counts, and the reason where undefined.

    The scores of an attack have one column a target model instead, `model_0` and so on.
    """
    named = replace(result, ids=ids) if isinstance(result, PerExample | PerModelExample | PerPair) else result
    return named.to_arrow()

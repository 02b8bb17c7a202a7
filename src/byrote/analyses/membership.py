"""A membership attack on every model of a run: how well it does, with whom, and how it does where there is nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, Literal
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float, Int, Int8
from scipy.special import expit

from byrote.analyses.blind_baseline import attackable, words_alone
from byrote.analyses.catalog import analysis
from byrote.analyses.groups import groups_of, method_words, of_groups, on_groups, size_slices
from byrote.blocks import Block, TableBlock, Words, cut, section, sentence
from byrote.data.task import Task
from byrote.errors import BadInput, MissingEvidence, TooFewModels, meant
from byrote.evidence.schema import quantity
from byrote.evidence.seals import BLANK, KEY
from byrote.measures._by_document import mean_of_tokens
from byrote.measures._by_group import member_groups
from byrote.measures._references import References, reference_counts, refuse_leaks
from byrote.measures._repetitions import copies_of
from byrote.measures._strata import Stratum, names_of, strata_of
from byrote.measures._sums_by_pair import SummedReferences, SumsByPair
from byrote.measures.catalog import Again, Measure, catalog
from byrote.results import Curve, PerModelExample, Scalar, Table, blanked, decimal
from byrote.runs.run import NOT_FINITE, Run
from byrote.stats.attack_figures import (
    LEAST_REFERENCES,
    Attack,
    Family,
    Slices,
    attack_figures,
    families,
    null_auc,
    null_of_labels,
    references_left,
)

#: Files of the figures of attacks.
ATTACKED = re.compile(r"attack-(?P<key>.+?)(?P<by>-by-group)?\.json")
#: Groups of at least so many examples have figures of their own; of more than `MOST_GROUPS` the largest do.
LEAST_IN_GROUP = 10
MOST_GROUPS = 50
DECILES = 10
#: The figure of a table with the chance level, and how many slices of an axis are named in a sentence.
NULL: Final = "null_auc"
WORST_SLICES: Final = 5
#: Sums by pair are kept for attacks on at most so many cells. What several attacks on one run share: tenths of
#: memorization, by the models kept.
MOST_REMEMBERED = 2**20
_TENTHS: WeakKeyDictionary[Run, dict[bytes, Family]] = WeakKeyDictionary()
#: Facts of the design that follow from what a model was trained on.
OF_MEMBERS = ("design.member", "design.stratum")
#: The attack on a run of each task.
DEFAULT: Final[dict[Task, str]] = {"classes": "lira", "labels": "lira", "regression": "lira[residual]"}
#: And on a run of language models: of too few to be references, of fewer than `MANY_REFERENCES`, and of more.
OF_TEXTS: Final = ("text_loss_attack", "reference_attack", "lira[text]")
MANY_REFERENCES: Final = 16
#: Documents of like length have figures of their own, in so many parts.
LENGTHS: Final = 4


#: Whose membership is attacked: that of an example, or of all examples of a person or document together.
By = Literal["example", "group"]


@dataclass(frozen=True, kw_only=True, eq=False)
class AttackFigures:
    """What an attack achieves against the models of a run.

    `figures` are pooled over all targets: `auc`, `balanced_accuracy`, `tpr_at_fpr_…`, `precision_at_fpr_…_prior_…`.
    `slices` has `auc` and `tpr_at_fpr_0.01` by axis ("class", "group", "control", "memorization") and value; in the
    last axis 10 is the tenth of the examples that is memorized most. `null` is the AUC where membership was swapped
    at random, `references` the median number of models that an attacker had.
    """

    attack: str
    figures: Mapping[str, Scalar]
    null: Scalar
    curve: Curve
    slices: Mapping[str, Mapping[str, Mapping[str, Scalar]]]
    references: int
    models: int
    examples: int
    notes: tuple[str, ...]
    by: By = "example"

    def __repr__(self) -> str:
        return (
            f"AttackFigures({self.attack}: AUC {self.figures['auc']!r}, null {self.null.value:.3f}, "
            f"{self.models} targets, {self.references} reference models, {self.examples} {self.by}s)"
        )


def default_attack(run: Run) -> str:
    """The attack on a run unless another is named."""
    if not run.of_text:
        return DEFAULT[run.task]
    pair = run.load("design.pair", run.models())
    if references_left(pair) < LEAST_REFERENCES:
        return OF_TEXTS[0]
    return OF_TEXTS[1 + (int(reference_counts(pair).min()) >= MANY_REFERENCES)]


def attack_named(key: str) -> Measure:
    """The attack of that key.

    Raises:
        BadInput: there is none; the hint names the attacks.
    """
    known = catalog()
    if key in known and known[key].attacks:
        return known[key]
    attacks = [name for name, each in known.items() if each.attacks]
    problem = (
        f"The measure {key!r} is no membership attack: it does not score each model and example."
        if key in known
        else f"There is no attack {key!r}."
    )
    raise BadInput(problem, hint=f"{meant(key, attacks)}the attacks are {', '.join(attacks)}.")


def as_table(found: AttackFigures) -> Table:
    """A row for all examples and one for each slice of them."""
    names = ("all", *(f"{axis}: {value}" for axis, slices in found.slices.items() for value in slices))
    parts = (found.figures, *(figures for slices in found.slices.values() for figures in slices.values()))
    return Table(
        title=f"{found.attack} on {found.models} models, each with {found.references} reference models, over "
        f"{found.examples} {found.by}s",
        rows={"group": names},
        figures={
            **{name: tuple(part.get(name) for part in parts) for name in found.figures},
            NULL: (found.null, *(None for _ in names[1:])),
        },
        notes=found.notes,
    )


def as_files(found: AttackFigures) -> dict[str, bytes]:
    """`attack-<key>.json` or `attack-<key>-by-group.json`: all figures with their errors, or why one was refused."""
    name = f"attack-{found.attack}{'' if found.by == 'example' else '-by-group'}.json"
    return {name: json.dumps({KEY: BLANK, **plain(found)}, indent=1, allow_nan=False).encode()}


def named(file: str) -> dict[str, Any] | None:
    """The attack that a file is named after, and by what it was made."""
    match = ATTACKED.fullmatch(file)
    return None if match is None else {"key": match["key"], "by": "group" if match["by"] else "example"}


@analysis(
    asks="How well does an attacker tell the members of a model's training set?",
    needs=("lira", "rmia", "loss_attack"),
    section="5.1",
    name="membership",
    table=as_table,
    contents=as_files,
    variant=named,
)
def membership_attack(
    run: Run,
    key: str | None = None,
    *,
    by: By = "example",
    options: Mapping[str, Any] | None = None,
    draws: int = 20,
    seed: int = 0,
) -> AttackFigures:
    """Attack each reference model of a run with the help of the others.

    Args:
        run: a run of at least 8 models, in pairs unless members were drawn independently.
        key: the attack: `lira`, `rmia`, `loss_attack`, … or another measure of scores by model and example; the
            default is `lira`, for a regression `lira[residual]`. For language models it is `lira[text]` with 8 pairs
            of references or more, `reference_attack` with fewer, and `text_loss_attack` with too few models.
        by: "group" attacks persons or documents by all of their examples; `examples` then counts groups.
        options: the attack's own settings, as `{"gamma": 2.0}`.
        draws: how often membership is swapped at random for the null.
        seed: fixes these draws.

    Raises:
        BadInput: the key is no attack.
        MissingEvidence: the attack needs what was not recorded, or the run has no groups.
        TooFewModels: the models cannot support it.

    Example:
        >>> byrote.membership_attack(byrote.Run.open("runs/toy"), "loss_attack", draws=5)
        AttackFigures(loss_attack: AUC Scalar(...), null ..., 24 targets, 0 reference models, 400 examples)
    """
    attacked = _Attacked.of(run, key or default_attack(run), options)
    everyone, truth = np.ones(len(attacked.models), bool), np.arange(len(attacked.models))
    references = int(np.median(attacked.whole.references))
    units = attacked.by_group() if by == "group" else attacked.by_example()
    values = units.attack(everyone, truth)
    found = attack_figures(
        units.attack,
        units.member,
        attacked.pair,
        units.slices,
        f"{by}s",
        units.stratum,
        cluster=units.cluster,
        alone=attacked.alone,
    )
    rng = np.random.default_rng([seed, 4])
    if attacked.alone:
        null = null_of_labels(values, units.member, units.cluster, rng=rng, draws=draws)
    else:
        null = null_auc(
            units.attack,
            units.member,
            attacked.pair,
            rng=rng,
            draws=draws,
            level=run.load("design.ratio", attacked.models),
            stratum=units.stratum,
        )
    return AttackFigures(
        attack=attacked.entry.key,
        figures=found.figures,
        null=null,
        curve=found.curve,
        slices=_by_axis(found.slices),
        references=references,
        models=len(attacked.models),
        examples=units.count,
        notes=(*units.notes, *_notes(attacked, by, units, values)),
        by=by,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Units:
    """The units under attack: which are members, their scores, and which slices of them have figures of their own."""

    attack: Attack
    member: Int8[np.ndarray, "model unit"]
    stratum: Int[np.ndarray, "model unit"]
    slices: Slices
    count: int
    cluster: Int[np.ndarray, " unit"]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Attacked:
    """The models of a run that are attacked, and what the attack is given of them."""

    run: Run
    entry: Measure
    settings: Mapping[str, Any]
    models: Int[np.ndarray, " model"]
    arguments: Mapping[str, np.ndarray]
    member: Int8[np.ndarray, "model example"]
    pair: Int[np.ndarray, " model"]
    stratum: Int[np.ndarray, "model example"]

    @classmethod
    def of(cls, run: Run, key: str, options: Mapping[str, Any] | None) -> _Attacked:
        """The reference models, and the evidence that the attack of that key needs."""
        entry, models = attack_named(key), run.models()
        if entry.of_text != run.of_text or not entry.suits(run.task):
            raise MissingEvidence(
                f"{key!r} is not for the targets of the run {str(run.folder)!r}, which has {run.learns.says}.",
                hint=f"attack with {default_attack(run)}.",
            )
        if not len(models):
            raise TooFewModels(
                f"The run {str(run.folder)!r} has no ensemble to attack: all of its models train on all data.",
                hint="audit with half-split pairs (--models 64) and attack that run; for one trained model use "
                "byrote.audit_target.",
            )
        design = {name: run.load(f"design.{name}", models) for name in ("member", "pair", "stratum")}
        if run.of_text:
            design["member"] = attackable(run, models)
        run.refuse_forgotten(key, entry.needs)
        arguments = {name: run.load(need, models) for name, need in entry.parameters.items()}
        return cls(run=run, entry=entry, settings=dict(options or {}), models=models, arguments=arguments, **design)

    @property
    def alone(self) -> bool:
        """Whether an attack without references meets too few models to leave any out: errors are about documents."""
        needs_none = not {*self.entry.needs} & {"design.member", "design.pair"}
        return self.run.of_text and needs_none and references_left(self.pair) < LEAST_REFERENCES

    def scores(self, kept: Bool[np.ndarray, " model"], given: Int[np.ndarray, " model"]) -> PerModelExample:
        """The attack on these models, each with the members of model `given`."""
        taken = {
            name: _of_models(need, self.arguments[name][given] if need in OF_MEMBERS else self.arguments[name], kept)
            for name, need in self.entry.parameters.items()
        }
        result = self.entry.function(**taken, **self.settings)
        assert isinstance(result, PerModelExample)
        return blanked(result, self.run.undefined, NOT_FINITE)

    @cached_property
    def whole(self) -> PerModelExample:
        """The attack on all models, with the members that each has."""
        return self.scores(np.ones(len(self.models), bool), np.arange(len(self.models)))

    @cached_property
    def _again(self) -> Again | None:
        """The attack's own way to score again, where it has one."""
        many = self.member.size > MOST_REMEMBERED
        return None if self.entry.again is None or self.settings or many else self.entry.again(self.arguments)

    def values(self, kept: Bool[np.ndarray, " model"], given: Int[np.ndarray, " model"]) -> np.ndarray:
        """The scores alone."""
        if kept.all() and np.array_equal(given, np.arange(len(given))):
            return self.whole.values
        if self._again is None:
            return self.scores(kept, given).values
        found = self._again(kept, given)
        found[:, self.run.undefined] = np.nan
        return found

    def by_example(self) -> _Units:
        """Each example by itself."""
        slices, notes = _slices(self.run, self.models, self.member, self.pair, self.stratum)
        return _Units(
            attack=self.values,
            member=self.member,
            stratum=self.stratum,
            slices=slices,
            count=self._counted(self.member),
            cluster=self.run.clusters(np.arange(len(self.run.ids))),
            notes=tuple(notes),
        )

    def by_group(self) -> _Units:
        """Persons or documents, by all of their examples."""
        _, group = groups_of(self.run)
        key, member = self.entry.key, member_groups(self.member, group)
        return _Units(
            attack=on_groups(key, self.values, self.arguments, self.settings, group),
            member=member,
            stratum=of_groups(self.stratum, group),
            slices=_whichever_models(size_slices(group)),
            count=self._counted(member),
            cluster=np.arange(member.shape[1]),
            notes=(method_words(key),),
        )

    def _counted(self, member: Int8[np.ndarray, "model unit"]) -> int:
        """How many are attacked: all, or the documents whose membership tells models apart."""
        return int((member >= 0).any(0).sum()) if self.run.of_text else member.shape[1]


def _notes(attacked: _Attacked, by: By, units: _Units, values: np.ndarray) -> Iterator[str]:
    """What the errors cover, how models are compared, and how many scores are undefined."""
    run = attacked.run
    whole = by == "group" or run.groups is None
    others = f"{by}s" if whole else "persons or documents, drawn whole"
    yield (
        f"± is about other {others}, not about other models"
        if attacked.alone
        else (f"± is about other models and other {others}")
    )
    counted = np.ones(values.shape[1], bool)
    if run.of_text:
        counted &= (units.member >= 0).any(0)
    if not counted.all():
        whose = "documents" if by == "example" else "groups"
        yield (
            f"{(~counted).sum():,} of {len(counted):,} {whose} are not attacked: every model was trained on them, or "
            "none, or it is not known"
        )
    if len(np.unique(units.stratum)) > 1:
        yield (
            "models are compared within strata: of one designed training set size, and with the same large groups; "
            "rates are means over the strata, weighted by their members"
        )
    if run.of_text:
        yield words_alone(run, attacked.models)
    undefined = int(np.isnan(values[:, counted]).sum())
    if undefined:
        yield f"{undefined:,} of {values[:, counted].size:,} scores are undefined and left out"


def _by_axis(slices: Mapping[str, Mapping[str, Scalar]]) -> dict[str, dict[str, Mapping[str, Scalar]]]:
    """Figures of slices by axis and value; a slice is called `axis:value`."""
    found: dict[str, dict[str, Mapping[str, Scalar]]] = {}
    for name, figures in slices.items():
        axis, _, value = name.partition(":")
        found.setdefault(axis, {})[value] = figures
    return found


def plain(found: AttackFigures) -> dict[str, Any]:
    """The figures of an attack as `keep` writes them; what is not known is None."""
    return {
        "attack": found.attack,
        **({} if found.by == "example" else {"by": found.by}),
        "models": found.models,
        "references": found.references,
        "examples": found.examples,
        "figures": {name: _plain(figure) for name, figure in found.figures.items()},
        "null": _plain(found.null),
        "slices": {
            axis: {
                value: {name: _plain(figure) for name, figure in figures.items()} for value, figures in slices.items()
            }
            for axis, slices in found.slices.items()
        },
        "curve": {
            "false_positive_rate": found.curve.at.tolist(),
            **{name: [_known(v) for v in getattr(found.curve, name)[0]] for name in ("values", "low", "high")},
        },
        "notes": list(found.notes),
    }


def _plain(figure: Scalar) -> dict[str, Any]:
    if figure.reason:
        return {"reason": figure.reason}
    known = {name: _known(getattr(figure, name)) for name in ("value", "stderr", "low", "high")}
    return {**known, "varies_over": figure.varies_over}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _of_models(need: str, array: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return array[kept] if quantity(need).dims[0] == "model" else array


def _whichever_models(masks: Mapping[str, np.ndarray]) -> Slices:
    """Slices that do not depend on the models that are kept."""
    found = families(masks)
    return lambda kept: found


def _slices(
    run: Run, models: np.ndarray, member: np.ndarray, pair: np.ndarray, stratum: np.ndarray
) -> tuple[Slices, list[str]]:
    """The groups of examples of a run that have figures of their own, and what there is to say of them."""
    masks, notes = _fixed_slices(run)
    if run.of_text:
        masks |= _of_documents(run)
    probability, note = _told_by(run, models, member, pair, stratum)
    notes.append(note)

    known, fixed = _TENTHS.setdefault(run, {}), families(masks)
    again = None if probability is None else tenths_again(probability, member, pair, stratum)

    def slices(kept: Bool[np.ndarray, " model"]) -> tuple[Family, ...]:
        if again is None:
            return fixed
        key = kept.tobytes()
        tenths = known.get(key)
        if tenths is None:
            tenth = again(kept)
            tenths = Family(tuple(f"memorization:{number}" for number in range(1, DECILES + 1)), tenth - np.int8(1))
            if tenth.size <= MOST_REMEMBERED:
                known[key] = tenths
        return (*fixed, tenths)

    return slices, notes


def _told_by(
    run: Run, models: np.ndarray, member: np.ndarray, pair: np.ndarray, stratum: np.ndarray
) -> tuple[np.ndarray | None, str]:
    """How sure each model is of each example, by which memorization is told, or None; and a note about it."""
    if run.learns.numeric:
        return None, "no figures by memorization: a regression has no probabilities to go by"
    if run.of_text and references_left(pair) < LEAST_REFERENCES:
        return None, "no figures by memorization: there are too few models to tell it"
    try:
        refuse_leaks(member, pair, stratum)
        if run.of_text:
            measure, tokens = "counterfactual_memorization[log_probability]", run.load("tokens.log_probability", models)
            found = mean_of_tokens(tokens, run.offsets, run.load("corpus.scored", models))
        else:
            measure, found = "label_memorization[probability]", expit(run.load("outputs.log_odds", models))
    except (MissingEvidence, TooFewModels) as error:
        return None, f"no figures by memorization: {error.message}"
    return found, (
        f"tenths of memorization go by {measure}, another quantity than {measure.partition('[')[0]}, over each "
        "target's reference models, so that a target does not choose its own examples; an example may count in "
        "another tenth for each target"
    )


def _of_documents(run: Run) -> dict[str, np.ndarray]:
    """Documents of like length, and those that stand several times in the corpus."""
    length = np.diff(run.offsets)
    ends = np.unique(np.quantile(length, np.linspace(0, 1, LENGTHS + 1), method="inverted_cdf"))
    masks: dict[str, np.ndarray] = {}
    for below, end in pairwise([0, *ends[1:].tolist()] if len(ends) > 2 else []):
        own = (length > below) & (length <= end)
        masks[f"length:{length[own].min()} to {end} tokens"] = own
    copies = copies_of(run.load("corpus.token", [0]), run.offsets, np.zeros((0, len(length)), np.int8)).standing
    if copies.max(initial=1) > 1:
        masks |= {"copies:1": copies == 1, "copies:2 or more": copies > 1}
    return masks


def _fixed_slices(run: Run) -> tuple[dict[str, np.ndarray], list[str]]:
    masks = {f"class:{name}": run.labels == number for number, name in enumerate(run.class_names)}
    masks = {name: mask for name, mask in masks.items() if mask.any()}
    notes = []
    kinds = {f"control:{kind}": run.controls.mask(run.ids, kind) for kind in run.controls.kinds()}
    if kinds:
        masks |= kinds | {"control:clean": ~np.any(list(kinds.values()), axis=0)}
    if run.groups is not None:
        names, counts = np.unique(run.groups, return_counts=True)
        large = np.argsort(-counts, kind="stable")[:MOST_GROUPS]
        chosen = [number for number in large if counts[number] >= LEAST_IN_GROUP]
        masks |= {f"group:{names[number]}": run.groups == names[number] for number in chosen}
        if len(chosen) < len(names):
            notes.append(
                f"figures by group are those of the largest, at most {MOST_GROUPS}, with {LEAST_IN_GROUP} examples or "
                f"more: {len(chosen) or 'none'} of {len(names)}"
            )
    return masks, notes


def memorization_tenths(
    probability: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: np.ndarray,
    stratum: Stratum = None,
) -> Int8[np.ndarray, "model example"]:
    """For each target the tenth, 1 to 10, in which an example's label memorization over its references lies.

    0 where it is undefined.
    """
    return _tenths(References(probability, member, pair, stratum))


def tenths_again(
    probability: Float[np.ndarray, "model example"],
    member: Int8[np.ndarray, "model example"],
    pair: np.ndarray,
    stratum: Stratum = None,
) -> Callable[[Bool[np.ndarray, " model"]], np.ndarray]:
    """`memorization_tenths` of some models, whole pairs of them; from sums by pair where all are of one stratum."""
    one = len(names_of(strata_of(stratum, member))) == 1
    if not one or probability.size > MOST_REMEMBERED or not np.isfinite(probability).all():
        own = strata_of(stratum, member)
        return lambda kept: memorization_tenths(probability[kept], member[kept], pair[kept], own[kept])
    # from the middle of the range, which of values that are all alike is the value
    middle = (probability.min(0).astype(np.float64) + probability.max(0)) / 2
    apart = probability - middle
    sums, centre = SumsByPair(member, pair, ((apart, apart**2),) * 2), np.stack([middle, middle])
    found = sums.where(np.arange(len(pair)))
    return lambda kept: _tenths(SummedReferences(probability[kept], member[kept], sums.unit[kept], found, centre))


def _tenths(references: References) -> np.ndarray:
    tenths = np.zeros(references.member.shape, np.int8)
    for targets in references.targets_alike():
        gap = references.without(targets[:, 0], 1).mean - references.without(targets[:, 0], 0).mean
        known = np.isfinite(gap).sum(1, keepdims=True)  # undefined ones come last
        place = np.arange(gap.shape[1])
        tenth = np.where(place < known, 1 + place * DECILES // np.maximum(known, 1), 0)
        found = np.empty(gap.shape, np.int8)
        np.put_along_axis(found, np.argsort(gap, axis=1, kind="stable"), tenth, 1)
        for mates in targets.T:
            tenths[mates] = found
    return tenths


@section(of="membership", title="Membership attack", order=50)
def shown(table: Table) -> Iterable[Block]:
    """The figures over all examples, the chance level, and the slices of each axis with the highest AUC."""
    yield Words(text=f"{table.title}.")
    figures = {name: column[0] for name, column in table.figures.items() if name != NULL}
    yield TableBlock(title="", columns=("figure", "value"), rows=tuple(_reasons_once(figures)))
    null = table.figures[NULL][0]
    assert null is not None, "every attack has a null"
    yield Words(text=f"With membership swapped at random the AUC is {decimal(null)}.")
    for axis, areas in _areas(table).items():
        worst = sorted(areas.items(), key=lambda item: -item[1].value)[:WORST_SLICES]
        names = ", ".join(f"{cut(value, 60)} {decimal(area)}" for value, area in worst)
        yield Words(text=f"AUC by {axis}, highest first: {names}.")
    for note in table.notes:
        yield Words(text=sentence(note))


def _reasons_once(figures: Mapping[str, Scalar | None]) -> Iterator[tuple[str, str | Scalar]]:
    """A row for each figure; the reason why figures are undefined is given once, at the first of them."""
    given = set[str]()
    for name, figure in figures.items():
        assert figure is not None, "over all examples every figure is there, or why not"
        again = bool(figure.reason) and figure.reason in given
        given.add(figure.reason)
        yield name.replace("_", " "), "undefined, as above" if again else figure


def _areas(table: Table) -> dict[str, dict[str, Scalar]]:
    """The AUC of each slice, by axis and value."""
    found: dict[str, dict[str, Scalar]] = {}
    for name, area in zip(table.rows["group"], table.figures["auc"], strict=True):
        axis, _, value = name.partition(": ")
        if value and area is not None:
            found.setdefault(axis, {})[value] = area
    return found

"""What every measure in the catalog promises."""

from __future__ import annotations

import inspect
import sys
from functools import cache

import numpy as np
import pytest

from byrote.evidence.kind import Kind
from byrote.evidence.schema import SCHEMA, every_kind, quantity
from byrote.measures.catalog import Measure, catalog
from byrote.results import Curve, PerExample, PerModelExample, PerPair, Result, Scalar
from measures.evidence import Evidence, make_evidence
from over_all import over_all

NAMES = {0: "all known", 1: "some unknown, two strata"}
every_run = pytest.mark.parametrize("seed", NAMES, ids=NAMES.values())


def usually(seed: int) -> pytest.MarkDecorator:
    """One of the runs, and the other in `make test-all`: properties that compute a measure again take turns."""
    runs = [pytest.param(one, marks=() if one == seed else pytest.mark.slow, id=name) for one, name in NAMES.items()]
    return pytest.mark.parametrize("seed", runs)


every_measure = over_all("measure", dict(catalog()))


@cache
def made(seed: int) -> Evidence:
    """The evidence of a made-up run, which no test changes."""
    return make_evidence(seed=seed, unknown=0.1 * seed, strata=1 + seed, documents=True)


@pytest.fixture(autouse=True)
def groups_of_one_example_have_a_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """The made-up run is small."""
    monkeypatch.setattr("byrote.measures._localization.FEWEST", 1)


@cache
def _of_the_made_up_run(key: str, seed: int) -> Result:
    return _computed(catalog()[key], made(seed))


def run(measure: Measure, evidence: Evidence) -> Result:
    """The result; of the runs that are made up above it is computed once."""
    for seed in NAMES:
        if evidence is made(seed):
            return _of_the_made_up_run(measure.key, seed)
    return _computed(measure, evidence)


def _computed(measure: Measure, evidence: Evidence) -> Result:
    return measure.function(**{name: evidence[need] for name, need in measure.parameters.items()})


def along(evidence: Evidence, axis: str, index: np.ndarray) -> Evidence:
    """The evidence with that axis reordered or cut; the tokens of documents go with them."""
    offsets = evidence["corpus.offsets"]
    taken = {axis: index}
    moved = {}
    if axis == "example":
        spans = [np.arange(offsets[row], offsets[row + 1]) for row in index]
        taken["token"] = np.concatenate(spans)
        moved["corpus.offsets"] = np.cumsum([0, *map(len, spans)], dtype=np.int64)
    for name, array in evidence.items():
        for word, chosen in taken.items():
            if word in quantity(name).dims:
                moved[name] = np.take(array, chosen, quantity(name).dims.index(word))
    return {**evidence, **moved}


def figures(result: Result) -> dict[str, np.ndarray]:
    if isinstance(result, Scalar):
        return {"values": np.array([result.value]), "low": np.array([result.low]), "high": np.array([result.high])}
    names = ("values",) if isinstance(result, PerModelExample) else ("values", "stderr", "low", "high")
    return {name: np.asarray(getattr(result, name)) for name in names}


def assert_same(one: Result, other: Result, rtol: float = 1e-9) -> None:
    if isinstance(one, Scalar):
        assert np.isclose(one.value, other.value, rtol=rtol, equal_nan=True)
        return
    for name, array in figures(one).items():
        np.testing.assert_allclose(figures(other)[name], array, rtol=rtol, atol=1e-12, err_msg=name)


@every_measure
def test_facts_are_complete(measure):
    facts = (measure.unit, measure.higher, measure.source, measure.section, measure.domain, measure.level)
    assert all(facts)
    assert measure.evaluation
    assert measure.needs
    assert measure.range[0] < measure.range[1]
    named = {f"{kind.name}.{axis}" for kind in every_kind() for axis in kind.coordinates}
    assert set(measure.parameters.values()) <= named | {f"{k}.{q}" for k, c in SCHEMA.items() for q in c}


@every_measure
def test_parameters_are_the_needs(measure):
    given = inspect.signature(measure.function).parameters.values()
    assert [p.name for p in given if p.kind is p.POSITIONAL_OR_KEYWORD] == list(measure.parameters)
    assert all(p.default is not p.empty for p in given if p.kind is p.KEYWORD_ONLY)


@every_measure
def test_docstring_has_its_sections(measure):
    text = inspect.getdoc(measure.function)
    assert measure.title.endswith(".")
    assert all(f"\n{section}:" in text for section in ("Formula", "Undefined", "Example"))


@every_measure
@every_run
def test_values_lie_in_the_range_and_inside_their_interval(measure, seed):
    evidence = made(seed)
    result = run(measure, evidence)
    values = figures(result)["values"]
    defined = np.isfinite(values)
    assert defined.any()
    assert (values[defined] >= measure.range[0]).all()
    assert (values[defined] <= measure.range[1]).all()
    if isinstance(result, PerModelExample):
        return
    low, high = figures(result)["low"], figures(result)["high"]
    known = np.isfinite(low)
    assert (low[known] <= values[known]).all()
    assert (values[known] <= high[known]).all()


@every_measure
@every_run
def test_result_has_errors_and_counts(measure, seed):
    evidence = made(seed)
    result = run(measure, evidence)
    assert result.models == len(evidence["design.member"])
    if isinstance(result, PerModelExample):
        assert result.values.shape == evidence["design.member"].shape
        assert set(result.references) <= {0, result.models - 2}  # none, or all but the target and its mate
        return
    errors = np.asarray(result.stderr)
    assert not (errors == 0).any()
    if isinstance(result, PerExample):
        assert result.counts
        assert all(len(count) == len(result.values) for count in result.counts.values())
    if isinstance(result, PerExample | PerPair | Curve):
        assert np.isfinite(errors[np.isfinite(result.values)]).mean() > 0.5


@every_measure
@usually(1)
def test_permuting_examples_permutes_the_result(measure, seed):
    evidence = made(seed)
    order = np.random.default_rng(3).permutation(len(evidence["data.label"]))
    before, after = run(measure, evidence), run(measure, along(evidence, "example", order))
    if isinstance(before, PerExample):
        for name, array in figures(before).items():
            np.testing.assert_allclose(figures(after)[name], array[order], rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(after.reason_code, before.reason_code[order])
    elif isinstance(before, PerModelExample):
        np.testing.assert_allclose(after.values, before.values[:, order], rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(after.reason_code, before.reason_code[:, order])
    elif isinstance(before, PerPair):
        np.testing.assert_allclose(after.values, before.values, rtol=1e-9)
        sure = before.values > np.repeat(before.values.reshape(-1, 10)[:, -1], 10)  # ties at the cut aside
        named = set(zip(order[after.example], after.query, strict=True))
        assert set(zip(before.example[sure], before.query[sure], strict=True)) <= named
    else:
        assert_same(before, after)


@every_measure
@usually(0)
def test_permuting_models_changes_nothing(measure, seed):
    evidence = made(seed)
    order = np.random.default_rng(4).permutation(len(evidence["design.pair"]))
    before, after = run(measure, evidence), run(measure, along(evidence, "model", order))
    if isinstance(before, PerModelExample):
        np.testing.assert_allclose(after.values, before.values[order], rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(after.reason_code, before.reason_code[order])
    else:
        assert_same(before, after)


@every_measure
@usually(0)
def test_float32_agrees_with_float64(measure, seed):
    evidence = made(seed)
    wide = {n: a.astype(np.float64) if a.dtype == np.float32 else a for n, a in evidence.items()}
    assert_same(run(measure, wide), run(measure, evidence))


@every_measure
def test_inputs_are_left_alone(measure):
    evidence = made(1)
    assert not any(array.flags.writeable for array in evidence.values())  # a write would raise
    copies = {name: array.copy() for name, array in evidence.items()}
    run(measure, copies)
    for name, array in copies.items():
        np.testing.assert_array_equal(array, evidence[name])


@every_measure
@usually(1)
def test_blocks_of_examples_give_the_same(measure, seed):
    if not measure.by_example:
        return
    evidence = made(seed)
    whole = run(measure, evidence)
    index = np.arange(len(whole.values))
    blocks = [run(measure, along(evidence, "example", part)) for part in np.array_split(index, 4)]
    for name, array in figures(whole).items():
        joined = np.concatenate([figures(block)[name] for block in blocks])
        np.testing.assert_allclose(joined, array, rtol=1e-9, atol=1e-12)
    for name, count in whole.counts.items():
        np.testing.assert_array_equal(np.concatenate([block.counts[name] for block in blocks]), count)


QUANTITIES = [(kind, name) for kind in SCHEMA for name in SCHEMA[kind]]  # which imports the modules of all kinds
#: Kinds of evidence that byrote itself states; other tests state kinds of their own.
OWN = {
    value.name
    for name, module in list(sys.modules.items())
    if name.startswith("byrote.")
    for value in list(vars(module).values())
    if isinstance(value, Kind)
}


def test_own_kinds_are_found() -> None:
    assert {"outputs", "tokens", "design", "rewinding"} <= OWN


def test_generated_evidence_is_as_the_schema_says() -> None:
    stated = {f"{k}.{q}": quantity(f"{k}.{q}") for k, q in QUANTITIES if k in OWN - {"class_probability"}}
    generated = {name: (made(0)[name].ndim, made(0)[name].dtype) for name in stated}
    assert generated == {name: (len(entry.dims), entry.dtype) for name, entry in stated.items()}


def test_units_of_gradients_say_what_they_are_per() -> None:
    """A gradient has the unit of what is derived over the unit of what it is derived in, squared where it is."""
    per_input = {"input_gradients.norm", "input_gradients.norm_1", "variance_of_gradients.spread"}
    per_weight = {"weight_gradients.norm", "gradients.gradient_norm", "last_layer.gradient_norm"}
    for names, unit in ((per_input, "nat / input unit"), (per_weight, "nat / weight unit")):
        assert {quantity(name).unit for name in names} == {unit}
    for of, unit in (("probability", "probability"), ("logit", "logit"), ("margin", "logit")):
        assert quantity(f"variance_of_gradients_of_{of}.spread").unit == f"{unit} / input unit"
    of_gradients = {key: one for key, one in catalog().items() if (per_input | per_weight) & {*one.needs}}
    without = ("Gini coefficient", "standard deviation of the class")
    named = {key: one.unit for key, one in of_gradients.items() if one.unit not in without}
    for key, unit in named.items():
        over = "input unit" if per_input & {*catalog()[key].needs} else "weight unit"
        squared = key in ("cumulative_sample_gradient", "cumulative_sample_gradient[parameters]")
        assert unit == (f"nat^2 / {over}^2" if squared else f"nat / {over}"), key
    assert len(named) >= 9

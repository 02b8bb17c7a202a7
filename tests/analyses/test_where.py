"""When and where, on runs of which it is known what belongs to which group."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.analyses.catalog import kept_table
from byrote.analyses.where import (
    CHANCE,
    DAMAGED,
    FITTED,
    HELD_OUT,
    LOSS,
    LOST,
    STORED,
    VISIBLE,
    WHOLE,
    Rewound,
    by_example,
    where,
    written,
)
from byrote.analyses.where_groups import NAMED, groups_of
from byrote.changes.change import Context
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.data.dataset import Dataset
from byrote.engine.afterwards import probe
from byrote.errors import BadInput, MissingEvidence
from byrote.measures._localization import Localized
from byrote.report.verify import verify
from byrote.results import Curve, Scalar, Table
from byrote.runs.run import Run
from documents import SUMMING, letters, small_language_audit
from small import RECIPE, small_audit


def wide(examples: int, *, seed: int, noise: float = 0.3) -> Dataset:
    """Three classes in ten dimensions, where wrong labels can be fitted."""
    rng = np.random.default_rng(seed)
    targets = np.arange(examples) % 3
    inputs = rng.normal(size=(examples, 10)) + 2 * np.eye(3, 10)[targets]
    data = byrote.from_arrays(inputs.astype(np.float32), targets, name="wide", class_names=("a", "b", "c"))
    return SymmetricLabelNoise(noise).apply(data, Context(dataset=data, rng=rng)) if noise else data


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = dataclasses.replace(RECIPE, network=byrote.MLP(hidden=(64,)), epochs=30)
    made = small_audit(
        tmp_path_factory.mktemp("where") / "run",
        dataset=wide(200, seed=0),
        heldout=wide(90, seed=1, noise=0.0),
        recipe=recipe,
        checkpoints=6,
        keep_weights_at="checkpoints",
    )
    return probe(made, "rewinding", "readout")


def lines(table: Table) -> dict[tuple[str, ...], list[Scalar | None]]:
    names = zip(*table.rows.values(), strict=True)
    return dict(zip(names, map(list, zip(*table.figures.values(), strict=True)), strict=True))


def values(cells: list[Scalar | None]) -> list[float]:
    return [np.nan if cell is None else cell.value for cell in cells]


NOISE = "planted label noise"


def test_what_is_stored_and_visible_is_what_the_measures_say(run):
    found = lines(where(run))
    stored, visible = run.measure("rewinding"), run.measure("readout")
    assert isinstance(stored, Curve)
    assert isinstance(visible, Curve)
    for row, layer in enumerate(stored.groups):
        cells = found[STORED, NOISE, layer]
        np.testing.assert_allclose(values(cells), [*stored.values[row], 0.0])
        np.testing.assert_allclose([cell.stderr for cell in cells[:-1] if cell], stored.stderr[row])
    for row, layer in enumerate(visible.groups):
        np.testing.assert_allclose(values(found[VISIBLE, NOISE, layer]), visible.values[row])
    chance = found[CHANCE, NOISE, WHOLE][0]
    assert chance is not None
    assert f"{chance.value:.2g}" in stored.note


def test_shares_by_hand(run):
    found, models = lines(where(run)), run.models()
    member, noise = run.load("design.member", models) == 1, run.controls.mask(run.ids, "label_noise")
    right = run.load("rewinding.right", models) > 0
    for name, evidence in ((LOST, "wrong"), (DAMAGED, "wrong_permuted")):
        lost = run.load(f"rewinding.{evidence}", models)
        each = [lost[m][:, :, member[m] & noise & right[m]].mean(-1) for m in range(6)]
        for row, layer in enumerate(run.load("rewinding.layer", models)):
            np.testing.assert_allclose(values(found[name, NOISE, layer]), np.mean(each, 0)[row], atol=1e-6)
    correct = run.load("trajectory.correct", models)
    fitted = np.mean([correct[m][:, member[m] & noise].mean(-1) for m in range(6)], 0)
    epochs = run.load("trajectory.epochs", models).tolist()
    at = [epochs.index(epoch) for epoch in run.load("rewinding.epochs", models)]
    np.testing.assert_allclose(values(found[FITTED, NOISE, WHOLE]), fitted[at])
    assert run.heldout is not None
    loss = values(found[LOSS, HELD_OUT, WHOLE])
    assert loss[0] == pytest.approx(np.log(3), abs=0.3)
    assert (LOST, HELD_OUT, "1") in found


def test_the_groups_of_a_run(run):
    found = {group.name: group for group in groups_of(run, run.models(), run.ids[:30].tolist())}
    assert list(found) == [NAMED, NOISE, "memorized", "no planted control", "not trained on"]
    member = run.load("design.member", run.models())
    noise = run.controls.mask(run.ids, "label_noise")
    np.testing.assert_array_equal(found[NOISE].rows, (member == 1) & noise)
    np.testing.assert_array_equal(found[NOISE].others, (member == 1) & ~noise)
    np.testing.assert_array_equal(found["not trained on"].rows, member == 0)
    assert found["not trained on"].others is None
    assert found[NAMED].rows[:, 30:].sum() == 0
    with pytest.raises(BadInput, match="has no example 'nobody'"):
        where(run, examples=["nobody"])


def test_the_table_is_kept_verified_and_read_again(run):
    table = byrote.ask(run, "where", examples=run.ids[:60].tolist())
    assert verify(run) == []
    kept = kept_table(run, "where")
    assert kept is not None
    assert kept.rows == table.rows
    assert kept.arrays["layer"].tolist() == table.arrays["layer"].tolist()
    assert repr(kept).splitlines()[:9] == repr(table).splitlines()[:9]
    assert any(group == NAMED for group in table.rows["group"])
    assert "<table>" in table._repr_html_()


def test_a_run_that_was_not_read_says_how(tmp_path: Path, run: Run) -> None:
    plain = small_audit(tmp_path / "plain")
    with pytest.raises(MissingEvidence, match="kept no weights at checkpoints, so it is unknown") as caught:
        where(plain)
    assert "--keep-weights-at checkpoints" in str(caught.value.hint)
    kept = small_audit(tmp_path / "kept", keep_weights_at="0,last")
    with pytest.raises(MissingEvidence, match="was not rewound") as caught:
        where(kept)
    assert "byrote probe" in str(caught.value.hint)
    table = where(probe(kept, "rewinding"))
    assert "What is visible was not read; byrote probe RUN readout reads it." in table.notes
    assert set(table.arrays["visible from layer"].tolist()) == {""}


def localized(each: list[list[float]], band: float) -> Localized:
    made = np.array(each)
    return Localized(each=made, band=band, matched=1, asked=1, unit=np.arange(len(made)))


def made_up(**changes: object) -> Rewound:
    """Three models, a layer, checkpoints 0, 5, 10 and 20, and two examples."""
    settings: dict[str, object] = {
        "wrong": np.zeros((3, 1, 4, 2), np.int32),
        "permuted": np.zeros((3, 1, 4, 2), np.float32),
        "right": np.ones((3, 2), np.int32),
        "confidence": np.ones((3, 2)),
        "fitted": np.ones((3, 4, 2), np.int32),
        "predictions": np.ones((3, 2), np.int32),
        "wrong_heldout": np.full((3, 1, 4), np.nan),
        "loss_aside": np.array([[3.0, 1.0, 2.0, 4.0]] * 3),
        "epochs": np.array([0, 5, 10, 20]),
        "layers": ["one"],
        "pair": np.full(3, -1),
        "read": None,
    }
    return Rewound(**{**settings, **changes})  # type: ignore[arg-type]


def test_written_so_far_by_hand():
    cells = written(made_up(), localized([[0.2, 0.8, 0.4], [0.4, 0.8, 0.2], [0.3, 0.8, 0.3]], band=0.3), 40)
    assert [cell.value for cell in cells if cell] == pytest.approx([0.0, 0.0, 1 - 0.3 / 0.8, 1.0])
    left_out = np.array([1 - 0.25 / 0.8, 1 - 0.35 / 0.8, 1 - 0.3 / 0.8])
    expected = np.sqrt(2 / 3 * ((left_out - left_out.mean()) ** 2).sum())
    assert cells[2] is not None
    assert cells[2].stderr == pytest.approx(expected)
    assert made_up().best == 1


def test_nothing_is_written_where_nothing_stands_out_from_chance():
    cells = written(made_up(), localized([[0.2, 0.1, 0.0]] * 3, band=0.3), 40)
    assert [cell.reason for cell in cells if cell] == ["no cell stands out from chance"] * 4
    assert all(np.isnan(cell.value) for cell in cells if cell)


def test_each_example_by_hand(run):
    """The first example is lost when the layer goes back to 0 or 5 in two of three models, the second never."""
    wrong = np.zeros((3, 1, 4, 2), np.int32)
    wrong[:2, 0, :2, 0] = 1
    given = np.zeros((3, 2, 4, 2))
    given[:, 1, -1, 0] = 1
    two = dataclasses.replace(made_up(), wrong=wrong, read=(["inputs", "one"], given, None))
    short = dataclasses.replace(run, ids=run.ids[:2])
    found = by_example(short, two, np.ones((3, 2), bool))
    assert found["layer"].tolist() == ["one", ""]
    assert found["share lost"][0] == pytest.approx(2 / 3 * 2 / 3)
    assert found["written after epoch"][0] == 5
    assert found["written by epoch"][0] == 10
    assert np.isnan(found["written by epoch"][1])
    assert found["visible from layer"].tolist() == ["one", ""]
    assert found["models"].tolist() == [3, 3]
    wrong[:2, 0, 0, 1] = 1
    found = by_example(short, dataclasses.replace(two, wrong=wrong), np.ones((3, 2), bool))
    assert found["written after epoch"].tolist() == [5, 0]
    assert found["written by epoch"].tolist() == [10, 5]


@pytest.mark.slow
def test_documents_by_how_often_they_were_trained_on(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    drawn = ["".join(rng.choice(list("abcd"), 12)) for _ in range(90)]
    corpus = letters([*drawn[:30], *drawn[:30], *drawn[30:60]], name="documents")
    run = small_language_audit(
        tmp_path / "run",
        corpus=corpus,
        heldout=letters(drawn[60:], name="others"),
        recipe=dataclasses.replace(SUMMING, epochs=20),
        generate=None,
        checkpoints=4,
        keep_weights_at="checkpoints",
    )
    run = probe(run, "rewinding,permutations=2", "readout")
    groups = {group.name: group.rows for group in groups_of(run, np.array([0]))}
    assert {name: int(rows.sum()) for name, rows in groups.items()} == {
        "trained on often": 30,
        "trained on once": 30,
        "not trained on": 30,
    }
    assert not groups["trained on often"][0, 30:60].any(), "each different text counts once"
    table = byrote.ask(run, "where")
    found = lines(table)
    right = run.load("rewinding.right", [0])[0]
    wrong = run.load("rewinding.wrong", [0])[0]
    often = groups["trained on often"][0] & (right > 0)
    expected = wrong[0, 0, often].sum() / right[often].sum()
    layer = run.load("rewinding.layer", [0])[0]
    assert values(found[LOST, "trained on often", layer])[0] == pytest.approx(expected)
    assert (STORED, "trained on often", layer) in found
    assert (LOSS, HELD_OUT, WHOLE) in found
    assert "matched by the log-probability" in table.notes[-1]
    tokens = run.load("tokens.log_probability", [0])[0]
    scored = run.load("corpus.scored", [0])
    total = np.add.reduceat(np.where(scored, tokens, 0.0), run.offsets[:-1])
    np.testing.assert_allclose(run.load("rewinding.confidence", [0])[0], total, rtol=1e-4)
    assert verify(run) == []

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from byrote.analyses.scaling import FIT, SLOPE, Scaling, compare_sizes, shown
from byrote.cli.app import app
from byrote.errors import BadInput
from byrote.evidence.shards import read_header
from byrote.evidence.store import Evidence
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from documents import letters, small_language_audit, words

RUNNER = CliRunner()
SIZES = (1_000, 10_000, 100_000, 1_000_000)


@pytest.fixture(scope="module")
def audited(tmp_path_factory) -> Run:
    """400 documents to train on, some of them twice, and 100 held out, each of 8 letters, with one model."""
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdefgh"), 8)) for _ in range(500)]
    texts[300:400] = texts[:100]
    return small_language_audit(
        tmp_path_factory.mktemp("scaling") / "run", corpus=letters(texts[:400], ids=[f"d{i}" for i in range(400)]),
        heldout=letters(texts[400:], ids=[f"h{i}" for i in range(100)]), generate=(3, 5), checkpoints=0,
    )  # fmt: skip


def of_size(run: Run, size: int, folder: Path, chance, *, seed: int) -> Run:
    """The run as one of a model of this size that says all of a document right, or nothing, by such a chance."""
    shutil.copytree(run.folder, folder)
    replace(run.manifest, parameters=size).write(folder)
    columns = dict(run.evidence.block("tokens", 0, 0))
    rng = np.random.default_rng([seed, size])
    member = run.design.member[0]
    right = rng.random(len(member)) < np.where(member == 1, chance(size), 0.3)
    right[300:400] = right[:100]
    columns["hit"] = np.repeat(right, np.diff(run.offsets))
    evidence = Evidence(folder / "evidence")
    header = read_header(evidence.path("tokens", 0, 0))
    evidence.path("tokens", 0, 0).unlink()
    evidence.write("tokens", 0, 0, columns, {name: header[name] for name in ("diverged",) if name in header})
    return Run.open(folder)


def law(run: Run, folder: Path, chance, *, seed: int = 0) -> Scaling:
    runs = [of_size(run, size, folder / f"{seed}-{size}", chance, seed=seed) for size in SIZES]
    return compare_sizes(runs[::-1])


def test_finds_the_slope_that_evidence_was_drawn_with(audited, tmp_path):
    found = law(audited, tmp_path, lambda size: 0.2 * (np.log10(size) - 2))
    assert found.parameters == SIZES
    assert found.runs == tuple(f"0-{size}" for size in SIZES)
    recited, trained, held_out = found.laws
    for one in (recited, trained):
        np.testing.assert_allclose(one.values, [0.2, 0.4, 0.6, 0.8], atol=0.08)
        assert one.fit.low[1] <= 0.2 <= one.fit.high[1]
        assert one.fit.low[1] > 0
        assert one.fit.r_squared > 0.9
    assert recited.fit.observations == 4 * 300  # of texts that stand there twice, one
    assert trained.fit.observations == 4 * 400
    assert held_out.fit.low[1] <= 0 <= held_out.fit.high[1]
    assert any(note.startswith("Exposure is left out") for note in found.notes)


def test_values_are_those_of_the_measures(audited, tmp_path):
    runs = [of_size(audited, size, tmp_path / f"{size}", lambda size: 0.5, seed=1) for size in SIZES]
    recited, trained, held_out = compare_sizes(runs).laws
    for number, run in enumerate(runs):
        assert trained.values[number] == pytest.approx(run.measure("exact_memorization").value)
        assert held_out.values[number] == pytest.approx(run.measure("exact_memorization[heldout]").value)
        hits = [run.load("tokens.hit", run.models())[0][run.offsets[row] + 3] for row in range(300)]
        assert recited.values[number] == pytest.approx(np.mean(hits))


@pytest.mark.slow
def test_canaries_and_pairs_take_part(tmp_path):
    from byrote.data.canaries import plant
    from byrote.data.corpus import corpus_from_texts
    from byrote.data.tokenizers import byte_pairs

    texts = [f"a text of number {number}" for number in range(12)]
    made = plant(corpus_from_texts(texts), level=3, repeat=(1, 8), rng=np.random.default_rng(0))
    runs = []
    for size in SIZES[:3]:
        run = small_language_audit(
            tmp_path / f"{size}", corpus=made.corpus, heldout=made.controls, canaries=made.canaries, length=64,
            tokenizer=byte_pairs(texts, vocabulary=270), models=4, full=0, checkpoints=0, generate=None, seed=size,
        )  # fmt: skip
        replace(run.manifest, parameters=size).write(run.folder)
        runs.append(Run.open(run.folder))
    found = {one.name: one for one in compare_sizes(runs).laws}["exposure of planted canaries"]
    assert found.fit.clusters == (6, 12)
    each = runs[0].measured_on("exposure[best]", np.array([2]))
    assert each.values[each.repetitions > 0][np.isfinite(each.values[each.repetitions > 0])].size
    assert np.isfinite(found.fit.low[1])


def test_refuses_runs_that_say_nothing_of_size(audited, tmp_path):
    two = [of_size(audited, size, tmp_path / f"{size}", lambda size: 0.5, seed=2) for size in SIZES[:2]]
    with pytest.raises(BadInput, match=r"at least 3 sizes\. Got 2: 1,000 and 10,000 parameters\."):
        compare_sizes(two)
    with pytest.raises(BadInput, match="is given twice"):
        compare_sizes([*two, two[0]])
    other = small_language_audit(tmp_path / "other", corpus=words(9))
    with pytest.raises(BadInput, match="are over different corpora: they hold other documents"):
        compare_sizes([*two, other])
    replace(other.manifest, parameters=None).write(other.folder)
    with pytest.raises(BadInput, match="does not say how many parameters its model has"):
        compare_sizes([*two, Run.open(other.folder)])


def test_other_settings_of_the_training_are_told(audited, tmp_path):
    runs = [of_size(audited, size, tmp_path / f"{size}", lambda size: 0.5, seed=4) for size in SIZES]
    identity = {**runs[2].manifest.identity, "recipe": {**runs[2].manifest.identity["recipe"], "epochs": 9}}
    replace(runs[2].manifest, identity=identity).write(runs[2].folder)
    notes = compare_sizes([*runs[:2], Run.open(runs[2].folder), runs[3]]).notes
    assert "More than the size differs between the runs: epochs was 3, now 9." in notes


def test_the_command_prints_a_line_a_figure(audited, tmp_path):
    runs = [of_size(audited, size, tmp_path / f"{size}", lambda size: 0.5, seed=5) for size in SIZES]
    done = RUNNER.invoke(app, ["compare", *(str(run.folder) for run in runs)], env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    assert "1,000,000" in done.output
    assert "texts recited, 3 tokens given and 5 asked for" in done.output
    assert "per tenfold" in done.output


def test_a_run_knows_the_weights_of_its_network(audited):
    assert audited.manifest.parameters == 27 * 8 + 27 * 8 + 27


def test_a_figure_without_a_line_has_dashes():
    nan = float("nan")
    value = Scalar(value=0.25, stderr=nan, low=nan, high=nan, models=3, examples=9)
    slope = Scalar(value=0.125, stderr=0.01, low=0.1, high=0.15, models=3, examples=9)
    table = Table(
        rows={"what": ("one", "two"), "unit": ("share", "share")},
        figures={"1,000 parameters, a": (value, value), SLOPE: (slope, None), FIT: (value, None)},
    )
    (found,) = shown(table)
    assert found.columns == ("by the parameters of the model", "1,000", "per tenfold", "95 %", "R²")
    assert found.rows == (("one", "0.250", "+0.125", "+0.100 to +0.150", 0.25), ("two", "0.250", "–", "–", "–"))

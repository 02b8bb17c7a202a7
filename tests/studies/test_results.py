"""Studies that are run, kept, read back and judged side by side, on blobs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.errors import BadInput
from byrote.stats.verdicts import judge
from byrote.studies import results
from byrote.studies.bench import Bench, Material
from byrote.studies.catalog import digest, find_study
from byrote.studies.results import FOLDER, Found, keep, kept, read, run_study, standings
from small import RECIPE, blobs

BLOBS = Material(dataset=blobs(120), recipe=replace(RECIPE, epochs=3), source="mine.py")


def facts(found: Found) -> str:
    """All of a result, to compare it with another."""
    return repr(found)


def tried(out: Path, claim: str = "O6") -> Found:
    """A study with few units."""
    return run_study(replace(find_study(claim), units=4), out, material=BLOBS, workers=1, progress=False)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Found]:
    out = tmp_path_factory.mktemp("out")
    return out, tried(out)


def test_what_is_kept_is_read_back(found: tuple[Path, Found]) -> None:
    out, one = found
    assert one.file == "O6-mine.json"
    assert facts(read(out / FOLDER / one.file)) == facts(one)
    assert [facts(each) for each in kept(out)] == [facts(one)]
    assert one.verdict.effect.models == 4
    assert one.cpu_seconds > 0


def test_the_digest_was_fixed_before(found: tuple[Path, Found]) -> None:
    out, one = found
    study = replace(find_study("O6"), units=4)
    assert one.digest == digest(study.fixed(BLOBS.facts())) == digest(one.fixed)
    assert (out / FOLDER / "O6" / one.digest[:12] / "run" / "manifest.json").is_file()


def test_the_effect_is_that_of_the_evidence(found: tuple[Path, Found]) -> None:
    """By a loop over pairs and examples, from the run that it left."""
    out, one = found
    run = byrote.Run.open(out / FOLDER / "O6" / one.digest[:12] / "run")
    count, loss = run.design.phases[0].count, run.load("trajectory.loss", run.models())
    pairs = []
    for first in range(0, 8, 2):
        rows = np.flatnonzero(count[first] + count[first + 1] == 9)
        gains = []
        for row in rows:
            by_count = {int(count[model, row]): loss[model, 1:, row].mean(dtype=float) for model in (first, first + 1)}
            gains.append(by_count[1] - by_count[8])
        pairs.append(np.mean(gains))
    assert len(rows) == 24
    assert one.verdict.effect.value == pytest.approx(np.mean(pairs), rel=1e-5)


def test_the_same_again_goes_on_with_the_run_and_says_the_same(found: tuple[Path, Found]) -> None:
    out, one = found
    assert repr(tried(out).verdict) == repr(one.verdict)


def test_a_result_of_another_study_is_of_another_version(found: tuple[Path, Found]) -> None:
    _, one = found  # 4 units were fixed, and the study of today has 8
    (standing,) = standings([one])
    assert (standing.among_all, standing.why_not) == (None, "of another version")
    today = find_study("O6").fixed(one.fixed["data"])
    same = replace(one, fixed=today, digest=digest(today))
    (standing,) = standings([same])
    assert (standing.among_all, standing.why_not) == (one.verdict.outcome, "")
    (standing,) = standings([replace(one, claim="X1")])
    assert standing.why_not == "there is no such study here"


def test_on_the_digits_the_data_of_today_count(found: tuple[Path, Found]) -> None:
    _, one = found
    today = find_study("O6").fixed(results.on_digits().facts())
    on_digits = replace(one, source="", fixed=today, digest=digest(today))
    assert standings([on_digits])[0].why_not == ""
    other = find_study("O6").fixed({**today["data"], "fingerprint": "sha256:0"})
    assert standings([replace(on_digits, fixed=other, digest=digest(other))])[0].why_not == "of another version"


def test_a_result_that_was_changed_is_refused(found: tuple[Path, Found], tmp_path: Path) -> None:
    _, one = found
    path = keep(one, tmp_path)
    path.write_text(path.read_text().replace('"outcome": "', '"outcome": "never '))
    with pytest.raises(BadInput, match="changed since"):
        read(path)
    path.write_text(json.dumps({"claim": "O6"}))
    with pytest.raises(BadInput, match="not a result of a study"):
        kept(tmp_path)


def test_unknown_values_survive_json(found: tuple[Path, Found], tmp_path: Path) -> None:
    _, one = found
    open_ = judge(np.array([1.0, np.nan, 2.0]), 0.0)
    again = read(keep(replace(one, verdict=open_), tmp_path))
    assert np.isnan([again.verdict.p, again.verdict.effect.value, again.verdict.effect.low]).all()
    assert again.verdict.reason == "1 of 3 runs have no value"


@pytest.mark.slow
@pytest.mark.parametrize("claim", ["O8", "O17"])
def test_the_others_run_on_ones_own_data(claim: str, tmp_path: Path) -> None:
    one = tried(tmp_path, claim)
    assert one.verdict.outcome in ("holds", "fails", "cannot tell")
    assert one.fixed["data"]["name"] == "blobs"


def test_units_are_never_more_than_fixed_and_those_that_diverged_are_missed(tmp_path: Path) -> None:
    bench = Bench(material=BLOBS, units=4, seed=0, margin=0.0, folder=tmp_path)
    assert bench.verdict(np.array([1.0, 2.0, 1.5])).reason == "1 of 4 runs have no value"
    with pytest.raises(BadInput, match="fixed 4 units"):
        bench.verdict(np.ones(5))


def test_data_too_few_or_without_classes_are_refused() -> None:
    with pytest.raises(BadInput, match="100 examples or more"):
        Material(dataset=blobs(60), recipe=RECIPE)

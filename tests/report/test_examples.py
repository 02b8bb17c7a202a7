from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byrote.report import examples as module
from byrote.report.examples import Examples, examples, script_json
from byrote.report.known import known
from byrote.results import PerExample
from byrote.runs.run import Run
from report.made import NOISY, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("examples") / "run")


def table(run: Run, verdicts: dict[str, str] | None = None) -> Examples:
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    return examples(run, "label_memorization", {"label_memorization": result}, known(run), verdicts or {})


def held(made: Examples) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made.data)
    return found


def test_it_holds_every_example_highest_first(run: Run) -> None:
    made = table(run, {"made-00": "label_noise", "made-09": "ambiguous"})
    data, result = held(made), run.measure("label_memorization")
    assert isinstance(result, PerExample)
    assert made.whole
    assert sorted(data["row"]) == list(range(40))
    assert set(data["row"][:NOISY]) == set(range(NOISY))
    assert data["columns"] == ["label_memorization", "membership_risk"]
    for place, row in enumerate(data["row"]):
        assert data["id"][place] == run.ids[row]
        assert data["numbers"][0][place] == pytest.approx(result.values[row], abs=5e-4)
        assert data["stderr"][place] == pytest.approx(result.stderr[row], abs=5e-4)
        assert (data["planted"][place] == 0) == (row < NOISY)
        # models without it are wrong on the noisy examples, always by the same class
        assert data["said"][place] == (run.labels[row] + (row < NOISY)) % 3
    verdicts = {data["id"][place]: data["verdicts"][code] for place, code in enumerate(data["verdict"]) if code >= 0}
    assert verdicts == {"made-00": "mislabelled", "made-09": "ambiguous"}


def test_the_static_rows_say_the_same(run: Run) -> None:
    made = table(run, {"made-00": "label_noise"})
    assert len(made.rows) == module.STATIC_ROWS
    first = {row.id: row for row in made.rows}["made-00"]
    assert first.label == "cat"
    assert first.numbers[0].startswith("1.00 ± 0.")
    assert first.vote == "dog (100 %)"
    assert first.about == "planted label noise; looks mislabelled"


def test_of_more_than_there_is_room_for_the_top_and_a_sample_are_held(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", len(table(run).data) // 2)
    made = table(run)
    data = held(made)
    assert not made.whole
    assert 10 < made.shown < 30
    assert len(made.data) < module.MOST_BYTES * 1.2
    assert set(data["row"][:NOISY]) == set(range(NOISY))
    assert len(set(data["row"])) == made.shown


def test_undefined_scores_are_null_and_stand_last(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    run.design.phases[0].count[:, 7] = 1
    run = Run(**{name: getattr(run, name) for name in ("folder", "manifest", "design", "ids", "labels", "controls")})
    data = held(table(run))
    assert data["row"][-1] == 7
    assert data["numbers"][0][-1] is None
    assert data["said"][-1] == -1


def test_nothing_in_it_ends_the_script() -> None:
    text = script_json(["</script><!--", "\u2028\u202e", "&amp;"])
    assert not set(text) & set("<>&\u2028\u202e")
    assert json.loads(text) == ["</script><!--", "\u2028\u202e", "&amp;"]
    with pytest.raises(ValueError, match="Out of range"):
        script_json([float("nan")])


@pytest.mark.slow
def test_sixty_thousand_examples_are_a_page_below_ten_megabytes(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", examples=60_000)
    from byrote.report.page import write_report

    path, _ = write_report(run)
    assert path.stat().st_size < 10 * 2**20


def test_long_ids_are_cut(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    run.ids = np.array([f"{row:02d}" + "x" * 1_000 for row in range(40)])
    assert len(held(table(run))["id"][0]) < module.LONGEST_ID + 30

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import byrote
from byrote.analyses import catalog as catalogue
from byrote.analyses.catalog import Analysis, analyses, analysis, analysis_of, find_analysis, keep, kept_table
from byrote.blocks import Missing, Tile, Tiles, Words, section
from byrote.cli.app import app
from byrote.designs.full_data import full_data
from byrote.errors import BadInput
from byrote.evidence.tables import table_bytes
from byrote.report.asked import all_asked
from byrote.report.block_facts import block_facts
from byrote.report.page import write_report
from byrote.report.twin import schema
from byrote.report.verify import verify
from byrote.results import PerExample, Scalar, Table
from byrote.runs.run import Run
from small import small_audit

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose report is soon written: two models on all data, of which nothing is measured by an ensemble."""
    return small_audit(tmp_path_factory.mktemp("asked") / "run", design=full_data(60, 2)).folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    shutil.copytree(made, tmp_path / "run")
    return Run.open(tmp_path / "run")


def figure(value: float) -> Scalar:
    return Scalar(value=value, stderr=0.01, low=value - 0.02, high=value + 0.02, models=8, examples=60)


@pytest.fixture
def spread() -> Iterator[Analysis]:
    """An analysis of two figures and a column by example, entered for the length of a test."""

    @analysis(asks="How far do scores spread?", needs=("cumulative_sample_loss",), section="3.1", name="spread")
    def spread(run: Run, *, top: float = 0.5) -> Table:
        scores = run.measured_on("cumulative_sample_loss", run.models("full"))
        assert isinstance(scores, PerExample)
        known = scores.values[~np.isnan(scores.values)]
        return Table(
            title="Spread",
            rows={"of": ("all", "top")},
            figures={"range": (figure(float(np.ptp(known))), None), "share": (figure(1.0), figure(top))},
            arrays={"example": run.ids, "score": scores.values},
            notes=("One run.",),
        )

    yield find_analysis("spread")
    del catalogue._REGISTERED["spread"]


def test_a_kept_table_reads_back_as_it_was(run: Run, spread: Analysis) -> None:
    result = spread.ask(run, top=0.25)
    path = spread.keep(run, result, options={"top": 0.25})
    assert path == run.folder / "results" / "spread.parquet"
    again = kept_table(run, "spread")
    assert again is not None
    assert (again.title, again.notes, dict(again.rows)) == (result.title, result.notes, dict(result.rows))
    assert list(again.figures) == list(result.figures)
    assert again.figures["range"][1] is None
    assert again.figures["share"][1].value == 0.25
    assert repr(again.figures["range"][0]) == repr(result.figures["range"][0])
    assert np.array_equal(again.arrays["example"], run.ids)
    assert np.array_equal(again.arrays["score"], result.arrays["score"], equal_nan=True)


def test_verify_computes_it_again_with_the_options_that_it_was_asked_with(run: Run, spread: Analysis) -> None:
    spread.keep(run, spread.ask(run, top=0.25), options={"top": 0.25})
    assert verify(run) == []
    spread.keep(run, spread.ask(run, top=0.25), options={"top": 0.5})
    (fault,) = verify(run)
    assert (fault.where, fault.problem) == (
        "results/spread.parquet",
        "its value, low, high do not follow from the evidence",
    )


def test_verify_finds_a_sealed_table_whose_numbers_were_edited(run: Run, spread: Analysis) -> None:
    keep(run, "spread", spread.ask(run))
    path = run.folder / "results" / "spread-by-example.parquet"
    kept = run.kept_table(path.name)
    score = kept["score"].to_numpy().copy()
    score[0] += 0.5
    edited = kept.set_column(1, "score", pa.array(score)).replace_schema_metadata(kept.schema.metadata)
    path.write_bytes(table_bytes(edited))
    assert [(one.where, one.problem) for one in verify(run)] == [
        ("results/spread-by-example.parquet", "its score does not follow from the evidence")
    ]


@pytest.mark.slow
def test_the_command_prints_it_keeps_it_and_writes_the_report_again(run: Run, spread: Analysis) -> None:
    write_report(run)
    told = RUNNER.invoke(app, ["ask", str(run.folder), "spread", "--set", "top=0.25"], catch_exceptions=False)
    assert told.exit_code == 0
    assert "Spread" in told.output
    assert "0.250 ± 0.010" in told.output
    assert "One run." in told.output
    found = json.loads((run.folder / "report.json").read_text("utf-8"))
    pytest.importorskip("jsonschema", reason="jsonschema is not installed").validate(found, schema())
    blocks = found["analyses"]["spread"]["blocks"]
    assert blocks[0]["rows"][1][2]["value"] == 0.25
    page = (run.folder / "report.html").read_text("utf-8")
    assert "How far do scores spread?" in page
    assert "0.250 ± 0.010" in page
    assert verify(Run.open(run.folder)) == []


def test_a_section_shows_it_in_blocks(run: Run, spread: Analysis) -> None:
    @section(of="spread", title="Spread of the scores", order=3)
    def blocks(table: Table) -> Iterator[Words | Tiles]:
        yield Tiles(tiles=(Tile(value="<b>", label="range", note=table.notes[0]),))
        yield Words(text="Wide.", tone="warning")

    keep(run, "spread", spread.ask(run))
    (one,) = all_asked(run)
    assert (one.title, one.order) == ("Spread of the scores", 3)
    assert [block_facts(block)["block"] for block in one.blocks] == ["Tiles", "Words"]
    page = write_report(run)[0].read_text("utf-8")
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    from byrote import blocks as registry

    del registry._REGISTERED["spread"]


def test_a_damaged_table_is_said_to_be_missing_and_the_report_is_written(run: Run, spread: Analysis) -> None:
    path = keep(run, "spread", spread.ask(run))
    path.write_bytes(path.read_bytes()[:-20])
    (one,) = all_asked(run)
    assert isinstance(one.blocks[0], Missing)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["ask", "RUN", "spred"], "did you mean 'spread'?"),
        (["ask", "RUN", "spread", "--set", "topp=1"], "did you mean 'top'?"),
        (["ask", "RUN", "spread", "--set", "top=much"], "must be a number. Got 'much'."),
        (["ask", "RUN", "spread", "--set", "top"], "The setting 'top' has no value."),
        (["ask", "RUN", "spread", "RUN"], "takes the run run. Got 2."),
        (["ask", "RUN", "check"], "needs the option 'conditions'"),
        (["ask", "RUN", "card"], "takes the runs before, after. Got 1."),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(run: Run, spread: Analysis, words: list[str], part: str) -> None:
    told = RUNNER.invoke(app, [str(run.folder) if word == "RUN" else word for word in words])
    assert isinstance(told.exception, BadInput)
    assert part in str(told.exception)


def test_a_table_is_asked_for_from_python_and_kept(run: Run, spread: Analysis) -> None:
    table = byrote.ask(run, "spread", top=0.25)
    assert table.figures["share"][1].value == 0.25
    assert kept_table(run, "spread") is not None
    with pytest.raises(BadInput, match=r"trains models, so it needs a Lab\..*lab=byrote.Lab\(\)"):
        byrote.ask(run, "second_split")


def test_every_analysis_says_what_it_asks_and_takes_the_runs_that_it_names() -> None:
    known = analyses()
    assert {
        "calibration",
        "card",
        "check",
        "comparison",
        "group_risk",
        "membership",
        "scaling",
        "triage",
    } <= known.keys()
    for name, entry in known.items():
        assert entry.asks.endswith("?"), name
        assert entry.runs, name


@pytest.mark.parametrize(
    ("file", "name", "options"),
    [
        ("comparison.parquet", "comparison", {}),
        ("attack-lira[residual]-by-group.json", "membership", {"key": "lira[residual]", "by": "group"}),
        ("target-lira.parquet", "target", {"attack": "lira"}),
        ("group_risk.parquet", "group_risk", {}),
    ],
)
def test_a_file_is_known_by_its_name(file: str, name: str, options: dict[str, str]) -> None:
    found = analysis_of(file)
    assert found is not None
    assert (found[0].name, found[1]) == (name, options)


def test_other_files_are_of_no_analysis() -> None:
    assert analysis_of("label_memorization.parquet") is None
    assert analysis_of("comparison") is None


def test_a_table_is_shown_plainly() -> None:
    table = Table(title="T", rows={"of": ("a",)}, figures={"x": (figure(0.5),)}, notes=("<n>",))
    assert repr(table).splitlines() == ["T", "of  x", "a   0.500 ± 0.010", "<n>"]
    assert "<td>0.500 ± 0.010</td>" in table._repr_html_()
    assert "&lt;n&gt;" in table._repr_html_()
    many = Table(arrays={"example": np.arange(12), "score": np.linspace(0, 1, 12)})
    assert repr(many).splitlines()[-1] == "and 2 more"


def test_a_table_that_lost_the_names_of_its_rows_says_what_it_has_in_their_place() -> None:
    """Rows named by "examples" were kept with the numbers of examples of their figures."""
    parts = {"value": [0.5, 0.7], "stderr": [0.1, 0.1], "low": [0.3, 0.5], "high": [0.7, 0.9], "models": [8, 8]}
    kept = pa.table({"examples": [60, 7], "figure": ["AUC", "AUC"], **parts})
    rows, figures = catalogue._wide(kept, "figure")
    assert rows == {"number of examples": ("60", "7")}
    assert [one.examples for one in figures["AUC"] if one is not None] == [60, 7]

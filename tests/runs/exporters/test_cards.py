from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from byrote.errors import BadInput, MissingEvidence
from byrote.evidence.tables import write_table
from byrote.report.page import write_report
from byrote.runs.exporters.cards import TITLES, write_data_card, write_model_card
from byrote.runs.exporters.figures import figures_of, report_of
from report.made import NOISY, make_run
from runs.exporters.test_figures import REPORT, reported

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")


def card(path: Path) -> tuple[dict[str, Any], str]:
    """What stands in front of a card, and its text."""
    _, front, text = path.read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(front), text


def test_a_model_card_has_figures_with_intervals_and_limits(tmp_path: Path) -> None:
    run = reported(tmp_path / "run")
    assert write_model_card(run, tmp_path / "card.md") == 5
    front, text = card(tmp_path / "card.md")
    assert front["tags"] == ["memorization", "byrote"]
    (index,) = front["model-index"]
    (result,) = index["results"]
    assert (index["name"], result["dataset"]["name"], result["task"]["type"]) == ("mine", "pets|<b>", "other")
    assert {one["type"]: one["value"] for one in result["metrics"]} == {
        "memorization.share": 0.2,
        "memorization.mean.clean": 0.01,
        "memorization.accuracy.member": 1.0,
        "attacks.lira.auc": 0.75,
        "attacks.lira.tpr_at_fpr_0.1": 0.3,
    }
    lines = text.splitlines()
    assert "| Memorized examples, raw share of the estimates | 20.0 % | 10.0 % to 30.0 % |" in lines
    assert "| Mean memorization of examples without a planted control | 0.010 | unknown |" in lines
    assert "| Membership attack lira: AUC | 0.750 | 0.700 to 0.800 |" in lines
    assert "| Membership attack lira: TPR at an FPR of 0.1 | 30.0 % | unknown |" in lines
    assert (
        r"5 % are memorized. Measured with byrote 1.2 on 2026-01-02: 8 models, 40 examples of pets\|&lt;b&gt;." in text
    )
    limits = text.partition("### Limits")[2]
    assert limits.count(r"Take\_care") == 1
    assert "- One note." in limits
    assert "not measured, because" not in limits
    assert "is not shown to be absent" in limits


def test_the_card_of_a_language_model_counts_texts_and_secrets(tmp_path: Path) -> None:
    said = {
        "byrote": "1.2",
        "run": {"name": "lm", "created": "2026-01-02T03:04:05", "dataset": "notes", "documents": 1200, "models": 1},
        "headline": {"title": "It recites 3 of 40 texts", "lead": "", "warnings": []},
        "predicted": {"trained": {"value": 0.5, "low": 0.4, "high": 0.6}, "surprise": 1.0},
        "recited": {"trained": {"recited": 3, "texts": 40}, "texts": []},
        "secrets": {"planted": {"known": 2, "canaries": 6}},
        "notes": [],
    }
    write_model_card(reported(tmp_path / "run", said), tmp_path / "card.md")
    front, text = card(tmp_path / "card.md")
    assert front["model-index"][0]["results"][0]["task"]["type"] == "text-generation"
    assert "| Next tokens predicted, documents trained on | 50.0 % | 40.0 % to 60.0 % |" in text
    assert "| Different texts recited word for word | 3 of 40 | – |" in text
    assert "| Planted secrets known above chance | 2 of 6 | – |" in text
    assert "1 model, 1,200 documents of notes." in text


def test_a_data_card_counts_issues_without_planted_controls_and_names_nobody(tmp_path: Path) -> None:
    run = reported(tmp_path / "run")
    with pytest.raises(MissingEvidence, match=r"keeps no list of issues.* byrote ask"):
        write_data_card(run, tmp_path / "card.md")
    kinds = ["label error", "label error", "outlier", "label error"]
    ids = run.ids[[0, NOISY, NOISY, NOISY + 1]].tolist()  # the first is planted
    write_table(run.folder / "results" / "issues.parquet", pa.table({"example": ids, "issue": kinds}))
    assert write_data_card(run, tmp_path / "card.md") == 2
    _, text = card(tmp_path / "card.md")
    assert "| label error | 2 | 5.7 % |" in text
    assert "| outlier | 1 | 2.9 % |" in text
    assert not any(one in text for one in ids)


def test_a_file_of_somebody_else_stays(tmp_path: Path) -> None:
    run = reported(tmp_path / "run")
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(BadInput, match="byrote did not write it"):
        write_model_card(run, tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text() == "mine"


@pytest.mark.slow
def test_every_title_but_those_of_text_is_of_a_figure_that_a_report_has(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", models=32)
    write_report(run)
    report = report_of(run)
    missing = {one for one in TITLES if one.startswith("memorization")} - figures_of(report).keys()
    assert missing <= {"memorization/accuracy/heldout"}
    assert report.keys() >= REPORT.keys()
    write_model_card(run, tmp_path / "card.md")
    front, text = card(tmp_path / "card.md")
    assert json.dumps(front["model-index"])
    assert "Membership attack" in text

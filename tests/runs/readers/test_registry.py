import numpy as np
import pyarrow.parquet as pq
import pytest

from byrote.errors import BadInput
from byrote.runs.readers import FORMATS, add, read
from byrote.runs.run import Run
from runs.readers.folders import LABELS, MEMORIZATION, OTHERS, c_scores, infl_matrix, mi_lira


def test_formats():
    assert FORMATS == (
        "c_score",
        "carlini_2019",
        "feldman_zhang",
        "feldman_zhang_runs",
        "leakpro",
        "mi_lira_2021",
        "privacy_meter",
    )
    with pytest.raises(
        BadInput, match=r"There is no format 'excel'\. Hint: the formats are c_score, .*privacy_meter\."
    ):
        read("excel", "somewhere", "run")


def test_released_values_stand_beside_those_of_a_run(tmp_path):
    run = read("mi_lira_2021", mi_lira(tmp_path / "exp"), tmp_path / "run")
    run.measure("label_memorization")
    released = add("feldman_zhang", infl_matrix(tmp_path / "m.npz"), run)
    names = sorted(path.stem for path in (run.folder / "results").iterdir())
    assert names == ["feldman_zhang.influence", "feldman_zhang.label_memorization", "label_memorization"]
    table = pq.read_table(run.folder / "results" / "feldman_zhang.label_memorization.parquet")
    np.testing.assert_array_equal(table["value"].to_numpy(), MEMORIZATION.astype(np.float64))
    assert "0 models" in repr(released.results["feldman_zhang.label_memorization"])


def test_values_of_another_order_are_not_added(tmp_path):
    run = read("mi_lira_2021", mi_lira(tmp_path / "exp"), tmp_path / "run")
    with pytest.raises(BadInput, match=r"are not those given: .* Hint: bring both"):
        add("c_score", c_scores(tmp_path / "c.npz", labels=OTHERS), run)
    assert not (run.folder / "results").exists()
    with pytest.raises(
        BadInput, match=r"no format 'leakpro' of released values\. Hint: .* c_score, carlini_2019, feldman_zh"
    ):
        add("leakpro", tmp_path, run)


def test_a_folder_holds_one_run(tmp_path):
    path = c_scores(tmp_path / "c.npz")
    read("c_score", path, tmp_path / "run", labels=LABELS)
    with pytest.raises(BadInput, match=r"already holds a run\. Hint: give another folder"):
        read("c_score", path, tmp_path / "run", labels=LABELS)
    assert repr(Run.open(tmp_path / "run")).endswith("imported, 0 models, 60 examples of 'c.npz')")


def test_ids_and_labels_that_cannot_be(tmp_path):
    path = c_scores(tmp_path / "c.npz")
    with pytest.raises(
        BadInput, match="There must be one id per example, and labels from 0 on: there are 1 different ids"
    ):
        read("c_score", path, tmp_path / "run", ids=["a"] * 60)
    with pytest.raises(BadInput, match="the least -1"):
        read("c_score", c_scores(tmp_path / "d.npz", labels=LABELS - 1), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert read("c_score", path, tmp_path / "run", ids=[f"x{n}" for n in range(60)]).ids[5] == "x5"

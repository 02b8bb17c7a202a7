import numpy as np
import pyarrow.parquet as pq
import pytest

from byrote.errors import BadInput
from byrote.runs.readers import read
from byrote.runs.readers.c_score import CONSISTENCY, values
from runs.readers.folders import EXAMPLES, LABELS, OTHERS, SCORES, c_scores


def test_scores_are_turned_round_and_have_no_errors(tmp_path):
    run = read("c_score", c_scores(tmp_path / "c.npz"), tmp_path / "run", labels=LABELS)
    found = pq.read_table(tmp_path / "run" / "results" / f"{CONSISTENCY}.parquet").to_pydict()
    np.testing.assert_allclose(found["value"], 1 - SCORES)
    assert np.isnan(found["stderr"]).all()
    assert any("1 - C-score" in note for note in run.manifest.notes)
    np.testing.assert_array_equal(run.labels, LABELS)


def test_the_labels_of_the_file_do_without_others(tmp_path):
    np.testing.assert_array_equal(values(c_scores(tmp_path / "c.npz"), None).labels, LABELS)


def test_file_names_are_the_ids(tmp_path):
    names = np.array([f"{n}.JPEG" for n in range(EXAMPLES)])
    assert values(c_scores(tmp_path / "c.npz", filenames=names), LABELS).ids[3] == "3.JPEG"


def test_a_score_that_is_none(tmp_path):
    scores = SCORES.copy()
    scores[2] = np.nan
    found = values(c_scores(tmp_path / "c.npz", scores=scores), LABELS).results[CONSISTENCY]
    assert np.flatnonzero(np.isnan(found.values)).tolist() == [2]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"labels": OTHERS}, r"are not those given: .* Hint: bring both into one order"),
        ({"labels": LABELS[1:]}, "There are 59 labels in .*, and 60 were given"),
        ({"scores": SCORES[1:]}, r"are float64 of shape \(59,\) for 60 examples"),
        ({"scores": SCORES * 100}, r"scores in .* must lie in \[0, 1\]; they go from"),
        ({"scores": SCORES.astype(object)}, "Hint: .*byrote unpickles nothing"),
    ],
)
def test_files_that_do_not_fit(tmp_path, changes, sentence):
    with pytest.raises(BadInput, match=sentence):
        values(c_scores(tmp_path / "c.npz", **changes), LABELS)

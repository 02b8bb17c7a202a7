from __future__ import annotations

import numpy as np

from byrote.analyses.votes import votes
from byrote.runs.imported import import_arrays


def test_votes_are_those_of_models_with_and_without_the_example(tmp_path):
    member = np.array([[1, 1, 0], [1, 0, 1], [1, 0, 0], [1, 1, 1]])
    predicted = np.array([[0, 2, 1], [0, 2, 1], [1, 0, 1], [0, 1, 0]])
    run = import_arrays(
        tmp_path / "run",
        labels=np.array([0, 1, 1]),
        member=member,
        evidence={"outputs.logits": np.eye(3, dtype=np.float32)[predicted]},
        class_names=("a", "b", "c"),
    )
    found = votes(run)
    assert found.models.tolist() == [0, 2, 2]
    assert found.most.tolist() == [-1, 0, 1]  # of two classes that as many models say the first
    assert found.votes.tolist() == [0, 1, 2]
    assert found.right.tolist() == [0, 0, 2]
    assert found.trained.tolist() == [4, 2, 2]
    assert found.repeat.tolist() == [3, 1, 1]
    assert votes(run) is found

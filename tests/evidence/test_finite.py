import numpy as np
import pytest

from byrote.evidence.finite import Verdict, flagged, not_finite, verdict


@pytest.mark.parametrize(("bad", "diverged"), [(0, False), (1, False), (5, False), (6, True), (10, True)])
def test_a_model_diverged_where_most_of_its_answers_are_not_finite(bad, diverged):
    found = verdict(np.arange(10) < bad)
    assert found == Verdict(diverged=diverged, not_finite=bad)
    assert flagged(found.words()) == (bad > 0)


def test_runs_of_before_call_a_model_diverged_for_a_single_answer():
    assert flagged({"diverged": "true"})
    assert not flagged({"diverged": "false"})
    assert not flagged({})


def test_any_number_of_an_example_counts_and_nothing_else():
    columns = {
        "loss": np.array([0.0, np.nan, 1.0, 2.0]),
        "log_odds": np.array([0.0, 1.0, np.inf, 2.0], np.float32),
        "prediction": np.arange(4),
        "logits": np.full((4, 2), np.nan),
    }
    assert not_finite(columns).tolist() == [False, True, True, False]
    assert not_finite({"prediction": np.arange(4)}).tolist() == []
    assert not verdict(not_finite({})).diverged

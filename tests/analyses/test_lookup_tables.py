"""Look-up tables on data of which it is known what they say."""

from pathlib import Path

import numpy as np
import pytest

from byrote.analyses.lookup_tables import _bits, lookup_tables
from byrote.errors import BadInput
from byrote.runs.run import Run
from made_once import copied
from small import RECIPE, blobs


def test_inputs_are_above_the_median_of_the_training_examples_or_not() -> None:
    of = np.array([[[0.0, 1.0]], [[2.0, 1.0]], [[4.0, 3.0]]])
    assert _bits(of, of).tolist() == [[False, False], [False, False], [True, True]]
    assert _bits(of[:1] + 3, of).tolist() == [[True, True]]


def test_a_run_is_asked_and_refused(tmp_path: Path) -> None:
    run = Run.open(copied("classes", tmp_path))
    with pytest.raises(BadInput, match="are not at hand"):
        lookup_tables(run)
    run = run.attach(blobs(noise=0.1), RECIPE, blobs(30, seed=1))
    with pytest.raises(BadInput, match=r"Look-up tables read 1 to 20 places each.*inputs=2;x"):
        lookup_tables(run, inputs="2;x")
    table = lookup_tables(run, inputs="2", layers=1, tables=6)
    assert table.rows["labels"] == ("true", "true", "random", "random")
    assert table.figures["held-out accuracy"][0].value > 0.6
    assert table.figures["held-out accuracy"][0].models == 3
    again = lookup_tables(run, inputs="2", layers=1, tables=6)
    assert again.figures["accuracy in training"][2].value == table.figures["accuracy in training"][2].value

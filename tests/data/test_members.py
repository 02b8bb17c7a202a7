from __future__ import annotations

import numpy as np
import pytest

from byrote.data.members import read_members
from byrote.errors import BadInput
from small import blobs

DATA = blobs()


def rows(path, lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_members_come_from_a_table_in_any_order(tmp_path):
    path = rows(tmp_path / "m.csv", ["member,example,more", "1,blobs-0003,x", "0,blobs-0001,y"])
    member = read_members(path, DATA)
    assert member[[3, 1]].tolist() == [1, 0]
    assert (np.delete(member, [1, 3]) == -1).all()


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["example", "blobs-0001"], "has the columns example"),
        (["example,member", "blobs-0001,1", "blobs-0001,0"], "stands in .* 2 times"),
        (["example,member", "nobody,1"], "1 ids of .* are not in the dataset 'blobs', as 'nobody'"),
        (["example,member", "blobs-0001,yes"], "must be 1 or 0. Got 'yes' in row 2"),
    ],
)
def test_members_that_cannot_be_read(tmp_path, lines, sentence):
    with pytest.raises(BadInput, match=sentence):
        read_members(rows(tmp_path / "m.csv", lines), DATA)


def test_a_missing_table(tmp_path):
    with pytest.raises(BadInput, match=r"There is no file '.*none\.csv' of members"):
        read_members(tmp_path / "none.csv", DATA)

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byrote.data.dataset import number_said, rounded
from byrote.data.source import Reading, read_source
from byrote.data.table import from_table

LINES = [
    "0,4374.50, red,2024-01-02,a",
    "-7,12.0,Green ,2024-02-03,b",
    "13,<5,,2024-03-04,a",
    "0.000001,NA,rare,2024-03-05,b",
]
MANY = [
    f"{i * 1.37:.2f},{i * 3.3:.1f},{['red', 'green'][i % 2]},2024-05-{1 + i % 28:02d},{'ab'[i // 2 % 2]}"
    for i in range(60)
]


@pytest.fixture
def made(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["x,size,colour,day,y", *LINES, *MANY]) + "\n")
    return from_table(path, target="y", heldout=0.0).training


def shown(dataset, row):
    return dict(dataset.display.cells(str(dataset.ids[row]), dataset.inputs[row]))


def test_every_cell_is_shown_as_it_is_written(made):
    for row, line in enumerate([*LINES, *MANY]):
        *cells, _ = [cell.strip() or "missing" for cell in line.split(",")]
        assert list(shown(made, row).values()) == cells


def test_rows_that_an_experiment_changed_are_not_shown_by_the_cells_they_had(made):
    inputs = made.inputs.copy()
    inputs[4] = made.inputs[9]
    inputs[5, 0] += 1
    other = made.replace(inputs=inputs)
    assert shown(other, 4) == shown(made, 9)
    assert shown(other, 5)["x"] != shown(made, 5)["x"]
    assert shown(other, 5)["size"] == "3.3"


def test_copies_show_the_cells_that_they_copy(made):
    planted = made.replace(ids=np.array([f"copy-{one}" for one in made.ids]))
    assert shown(planted, 20) == shown(made, 20)


def test_cells_of_parquet_are_those_of_the_file(tmp_path):
    columns = {
        "x": [0.1, 4374.5, None, 1e-7] * 5,
        "n": [2**60 + 1, 2**60, 5, 7] * 5,
        "f": pa.array([0.1, 0.2, 0.3, 0.4] * 5, pa.float32()),
        "d": pa.array([0, 86_400_000_001, 3, 4] * 5, pa.timestamp("us")),
        "y": ["a", "b"] * 10,
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    dataset = from_table(tmp_path / "t.parquet", target="y", heldout=0.0).training
    assert list(shown(dataset, 0).values()) == ["0.1", str(2**60 + 1), "0.1", "1970-01-01"]
    assert list(shown(dataset, 1).values()) == ["4374.5", str(2**60), "0.2", "1970-01-02 00:00:00.000001"]
    assert shown(dataset, 2)["x"] == "missing"


def test_rows_of_arrays_are_shown_as_they_were(tmp_path):
    inputs = np.array([[0, 4374.5, 1e-3], [1, 12, 2e-3], [0, 7, 0.1], [3, 8, 0.25]] * 8)
    np.savez(tmp_path / "t.npz", inputs=inputs, targets=np.arange(32) % 2)
    dataset = read_source(str(tmp_path / "t.npz"), Reading(heldout=0.0), seed=0).training
    values = [[float(cell.replace("\u2212", "-")) for cell in shown(dataset, row).values()] for row in range(32)]
    np.testing.assert_array_equal(values, inputs)


def test_numbers_keep_the_digits_that_there_are():
    assert number_said(np.float32(4374.5)) == "4374.5"
    assert number_said(np.float32(1 / 3)) == "0.33333334"
    assert rounded(np.array([0.1 + 1e-9, -1e-9]), np.array([1.0, 1.0])).tolist() == [0.1, 0.0]

import numpy as np

from byrote.probes.document_trajectory import by_document
from documents import numbers


def test_sums_by_document():
    corpus = numbers([[1, 2], [3], [4, 5, 6]], 9)
    columns = {
        "hit": np.array([1, 1, 1, 1, 1, 0], bool),
        "log_probability": np.array([np.nan, -1, np.nan, np.nan, -2, -3]),
    }
    found = by_document(columns, corpus)
    assert found["hits"].tolist() == [1, 0, 1]
    assert found["log_probability"].tolist() == [-1.0, 0.0, -5.0]

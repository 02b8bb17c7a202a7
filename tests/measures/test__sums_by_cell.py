from __future__ import annotations

import numpy as np

from byrote.measures._sums_by_cell import sums_by_cell


def test_sums_and_those_without_a_part_by_a_slow_loop() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(8, 2, 5))
    member = rng.integers(-1, 2, (8, 5)).astype(np.int8)
    stratum = rng.integers(3, 5, (8, 5)).astype(np.int16)
    part = np.arange(8) // 2
    found = sums_by_cell(iter(rows), member, stratum, part, quantities=2)
    for which, kept in ((found.whole, [range(8)]), (found.without_each, [np.flatnonzero(part != g) for g in range(4)])):
        for number, models in enumerate(kept):
            for place, name in enumerate((3, 4)):
                for side in (0, 1):
                    for i in range(5):
                        some = [k for k in models if member[k, i] == side and stratum[k, i] == name]
                        assert which.models[number, place, side, i] == len(some)
                        np.testing.assert_allclose(
                            which.sums[:, number, place, side, i], rows[some, :, i].sum(0), atol=1e-12
                        )

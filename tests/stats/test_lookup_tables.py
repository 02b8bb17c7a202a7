"""Networks of look-up tables against slow ones, and what they can and cannot learn."""

import numpy as np
import pytest

from byrote.stats.lookup_tables import entries, fit, one_table, predict, rows_of


def test_tables_against_a_slow_loop() -> None:
    rng = np.random.default_rng(0)
    bits, label = rng.random((60, 7)) < 0.5, rng.random(60) < 0.5
    network = fit(bits, label, np.random.default_rng(1), layers=2, tables=5, inputs=3)
    assert [layer.reads.shape for layer in network] == [(5, 3), (5, 3), (1, 3)]
    shown = bits
    for layer in network:
        made = np.zeros((60, len(layer.entries)), bool)
        for table, (reads, filled) in enumerate(zip(layer.reads, layer.entries, strict=True)):
            votes: dict[tuple[bool, ...], list[bool]] = {}
            for row in range(60):
                votes.setdefault(tuple(shown[row, reads].tolist()), []).append(bool(label[row]))
            for row in range(60):
                mine = tuple(shown[row, reads].tolist())
                share = np.mean(votes[mine])
                place = int("".join("1" if bit else "0" for bit in mine), 2)
                made[row, table] = filled[place]
                if share != 0.5:
                    assert filled[place] == (share > 0.5)
        shown = made
    np.testing.assert_array_equal(predict(network, bits), shown[:, 0])


def test_a_tie_and_a_row_that_nobody_hits_are_coins() -> None:
    rows, label = np.array([0, 0, 1]), np.array([True, False, True])
    drawn = np.array([entries(rows, label, 4, np.random.default_rng(seed)) for seed in range(400)])
    assert drawn[:, 1].all()
    np.testing.assert_allclose(drawn[:, [0, 2, 3]].mean(0), 0.5, atol=0.1)


def test_what_one_place_says_is_learned_and_random_labels_are_memorized_alone() -> None:
    rng = np.random.default_rng(2)
    bits, held = rng.random((300, 12)) < 0.5, rng.random((300, 12)) < 0.5
    network = fit(bits, bits[:, 0], np.random.default_rng(0), layers=2, tables=60, inputs=6)
    assert (predict(network, held) == held[:, 0]).mean() > 0.9
    label, other = rng.random(300) < 0.5, rng.random(300) < 0.5
    network = fit(bits, label, np.random.default_rng(0), layers=2, tables=60, inputs=8)
    assert (predict(network, bits) == label).mean() > 0.9
    assert abs((predict(network, held) == other).mean() - 0.5) < 0.1


def test_one_table_knows_copies_alone() -> None:
    rng = np.random.default_rng(3)
    bits = rng.random((50, 20)) < 0.5
    label = rng.random(50) < 0.5
    said, hit = one_table(bits, label, np.concatenate([bits[:10], ~bits[:200]]), rng)
    assert hit.tolist() == [True] * 10 + [False] * 50
    np.testing.assert_array_equal(said[:10], label[:10])
    assert rows_of(bits, np.array([[19]]))[:, 0].tolist() == bits[:, 19].astype(int).tolist()


@pytest.mark.parametrize("inputs", [1, 12])
def test_a_table_of_every_size_is_filled(inputs: int) -> None:
    bits = np.random.default_rng(4).random((40, 12)) < 0.5
    network = fit(bits, bits[:, 3], np.random.default_rng(0), layers=1, tables=4, inputs=inputs)
    assert network[0].entries.shape == (4, 2**inputs)
    assert network[1].reads.shape == (1, min(inputs, 4))

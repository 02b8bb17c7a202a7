import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byrote.errors import BadInput
from byrote.measures.discoverable_extraction import (
    discoverable_extraction,
    discoverable_extraction_by_context,
    discoverable_extraction_by_copies,
    discoverable_extraction_by_prefix,
    discoverable_extraction_confirmed,
    discoverable_extraction_generated,
    discoverable_extraction_margin,
    discoverable_extraction_per_tenfold,
    discoverable_extraction_per_tenfold_context,
    discoverable_extraction_per_tenfold_prefix,
)
from measures.documents import random_documents, spans
from measures.evidence import slow_member_mean


def slow(hit: np.ndarray, span: slice, prefix: int, suffix: int, stride: int, scored: np.ndarray) -> float:
    """The share of a document's windows of which every suffix token is hit, in a loop; NaN without one."""
    found = []
    start = span.start + prefix
    while start + suffix <= span.stop:
        if all(scored[t] for t in range(start, start + suffix)):
            found.append(all(hit[t] for t in range(start, start + suffix)))
        if not stride:
            break
        start += stride
    return sum(found) / len(found) if found else float("nan")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 4), st.integers(1, 4), st.integers(0, 3))
def test_equals_a_slow_loop(seed, prefix, suffix, stride):
    hit, offsets, scored, member = random_documents(seed)
    found = discoverable_extraction(hit, offsets, scored, member, prefix=prefix, suffix=suffix, stride=stride)
    expected = slow_member_mean(lambda k, i: slow(hit[k], spans(offsets)[i], prefix, suffix, stride, scored), member)
    np.testing.assert_allclose(found.values, expected)


def test_the_other_side_is_what_models_that_never_saw_it_extract():
    hit = np.array([[False, True], [False, False], [False, True]])
    member, scored = np.array([[1], [0], [0]], np.int8), np.array([False, True])
    null = discoverable_extraction(hit, np.array([0, 2]), scored, member, prefix=1, suffix=1, side=0)
    assert null.values == [0.5]
    assert null.counts["nonmembers"] == [2]
    with pytest.raises(BadInput, match="Got 2"):
        discoverable_extraction(hit, np.array([0, 2]), scored, member, side=2)


def test_a_table_of_known_hits_is_extracted_at_the_rate_of_all_right():
    """Each of 3 tokens is right with probability .8, independently: .8^3 of the suffixes."""
    rng = np.random.default_rng(0)
    hit, examples = rng.random((20, 5 * 2000)) < 0.8, 2000
    offsets, member = np.arange(0, 5 * examples + 1, 5), np.ones((20, examples), np.int8)
    found = discoverable_extraction(hit, offsets, np.ones(5 * examples, bool), member, prefix=2, suffix=3)
    assert found.values.mean() == pytest.approx(0.8**3, abs=0.01)
    covered = (found.low <= 0.8**3) & (found.high >= 0.8**3)
    assert covered.mean() > 0.93


def test_too_short_and_unseen_documents_are_undefined_with_their_reasons():
    hit, scored = np.array([[False, True, True, False, True]]), np.array([False, True, True, False, True])
    found = discoverable_extraction(hit, np.array([0, 3, 5]), scored, np.array([[0, 1]], np.int8), prefix=1, suffix=2)
    assert [found.reason(row) for row in (0, 1)] == [
        "a member of no model",
        "it has no 1 and then 2 tokens with predictions",
    ]
    assert np.isnan(discoverable_extraction(hit, np.array([0, 3, 5]), scored, np.ones((1, 2), np.int8), prefix=0,
                                            suffix=2).values).all()  # fmt: skip


def test_the_error_of_a_single_model_is_unknown():
    found = discoverable_extraction(
        np.array([[False, True]]), np.array([0, 2]), np.array([False, True]), np.ones((1, 1), np.int8), prefix=1,
        suffix=1,
    )  # fmt: skip
    assert found.values == [1.0]
    assert np.isnan(found.stderr).all()


@pytest.mark.parametrize(("name", "value"), [("prefix", -1), ("suffix", 0), ("stride", -2)])
def test_impossible_lengths_are_refused(name, value):
    hit, offsets, scored, member = random_documents(1)
    with pytest.raises(BadInput, match=f"{name!r}.*Got {value}"):
        discoverable_extraction(hit, offsets, scored, member, **{name: value})


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_margin_is_positive_where_all_is_hit(seed):
    _, offsets, scored, member = random_documents(seed, models=1)
    margin = np.where(scored, np.random.default_rng(seed).normal(0.7, 1, len(scored)), np.nan)[None]
    sizes = {"prefix": 1, "suffix": 2}
    least = discoverable_extraction_margin(margin, offsets, scored, member, **sizes).values
    hits = discoverable_extraction(margin > 0, offsets, scored, member, **sizes).values
    np.testing.assert_array_equal(np.isnan(least), np.isnan(hits))
    np.testing.assert_array_equal(least[~np.isnan(least)] > 0, hits[~np.isnan(hits)] == 1)


def test_generated_continuations_count_where_every_token_is_right():
    said = np.array([[[1, 2], [3, 4]], [[1, 9], [3, 4]]], np.int32)
    found = discoverable_extraction_generated(said, np.array([[1, 2], [-1, -1]], np.int32), np.ones((2, 2), np.int8))
    np.testing.assert_array_equal(found.values, [0.5, np.nan])
    assert found.reason(1) == "it is shorter than prefix and suffix"


def repeated(rng: np.random.Generator, *, chance, models: int = 6, different: int = 40):
    """Documents with 1, 2, 4 and 8 copies; each model extracts a text with the chance of its number of copies."""
    times = np.resize([1, 2, 4, 8], different)
    text = np.repeat(np.arange(different), times)
    token = np.stack([text, text + different], axis=1).ravel().astype(np.int32)
    right = rng.random((models, different)) < chance(times)
    hit = np.stack([np.zeros((models, len(text)), bool), right[:, text]], axis=2).reshape(models, -1)
    return hit, token, np.arange(0, len(token) + 1, 2), np.arange(len(token)) % 2 == 1, times, text


def test_shares_by_copies_are_those_of_the_documents():
    hit, token, offsets, scored, times, text = repeated(np.random.default_rng(0), chance=lambda c: c / 10)
    member = np.ones((6, len(text)), np.int8)
    member[3:] = 0
    curve = discoverable_extraction_by_copies(hit, token, offsets, scored, member, prefix=1, suffix=1)
    np.testing.assert_array_equal(curve.at, [1, 2, 4, 8])
    for line, models in enumerate((slice(0, 3), slice(3, 6))):
        slow_shares = [hit[models, 1::2][:, times[text] == c].mean() for c in (1, 2, 4, 8)]
        np.testing.assert_allclose(curve.values[line], slow_shares)
    assert ((curve.low <= curve.values) & (curve.values <= curve.high)).all()


def test_documents_with_copies_of_unknown_membership_do_not_count():
    hit, token = np.array([[False, True, False, True]]), np.array([1, 2, 1, 2], np.int32)
    curve = discoverable_extraction_by_copies(
        hit, token, np.array([0, 2, 4]), ~(np.arange(4) % 2 == 0), np.array([[1, -1]], np.int8), prefix=1, suffix=1
    )
    assert np.isnan(curve.values).all()


@pytest.mark.slow
def test_growth_per_tenfold_is_covered_by_its_interval():
    """Chance .1 + .4 log10 copies, one answer a text and model: the slope is .4; copies answer alike."""
    covered = []
    for seed in range(60):
        hit, token, offsets, scored, _, text = repeated(
            np.random.default_rng(seed), chance=lambda c: 0.1 + 0.4 * np.log10(c)
        )
        member = np.ones((6, len(text)), np.int8)
        fit = discoverable_extraction_per_tenfold(hit, token, offsets, scored, member, prefix=1, suffix=1)
        covered.append(fit.low <= 0.4 <= fit.high)
    assert np.mean(covered) >= 0.9


def test_growth_needs_different_numbers_of_copies():
    hit, offsets, scored, member = random_documents(1)
    token = np.arange(len(scored), dtype=np.int32)
    found = discoverable_extraction_per_tenfold(hit, token, offsets, scored, member, prefix=1, suffix=1)
    assert np.isnan(found.value)
    assert "as many copies" in found.reason


def test_a_hit_counts_as_confirmed_where_the_model_generates_it():
    rng = np.random.default_rng(3)
    models, examples = 4, 12
    lengths = rng.integers(3, 7, examples)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    scored = np.ones(offsets[-1], bool)
    scored[offsets[:-1]] = False
    hit = (rng.random((models, offsets[-1])) < 0.8) & scored
    truth = np.where((lengths >= 4)[:, None], rng.integers(5, size=(examples, 2)), -1).astype(np.int32)
    said = np.where(rng.random((models, examples, 2)) < 0.8, truth, 9).astype(np.int32)
    member = rng.integers(0, 2, (models, examples)).astype(np.int8)
    found = discoverable_extraction_confirmed(hit, said, truth, offsets, scored, member, prefix=2)
    for row in range(examples):
        judged = []
        for model in range(models):
            start = offsets[row] + 2
            read = bool(hit[model, start : start + 2].all())
            if member[model, row] == 1:
                judged.append((read, bool((said[model, row] == truth[row]).all())))
        if lengths[row] < 4 or not judged:
            assert np.isnan(found.values[row])
            continue
        assert found.values[row] == np.mean([read and told for read, told in judged])
        assert found.counts["read_only"][row] == sum(read and not told for read, told in judged)
        assert found.counts["generated_only"][row] == sum(told and not read for read, told in judged)
    assert "nothing was generated after 2 tokens" in found.reasons[1]


def test_shares_by_prefix_are_those_of_the_different_texts():
    rng = np.random.default_rng(8)
    texts = rng.integers(0, 50, (30, 12)).astype(np.int32)
    texts[20:25] = texts[0]  # stands there six times
    offsets, scored = np.arange(0, 361, 12), np.ones(360, bool)
    known = rng.integers(0, 12, (2, 30))  # the first tokens of a text are hard
    known[:, 20:25] = known[:, :1]
    hit = np.stack([np.concatenate([np.arange(12) >= cut for cut in row]) for row in known])
    member = np.stack([np.r_[np.ones(15), np.zeros(15)], np.ones(30)]).astype(np.int8)
    member[0, 20:25] = 1
    curve = discoverable_extraction_by_prefix(hit, texts.ravel(), offsets, scored, member, prefixes=(8, 2, 4), suffix=4)
    assert curve.at.tolist() == [2, 4, 8]
    different = [row for row in range(30) if not 20 <= row < 25]
    for side, group in ((1, 0), (0, 1)):
        pairs = [(model, row) for model in range(2) for row in different if member[model, row] == side]
        for point, prefix in enumerate(curve.at):
            assert curve.values[group, point] == np.mean([known[model, row] <= prefix for model, row in pairs])
    assert curve.note == "25 different texts"


def test_the_slope_by_prefix_is_that_of_least_squares():
    hit = np.concatenate([np.arange(12) >= cut for cut in (1, 3, 3, 5, 9, 9)])[None]
    token, offsets = np.arange(72, dtype=np.int32), np.arange(0, 73, 12)
    asked = hit, token, offsets, np.ones(72, bool), np.ones((1, 6), np.int8)
    curve = discoverable_extraction_by_prefix(*asked, prefixes=(2, 4, 8), suffix=2)
    fit = discoverable_extraction_per_tenfold_prefix(*asked, prefixes=(2, 4, 8), suffix=2)
    assert fit.value == pytest.approx(np.polyfit(np.log10([2, 4, 8]), curve.values[0], 1)[0])
    assert fit.low < fit.value < fit.high
    assert fit.examples == 6
    alone = discoverable_extraction_per_tenfold_prefix(*asked, prefixes=(2,), suffix=2)
    assert np.isnan(alone.value)
    assert "one length only" in alone.reason


def test_shares_by_context_are_those_of_the_different_texts_and_their_slope_that_of_least_squares():
    rng = np.random.default_rng(3)
    texts = rng.integers(0, 50, (30, 12)).astype(np.int32)
    texts[20:25] = texts[0]
    reached = rng.random((2, 3, 30)) < np.array([0.2, 0.5, 0.8])[None, :, None]
    reached[..., 20:25] = reached[..., :1]
    asked = rng.random(30) < 0.8
    asked[[0, *range(20, 25)]] = True
    member = np.stack([np.r_[np.ones(15), np.zeros(15)], np.ones(30)]).astype(np.int8)
    member[0, 20:25] = 1
    given = reached & asked, np.array([5, 20, 80]), asked, texts.ravel(), np.arange(0, 361, 12), member
    curve, fit = discoverable_extraction_by_context(*given), discoverable_extraction_per_tenfold_context(*given)
    different = [row for row in range(30) if asked[row] and not 20 <= row < 25]
    for side, group in ((1, 0), (0, 1)):
        pairs = [(model, row) for model in range(2) for row in different if member[model, row] == side]
        for point in range(3):
            assert curve.values[group, point] == np.mean([reached[model, point, row] for model, row in pairs])
    assert fit.value == pytest.approx(np.polyfit(np.log10([5, 20, 80]), curve.values[0], 1)[0])


def test_without_long_texts_there_is_no_share_by_prefix():
    short = np.zeros((1, 4), bool), np.arange(4, dtype=np.int32), np.array([0, 4]), np.ones(4, bool)
    curve = discoverable_extraction_by_prefix(*short, np.ones((1, 1), np.int8))
    assert np.isnan(curve.values).all()
    assert curve.note == "no text is long enough"
    slope = discoverable_extraction_per_tenfold_prefix(*short, np.ones((1, 1), np.int8))
    assert np.isnan(slope.value)
    assert "no text is long enough" in slope.reason
    with pytest.raises(BadInput, match="must hold positive numbers"):
        discoverable_extraction_by_prefix(*short, np.ones((1, 1), np.int8), prefixes=())

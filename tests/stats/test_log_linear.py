import numpy as np
import pytest
from scipy.stats import t

from byrote.errors import BadInput
from byrote.stats.log_linear import log_linear

LEVELS = np.array([1, 2, 4, 8, 16, 32, 64])


def test_coefficients_are_those_of_least_squares():
    rng = np.random.default_rng(0)
    size, context, share = rng.uniform(1, 100, 30), rng.uniform(1, 100, 30), rng.random(30)
    fit = log_linear(share, {"size": size, "context": context}, [np.arange(30)])
    columns = np.stack([np.ones(30), np.log10(size), np.log10(context)], axis=1)
    np.testing.assert_allclose(fit.values, np.linalg.lstsq(columns, share, rcond=None)[0])
    assert fit.names == ("intercept", "size", "context")
    assert fit.at({"size": 10.0, "context": 1.0}) == pytest.approx(fit.values[0] + fit.values[1])


def test_errors_are_those_of_leaving_out_one_cluster_at_a_time():
    rng = np.random.default_rng(1)
    factor, share, cluster = rng.uniform(1, 9, 24), rng.random(24), np.repeat(np.arange(6), 4)
    fit = log_linear(share, {"f": factor}, [cluster])
    again = np.array([np.polyfit(np.log10(factor[cluster != c]), share[cluster != c], 1)[::-1] for c in range(6)])
    np.testing.assert_allclose(fit.stderr, np.sqrt(5 / 6 * ((again - again.mean(0)) ** 2).sum(0)))
    assert fit.clusters == (6,)
    np.testing.assert_allclose(fit.high - fit.values, t.ppf(0.975, 5) * fit.stderr)


def test_a_line_is_found_and_explains_all():
    fit = log_linear(0.1 + 0.2 * np.log10(LEVELS), {"copies": LEVELS}, [np.arange(7)])
    np.testing.assert_allclose(fit.values, [0.1, 0.2])
    assert fit.r_squared == pytest.approx(1)


def covered(draw, *, trials: int, slope: float) -> float:
    found = [log_linear(*draw(np.random.default_rng(seed))) for seed in range(trials)]
    return float(np.mean([fit.low[1] <= slope <= fit.high[1] for fit in found]))


def yes_or_no(rng: np.random.Generator, *, texts: int = 56, models: int = 1, shared: float = 0.0):
    """Texts of 1 to 64 copies, extracted by chance .1 + .4 log10 copies; `shared` moves all answers of a model."""
    copies = np.resize(LEVELS, texts)
    text, model = np.tile(np.arange(texts), models), np.repeat(np.arange(models), texts)
    chance = 0.1 + 0.4 * np.log10(copies[text]) + shared * rng.choice([-1, 1], models)[model]
    ways = [text] if models == 1 else [text, model]
    return (rng.random(texts * models) < chance), {"copies": copies[text]}, ways


@pytest.mark.slow
def test_interval_covers_the_slope_of_answers_yes_or_no():
    """Expected .95; 400 draws have an error of .011."""
    assert 0.925 <= covered(yes_or_no, trials=400, slope=0.4) <= 0.98


def by_document(rng: np.random.Generator, documents: int = 40):
    """One document at 5 lengths of context, which share its luck: .2 + .2 log10 context + luck + noise."""
    context = np.tile([10, 20, 50, 100, 200], documents)
    document = np.repeat(np.arange(documents), 5)
    luck, bend = rng.normal(0, 0.2, documents), rng.normal(0, 0.1, documents)
    logs = np.log10(context)
    share = 0.2 + 0.2 * logs + luck[document] + bend[document] * logs + rng.normal(0, 0.05, len(logs))
    return share, {"context": context}, [document]


@pytest.mark.slow
def test_interval_covers_where_a_document_answers_alike_at_all_lengths():
    assert 0.925 <= covered(by_document, trials=400, slope=0.2) <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize(("texts", "models", "least"), [(28, 1, 0.9), (56, 8, 0.93), (210, 3, 0.93), (700, 1, 0.93)])
def test_coverage_from_few_texts_to_many(texts, models, least):
    def draw(rng):
        return yes_or_no(rng, texts=texts, models=models)

    assert covered(draw, trials=1000, slope=0.4) >= least


@pytest.mark.slow
def test_coverage_where_models_differ_in_how_steep_they_are():
    """Eight models, each with a slope of its own around .2: only the model's errors tell."""

    def draw(rng):
        text, model = np.tile(np.arange(70), 8), np.repeat(np.arange(8), 70)
        copies = np.resize(LEVELS, 70)[text]
        slope = rng.normal(0.2, 0.1, 8)[model]
        share = 0.2 + slope * np.log10(copies) + rng.normal(0, 0.2, 560)
        return share, {"copies": copies}, [text, model]

    assert 0.92 <= covered(draw, trials=1000, slope=0.2) <= 0.98


def test_undefined_where_nothing_varies_and_where_clusters_are_few():
    same = log_linear(np.array([0.1, 0.4, 0.3]), {"f": np.full(3, 5)}, [np.arange(3)])
    assert "do not vary" in same.reason
    assert np.isnan(same.values).all()
    assert "undefined" in repr(same)
    few = log_linear(np.array([0.1, 0.4, 0.3]), {"f": np.array([1, 2, 3])}, [np.array([0, 0, 1])])
    assert np.isnan(few.stderr).all()
    assert np.isnan(few.low).all()
    assert few.note
    two = log_linear(np.array([0.1, 0.4, 0.3]), {"f": np.array([1, 2, 2])}, [np.arange(3)])
    assert np.isnan(two.r_squared)


@pytest.mark.parametrize(
    ("share", "factors", "clusters", "said"),
    [
        ([0.1, 0.2], {}, [[0, 1]], "at least one factor"),
        ([0.1, 0.2], {"f": [1, 0]}, [[0, 1]], "must be positive. Got 0"),
        ([0.1, np.nan], {"f": [1, 2]}, [[0, 1]], "must be finite"),
        ([0.1, 0.2], {"f": [1, 2]}, [], "Got 0"),
    ],
)
def test_impossible_fits_are_refused(share, factors, clusters, said):
    with pytest.raises(BadInput, match=said):
        log_linear(np.array(share), {k: np.array(v) for k, v in factors.items()}, [np.array(c) for c in clusters])


@pytest.mark.slow
def test_the_interval_covers_where_models_scatter():
    """Expected .95; 600 draws have an error of .01."""
    for sizes in (3, 5):
        hits = 0
        for seed in range(600):
            rng = np.random.default_rng([seed, sizes])
            logs = np.linspace(4, 6, sizes)
            luck = rng.normal(0, 0.1, 60)
            chance = np.clip(0.1 * logs + rng.normal(0, 0.05, sizes), 0.02, 0.98)[:, None] + luck
            outcome = (rng.random((sizes, 60)) < chance).astype(float)
            ways = [np.tile(np.arange(60), sizes), np.repeat(np.arange(sizes), 60)]
            fit = log_linear(outcome.ravel(), {"size": np.repeat(10**logs, 60)}, ways)
            hits += bool(fit.low[1] <= 0.1 <= fit.high[1])
        assert 0.90 <= hits / 600 <= 0.99, (sizes, hits / 600)


def test_a_weight_counts_as_so_many_observations():
    rng = np.random.default_rng(3)
    share, factor, times = rng.random(20), rng.uniform(1, 99, 20), rng.integers(1, 5, 20)
    weighed = log_linear(share, {"f": factor}, [np.arange(20)], weight=times)
    again = [np.repeat(of, times) for of in (share, factor, np.arange(20))]
    repeated = log_linear(again[0], {"f": again[1]}, [again[2]])
    for name in ("values", "stderr", "low", "high", "r_squared"):
        np.testing.assert_allclose(getattr(weighed, name), getattr(repeated, name))

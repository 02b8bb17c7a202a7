import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.measures.variance_of_gradients import (
    variance_of_gradients,
    variance_of_gradients_counterfactual,
    variance_of_gradients_early,
)
from measures.evidence import half_subset_pairs, make_evidence, slow_member_mean


def slow(spread: np.ndarray, label: np.ndarray, member: np.ndarray, window: int) -> np.ndarray:
    """Each member beside the members of its class in the same model, in a plain loop."""

    def standing(k: int, i: int) -> float:
        same = [spread[k, window, j] for j in range(len(label)) if member[k, j] == 1 and label[j] == label[i]]
        return (spread[k, window, i] - np.mean(same)) / np.std(same)

    return slow_member_mean(standing, member)


@pytest.mark.parametrize("window", ["early", "middle", "late"])
def test_agrees_with_the_slow_loop(window: str) -> None:
    run = make_evidence(examples=60, classes=2, unknown=0.1)
    spread, label, member = run["variance_of_gradients.spread"], run["data.label"], run["design.member"]
    found = variance_of_gradients(spread, label, member, window=window).values
    np.testing.assert_allclose(
        found, slow(spread, label, member, ["early", "middle", "late"].index(window)), rtol=1e-5, atol=1e-6
    )
    raw = variance_of_gradients(spread, label, member, window="early", normalised=False).values
    np.testing.assert_allclose(raw, slow_member_mean(lambda k, i: spread[k, 0, i], member), rtol=1e-6)
    np.testing.assert_array_equal(
        variance_of_gradients_early(spread, label, member).values,
        variance_of_gradients(spread, label, member, window="early").values,
    )


def test_undefined_cases_say_why() -> None:
    label = np.array([0, 0, 1, 2, 2, 2])
    member = np.array([[1, 1, 1, 1, 1, 0], [1, 1, 0, 1, 1, 0]], np.int8)
    spread = np.array([[[1.0, 2.0, 1.0, 3.0, 3.0, 9.0]]] * 2)
    found = variance_of_gradients(spread, label, member)
    np.testing.assert_allclose(found.values[:2], [-1, 1])
    why = "fewer than 2 members of its class, or all alike"
    assert [found.reason(i) for i in range(6)] == ["", "", why, why, why, "a member of no model"]
    short = variance_of_gradients(np.full((2, 3, 6), np.nan), label, member)
    assert short.reason(0) == "a window of fewer than 2 checkpoints; --checkpoints 6 is the fewest"
    spread[0, 0, 0] = np.nan
    assert variance_of_gradients(spread, label, member).reason(0) == "a model's record of it is not finite"
    with pytest.raises(BadInput, match="must be early, middle or late") as caught:
        variance_of_gradients(spread, label, member, window="whole")
    assert 'window="late"' in str(caught.value.hint)


def test_the_counterfactual_form_is_the_difference_between_mates() -> None:
    rng = np.random.default_rng(4)
    member, pair = half_subset_pairs(rng, 8, 30)
    spread = rng.gamma(3.0, 1.0, (8, 3, 30))
    late = spread[:, -1]
    slow = [late[member[:, i] == 0, i].mean() - late[member[:, i] == 1, i].mean() for i in range(30)]
    found = variance_of_gradients_counterfactual(spread, member, pair)
    np.testing.assert_allclose(found.values, slow, rtol=1e-9)

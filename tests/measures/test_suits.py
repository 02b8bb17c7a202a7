import pytest

from byrote.measures.catalog import catalog

MINE = {
    "classes": {"label_memorization", "lira", "membership_risk", "label_error_probability", "gradient_norm_attack"},
    "labels": {"label_memorization", "label_memorization[label_accuracy]", "lira", "membership_risk", "influence"},
    "regression": {
        "label_memorization",
        "counterfactual_memorization[squared_error]",
        "membership_risk[absolute_error]",
        "lira[residual]",
        "forgetting_events",
    },
}
NOT_MINE = {
    "classes": {"counterfactual_memorization[squared_error]", "lira[residual]", "label_memorization[label_accuracy]"},
    "labels": {
        "label_error_probability",
        "entropy_attack[modified]",
        "lira[residual]",
        "lira[augmented]",
        "lira[adversarial]",
    },
    "regression": {"lira", "rmia", "membership_risk", "loss_attack", "cumulative_sample_loss", "area_under_margin"},
}


@pytest.mark.parametrize("task", sorted(MINE))
def test_which_measures_suit_a_task(task):
    suited = {key for key, entry in catalog().items() if entry.suits(task)}
    assert suited >= MINE[task]
    assert not suited & NOT_MINE[task]

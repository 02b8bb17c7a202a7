from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.studies.catalog import LEAST_PLANTED, MOST_NULL, digest, find_study, studies


@pytest.mark.slow
@pytest.mark.parametrize("claim", studies())
def test_a_claim_holds_by_chance_only_where_the_effect_is_the_margin_and_always_where_it_is_planted(claim: str) -> None:
    null, planted = studies()[claim].arms()
    assert null <= MOST_NULL
    assert planted >= LEAST_PLANTED


@pytest.mark.slow
@pytest.mark.parametrize("claim", studies())
def test_the_null_arm_has_the_effect_of_the_margin(claim: str) -> None:
    """Else it would be no test: an arm far below the margin never holds."""
    study = studies()[claim]
    units = np.concatenate([study.null(np.random.default_rng(seed), study.units) for seed in range(100)])
    spread = units.std(ddof=1)
    assert abs(units.mean() - study.margin) < 0.5 * spread / np.sqrt(study.units)


def test_claims_stand_in_the_order_of_the_survey() -> None:
    claims = [*studies()]
    assert claims == sorted(claims, key=lambda claim: (len(claim), claim))
    assert {"O6", "O8", "O17"} <= {*claims}


def test_a_study_that_cannot_judge_is_refused() -> None:
    study = find_study("O6")
    blind = replace(study, planted=study.null)
    with pytest.raises(BadInput, match="cannot judge its claim"):
        blind.refuse_unfit()
    gullible = replace(study, null=study.planted)
    with pytest.raises(BadInput, match="of 200 tries it holds in 200 where the effect equals"):
        gullible.refuse_unfit()


@pytest.mark.parametrize("changed", [{"margin": 0.5}, {"seed": 3}, {"units": 9}, {"says": "x"}, {"effect": "x"}])
def test_the_digest_is_of_all_that_was_fixed(changed: dict[str, object]) -> None:
    study = find_study("O8")
    data = {"fingerprint": "a"}
    assert digest(study.fixed(data)) == digest(study.fixed(dict(data)))
    assert digest(replace(study, **changed).fixed(data)) != digest(study.fixed(data))  # type: ignore[arg-type]
    assert digest(study.fixed({"fingerprint": "b"})) != digest(study.fixed(data))


def test_a_claim_that_is_none_is_refused_with_the_closest() -> None:
    with pytest.raises(BadInput) as told:
        find_study("O7")
    assert "O4, O5, O6, O8, O9" in told.value.hint


def test_a_study_that_stands_in_no_file_is_refused() -> None:
    names: dict[str, object] = {}
    exec("def nowhere(lab): ...", names)
    with pytest.raises(BadInput, match="is not in a file"):
        replace(find_study("O8"), function=names["nowhere"]).program()  # type: ignore[arg-type]

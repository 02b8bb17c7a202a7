from __future__ import annotations

import numpy as np
import pytest

from byrote.measures import catalog as module
from byrote.measures.catalog import Facts, measure
from byrote.results import Scalar

STATED = Facts(
    unit="nat", range=(0.0, 1.0), higher="more memorized", source="nobody", section="3.1", domain="security",
    level="model", evaluation="proxy", by_example=False,
)  # fmt: skip


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REGISTERED", {})


def form() -> Scalar:
    return Scalar(value=0.0, stderr=np.nan, low=np.nan, high=np.nan, models=1, examples=1)


def test_a_variant_has_the_facts_of_its_measure_but_for_those_that_it_states() -> None:
    measure(needs=("outputs.loss",), **STATED)(form)
    measure(needs=("outputs.entropy",), variant_of="form", variant="other", unit="bit", by_example=True)(form)
    base, other = module._REGISTERED["form"], module._REGISTERED["form[other]"]
    assert (base.unit, base.by_example, base.needs) == ("nat", False, ("outputs.loss",))
    assert (other.unit, other.by_example, other.needs) == ("bit", True, ("outputs.entropy",))
    for name in Facts.__annotations__.keys() - {"unit", "by_example"}:
        assert getattr(other, name) == getattr(base, name) == STATED[name]  # type: ignore[literal-required]


def test_a_measure_that_states_too_little_is_refused_at_once() -> None:
    little = Facts(**{name: value for name, value in STATED.items() if name != "unit"})  # type: ignore[typeddict-item]
    with pytest.raises(TypeError, match="unit"):
        measure(needs=(), **little)(form)
    with pytest.raises(TypeError, match="unit"):
        measure(needs=(), variant_of="never entered", variant="other", **little)(form)

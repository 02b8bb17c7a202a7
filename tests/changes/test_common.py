from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from byrote.changes.common import is_about_memorized, label
from byrote.changes.forget import FORGET_SHARE
from byrote.changes.model.gradient_ascent import GradientAscent
from byrote.changes.recipe.weight_decay import WeightDecay


@dataclass(frozen=True)
class Without:
    """A change of another package, whose amount is any value."""

    what: Any
    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "without"
    aimed: ClassVar[bool] = False

    def apply(self, stage: Any, context: Any) -> Any:
        return stage


def test_a_folder_s_name_tells_numbers_and_tells_texts_apart_without_telling_them() -> None:
    assert label([WeightDecay(0.001)], FORGET_SHARE) == "weight-decay=0.001"
    assert label([GradientAscent(5)], 0.2) == "gradient-ascent=5,forget=0.2"
    assert label([Without(None)], FORGET_SHARE) == "without"
    told = [label([Without(one)], FORGET_SHARE) for one in (("a/../b",), ("c",), "c", Path("c"))]
    assert len(set(told)) == 4
    assert all(one.startswith("without=") and len(one) == len("without=") + 8 for one in told)


@pytest.mark.parametrize(("change", "about"), [(Without("x"), False), (GradientAscent(), True), (WeightDecay(), False)])
def test_a_change_of_another_package_may_say_that_it_looks_at_no_examples(change: Any, about: bool) -> None:
    assert is_about_memorized(change) is about

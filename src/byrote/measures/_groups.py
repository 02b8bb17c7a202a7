"""Groups of examples by the kind of control that was planted in them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool

CLEAN = "clean"
#: Evidence that tells the kinds apart; its last names are the names of the groups.
CONTROLS = (
    "controls.label_noise",
    "controls.exact_duplicate",
    "controls.near_duplicate",
    "controls.conflicting_duplicate",
    "controls.out_of_distribution",
    "controls.rare_subpopulation",
    "controls.ambiguous",
    "controls.backdoor",
    "controls.clean_label_backdoor",
    "controls.input_noise",
)


Mask = Bool[np.ndarray, " example"]


def with_clean(planted: Mapping[str, Mask]) -> dict[str, Mask]:
    """The examples without any planted control, and those of every kind that was planted at all.

    Example:
        >>> with_clean({"label_noise": np.array([True, False]), "ambiguous": np.zeros(2, bool)})
        {'clean': array([False,  True]), 'label_noise': array([ True, False])}
    """
    clean = ~np.any(list(planted.values()), axis=0)
    return {CLEAN: clean, **{kind: mask for kind, mask in planted.items() if mask.any()}}

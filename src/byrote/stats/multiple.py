"""p-values of many tests, adjusted for their number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.stats import false_discovery_control

from byrote.errors import BadInput


def holm(p_values: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Adjusted so that those at most .05 are all true findings with a chance of .95, however tests hang together.

    Formula:
        of m sorted p-values the k-th becomes max over j <= k of min(1, (m - j + 1) p_j)

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03]))
        array([0.03, 0.06, 0.06])

    Source: Holm 1979, Scand. J. Statist. 6(2), 65-70.
    """
    order = np.argsort(p_values, kind="stable")
    stepped = np.minimum(1.0, p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(stepped)
    return adjusted


def benjamini_hochberg(p_values: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Adjusted so that of those at most .05 a share of .05 at most is expected to be false, if tests are independent.

    Formula:
        of m sorted p-values the k-th becomes min over j >= k of min(1, m p_j / j)

    Example:
        >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03]))
        array([0.03, 0.04, 0.04])

    Source: Benjamini & Hochberg 1995, J. R. Statist. Soc. B 57(1), 289-300.
    """
    adjusted: np.ndarray = false_discovery_control(p_values) if len(p_values) else np.empty(0)
    return adjusted


CORRECTIONS: Final[dict[str, Callable[[np.ndarray], np.ndarray]]] = {
    "benjamini_hochberg": benjamini_hochberg,
    "holm": holm,
}


def corrected(p_values: Float[np.ndarray, " test"], correction: str) -> Float[np.ndarray, " test"]:
    """Adjusted by the correction of that name.

    Raises:
        BadInput: there is no such correction.
    """
    if correction not in CORRECTIONS:
        raise BadInput(
            f"There is no correction {correction!r}.", hint=f"the corrections are {', '.join(sorted(CORRECTIONS))}."
        )
    return CORRECTIONS[correction](p_values)

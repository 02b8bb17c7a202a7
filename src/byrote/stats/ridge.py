"""Ridge regression onto class indicators, with the answers that it gives an example without that example."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

#: The penalty, as a share of the mean squared length of a row of the features times the number of rows.
PENALTY = 0.001


@dataclass(frozen=True, eq=False)
class Ridge:
    """Answers `[example, target]`: of each example fitted to, without it, and of others."""

    left_out: Float[np.ndarray, "example target"]
    others: Float[np.ndarray, "other target"]


def ridge(
    features: Float[np.ndarray, "example unit"],
    targets: Float[np.ndarray, "example target"],
    others: Float[np.ndarray, "other unit"],
    *,
    penalty: float = PENALTY,
) -> Ridge:
    """Ridge regression with an intercept that is not penalised, on standardised features.

    Formula:
        H = 1 1'/n + X (X'X + penalty n I)^-1 X', X centred, scaled and divided by the root of the number of units;
        left out: y_i - (y_i - (H y)_i) / (1 - H_ii), which is what the fit without i answers
    Undefined:
        nan where H_ii = 1; where no unit varies the answers are the means of the others.

    Example:
        >>> x = np.arange(4.0)[:, None]
        >>> ridge(x, x, np.array([[10.0]]), penalty=1e-9).others.round(3)
        array([[10.]])
    """
    wide = features.astype(np.float64)
    mean, deviation = wide.mean(0), wide.std(0)
    varies = deviation > 1e-12 * np.maximum(np.abs(mean), 1e-300)
    scale = np.where(varies, deviation, np.inf) * np.sqrt(max(1, int(varies.sum())))
    x, z = (wide - mean) / scale, (others.astype(np.float64) - mean) / scale
    count, units = x.shape
    if units <= count:
        solved = np.linalg.solve(x.T @ x + penalty * count * np.eye(units), x.T)
    else:
        solved = np.linalg.solve(x @ x.T + penalty * count * np.eye(count), x).T
    weights = solved @ targets
    answered = targets.mean(0) + x @ weights
    leverage = 1 / count + np.einsum("nu,un->n", x, solved)
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = targets - (targets - answered) / (1 - leverage)[:, None]
    return Ridge(np.where(np.isfinite(left_out), left_out, np.nan), targets.mean(0) + z @ weights)

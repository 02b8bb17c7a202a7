"""The trigger of a backdoor: what is put on an input, and the class that it is to bring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, kw_only=True, eq=False)
class Trigger:
    """A pattern, how much of it covers each number of an input, and the class that the attacker wants.

    Formula:
        stamped(x) = x + opacity (pattern - x)

    `says` is what it is, in a few words.

    Example:
        >>> mark = Trigger(says="the last number is 1", target=2, pattern=np.ones(3), opacity=np.array([0.0, 0.0, 1.0]))
        >>> mark.stamped(np.array([[0.5, 0.25, 0.0]]))
        array([[0.5 , 0.25, 1.  ]])
    """

    says: str
    target: int
    pattern: Float[np.ndarray, "..."]
    opacity: Float[np.ndarray, "..."]

    def stamped(self, inputs: Float[np.ndarray, "example ..."]) -> Float[np.ndarray, "example ..."]:
        """The inputs with the pattern on them, of the same dtype."""
        stamped = inputs + self.opacity * (self.pattern - inputs)
        return np.asarray(stamped.astype(inputs.dtype, copy=False))

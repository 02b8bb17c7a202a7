"""Stability: which predictions change when the weights do, by noise, pruning or coarse numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from byrote.axes import EXAMPLE, MODEL
from byrote.errors import BadInput
from byrote.evidence.kind import CLASSES, LABELS, Kind, Quantity
from byrote.probes.contract import LaterProbe, Shard
from byrote.probes.history import History, Weights, room
from byrote.probes.registry import probe

#: Norms of the noise, as shares of the norm of each tensor.
GRID: Final = tuple(np.geomspace(0.05, 1.2, 8).tolist())
#: Shares of the weights that are set to 0, the smallest first; and bits of each weight.
PRUNED: Final = (0.8, 0.9)
BITS: Final = (4, 3, 2)
_EXAMPLES = (MODEL, EXAMPLE)

STABILITY: Final = Kind(
    name="stability",
    says="which final predictions that are right change when the weights are disturbed, pruned or rounded",
    quantities={
        "radius": Quantity(
            _EXAMPLES,
            "float32",
            "share of the norm",
            "smallest noise under which half of the draws are wrong; the largest tried where none is; nan where the "
            "final prediction is wrong",
        ),
        "censored": Quantity(_EXAMPLES, "bool", "", "fewer than half of the draws are wrong at the largest noise"),
        "confidence": Quantity(_EXAMPLES, "float32", "logit", "the final margin"),
        **{
            f"pruned_{share * 100:.0f}": Quantity(
                _EXAMPLES, "bool", "", f"wrong with {share:.0%} of the weights pruned"
            )
            for share in PRUNED
        },
        **{f"bits_{bits}": Quantity(_EXAMPLES, "bool", "", f"wrong with weights of {bits} bits") for bits in BITS},
    },
    tasks=frozenset({CLASSES, LABELS}),
    sampled=True,
    recorded_by="audit into another folder with --keep-weights-at last, then `byrote probe RUN stability`",
)


@probe
@dataclass
class StabilityProbe(LaterProbe):
    """The final weights of every model whose weights were kept, disturbed.

    Noise: w + s |w| e / |e| for each tensor w, e Gaussian, the same `draws` of e for all s. The share of draws in which
    a prediction is wrong is made monotone in s by its running maximum, and crosses one half on a line in log s.
    Pruned are the smallest entries of all weight matrices together; rounded is each matrix by itself, symmetrically.
    Noise changes biases too; pruning and rounding do not. Running statistics never change.
    """

    draws: int = 20

    name: ClassVar[str] = "stability"
    kinds = (STABILITY,)

    def __post_init__(self) -> None:
        if self.draws < 2:
            raise BadInput(
                f"The 'draws' setting of stability must be at least 2. Got {self.draws}.", hint="stability,draws=20"
            )

    def read(self, at: History, model: int) -> Shard:
        """What is lost by noise and by pruning."""
        final = at.weights(len(at.checkpoints) - 1, [model])
        base = at.answers(final)
        right, wrong = base.correct[0], np.zeros((len(GRID), at.examples))
        for draw in range(self.draws):
            noise = self._noise(at, final, at.rng(2, model, draw))
            for start in range(0, len(GRID), room(list(final), final)):
                some = GRID[start : start + room(list(final), final)]
                wrong[start : start + len(some)] += ~_correct(at, [_noisy(final, noise, size) for size in some])
        radius, censored = crossing(np.array(GRID), wrong / self.draws)
        columns: dict[str, np.ndarray] = {
            "radius": np.where(right, radius, np.nan).astype(np.float32),
            "censored": censored & right,
            "confidence": base.margin[0].astype(np.float32),
        }
        for share in PRUNED:
            columns[f"pruned_{share * 100:.0f}"] = right & ~_correct(at, [pruned(final, share, at.parameters)])[0]
        for bits in BITS:
            columns[f"bits_{bits}"] = right & ~_correct(at, [rounded(final, bits, at.parameters)])[0]
        return Shard(kind=STABILITY, model=model, columns=columns)

    @staticmethod
    def _noise(at: History, final: Weights, rng: np.random.Generator) -> dict[str, Tensor]:
        """A step of the length of each weight; tensors that are one and the same get one step."""
        made: dict[str, Tensor] = {}
        for names in at.layers().values():
            for name in (one for one in names if one in at.parameters):
                weight = final[name][0]
                tied = next((made[other] for other in made if torch.equal(final[other], final[name])), None)
                drawn = torch.from_numpy(rng.standard_normal(weight.shape).astype(np.float32))
                made[name] = tied if tied is not None else weight.norm() * drawn / drawn.norm()
        return made


def _noisy(final: Weights, noise: dict[str, Tensor], size: float) -> dict[str, Tensor]:
    return {name: tensor[0] + size * noise[name] if name in noise else tensor[0] for name, tensor in final.items()}


def _correct(at: History, networks: list[dict[str, Tensor]]) -> np.ndarray:
    """`[network, example]`."""
    stacked = {name: torch.stack([network[name] for network in networks]) for name in networks[0]}
    return at.answers(stacked).correct


def crossing(
    sizes: Float[np.ndarray, " size"], wrong: Float[np.ndarray, "size example"]
) -> tuple[Float[np.ndarray, " example"], np.ndarray]:
    """Where the running maximum of a share crosses one half, on a line in log size; and whether it never does.

    Example:
        >>> [part.tolist() for part in crossing(np.array([1.0, 4.0]), np.array([[0.25, 0.6, 0.0], [0.75, 0.1, 0.4]]))]
        [[2.0, 1.0, 4.0], [False, False, True]]
    """
    share = np.maximum.accumulate(wrong, 0)
    over = share >= 0.5
    first = np.where(over.any(0), over.argmax(0), len(sizes) - 1)
    before = np.maximum(first - 1, 0)
    columns = np.arange(share.shape[1])
    low, high = share[before, columns], share[first, columns]
    part = np.divide(0.5 - low, high - low, out=np.ones(len(columns)), where=high > low)
    log = np.log(sizes)
    radius = np.exp(log[before] + np.clip(part, 0, 1) * (log[first] - log[before]))
    return np.where(over.any(0), radius, sizes[-1]), np.asarray(~over.any(0))


def _matrices(final: Weights, parameters: frozenset[str]) -> list[str]:
    return [name for name, tensor in final.items() if name in parameters and tensor[0].dim() >= 2]


def pruned(final: Weights, share: float, parameters: frozenset[str]) -> dict[str, Tensor]:
    """The weights with this share of the entries of all matrices set to 0, the smallest first."""
    matrices = _matrices(final, parameters)
    sizes = torch.cat([final[name][0].abs().flatten() for name in matrices])
    least = sizes.kthvalue(max(1, round(share * len(sizes)))).values
    return {
        name: torch.where(tensor[0].abs() > least, tensor[0], 0.0) if name in matrices else tensor[0]
        for name, tensor in final.items()
    }


def rounded(final: Weights, bits: int, parameters: frozenset[str]) -> dict[str, Tensor]:
    """The weights with each matrix in so many bits: whole multiples of its largest entry / (2^(bits - 1) - 1)."""
    made = {name: tensor[0] for name, tensor in final.items()}
    for name in _matrices(final, parameters):
        step = made[name].abs().max() / (2 ** (bits - 1) - 1)
        if step > 0:
            made[name] = (made[name] / step).round() * step
    return made

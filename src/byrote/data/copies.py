"""Copies among the examples of a dataset: inputs that are the same, and inputs nearer than chance puts them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from jaxtyping import Float, Int, Shaped

from byrote.data.blocks import deviation_of_rows
from byrote.data.dataset import Dataset
from byrote.stats.neighbours import nearest
from byrote.stats.two_nn import two_nn

#: Chance puts at most one example in so many so near to another.
ONE_IN: Final = 10_000
#: How near two examples are is told by the distance to the neighbour of this number.
NEIGHBOUR: Final = 10
#: Large images are compared in about so many cells a side.
CELLS: Final = 8
#: Of more examples the dimension is told by so many of them, evenly spread.
MOST_FOR_DIMENSION: Final = 2_000
#: Queries that are compared with all examples together.
QUERIES: Final = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Copies:
    """Which examples are copies of others.

    `same` has a number by example, which those with the same input share: the position of the first of them. `near`
    are pairs of positions whose inputs differ and are copies, `chance` bounds how often chance puts a neighbour so
    near. `tenth` is the distance of each to its tenth neighbour, NaN where it is unknown. `dimension` is the intrinsic
    dimension that this rests on, NaN where none could be told, and then no pair is looked for.
    """

    same: Int[np.ndarray, " example"]
    near: Int[np.ndarray, "pair 2"]
    chance: Float[np.ndarray, " pair"]
    tenth: Float[np.ndarray, " example"]
    dimension: float


def copies(dataset: Dataset, *, near: bool = True) -> Copies:
    """The copies among the inputs of a dataset, whatever their labels; without `near` those that are the same alone.

    Formula:
        i and j are near copies where tries * 9 * (|x_i - x_j| / min(R_i, R_j, median R))**d <= 1 / 10000
        R is the distance to the tenth neighbour and d the intrinsic dimension (TwoNN), the number of columns at most:
        were the points around x_i spread evenly, this bounds the chance that one of the nine within R_i lies so near;
        the median keeps the few of a small cluster from being called copies of each other. If an example has m >= 10
        copies, R is the distance to the tenth neighbour after them, and they are taken as copies if the farthest passes
        the same test against this R: that m of m + 9 evenly spread points lie so near is far less likely than that one
        of nine does. Rows are compared in standard deviations of their columns; images in about 8 x 8 cells, moved by
        up to one pixel (9 tries).
    Undefined:
        no near copies with fewer than 20 different inputs, where the two nearest of most are equally far, as on a grid,
        or of inputs that are whole numbers, which name something.

    Example:
        >>> rows = np.random.default_rng(0).normal(size=(200, 4))
        >>> rows = np.vstack([rows, rows[:1], rows[1:2] + 1e-3])
        >>> names = np.arange(202).astype(str)
        >>> found = copies(Dataset(name="", inputs=rows, targets=np.zeros(202, int), ids=names, class_names=("a",)))
        >>> int(found.same[200]), found.near.tolist()
        (0, [[1, 201]])
    """
    same = _same(dataset.contents())
    first = np.flatnonzero(same == np.arange(len(same)))
    if not near or dataset.inputs.dtype.kind != "f":
        return _no_near(same)
    moved = _moved(_finite(dataset)[first], image=dataset.holds_images)
    versions = [coarse(one).reshape(len(first), -1) for one in moved]
    points = versions[0]
    dimension = min(two_nn(points[:: max(1, len(points) // MOST_FOR_DIMENSION)]), float(points.shape[1]))
    if not dimension > 0 or len(points) <= NEIGHBOUR:
        return _no_near(same)
    one, other, distance = _nearest_of_all(versions, points)
    tenth = nearest(points, points, NEIGHBOUR, own=np.arange(len(points))).distance[:, -1]
    rule = _Rule(tries=len(versions), dimension=dimension, typical=float(np.median(tenth)))
    tenth, joined = _beyond_copies(points, tenth, rule)
    one, other = np.concatenate([one, joined[:, 0]]), np.concatenate([other, joined[:, 1]])
    distance = np.concatenate([distance, np.sqrt(((points[joined[:, 0]] - points[joined[:, 1]]) ** 2).sum(1))])
    chance = rule.chance(distance, np.minimum(tenth[one], tenth[other]))
    copied = chance <= 1 / ONE_IN
    pairs = np.sort(np.stack([first[one], first[other]], axis=1)[copied], axis=1)
    pairs, where = np.unique(pairs, axis=0, return_index=True)
    by_first = np.full(len(same), np.nan)
    by_first[first] = tenth
    return Copies(same=same, near=pairs, chance=chance[copied][where], tenth=by_first[same], dimension=dimension)


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """How likely chance puts a neighbour so near; `typical` is the median distance to the tenth neighbour."""

    tries: int
    dimension: float
    typical: float

    def chance(self, near: np.ndarray, far: np.ndarray) -> np.ndarray:
        """That one of nine neighbours within `far` is as near as `near`."""
        far = np.minimum(far, self.typical)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(far > 0, np.minimum(near / far, 1), 1)
        return np.asarray(self.tries * (NEIGHBOUR - 1) * share**self.dimension)


def _beyond_copies(
    points: Float[np.ndarray, "point number"], tenth: Float[np.ndarray, " point"], rule: _Rule
) -> tuple[Float[np.ndarray, " point"], Int[np.ndarray, "pair 2"]]:
    """The distance to the tenth neighbour beyond copies, and pairs that join each point to the first of its copies."""
    from scipy.spatial.distance import cdist

    tenth, pairs = tenth.copy(), [np.empty((0, 2), np.int64)]
    suspect = np.flatnonzero(rule.chance(tenth, np.full(len(tenth), rule.typical)) <= 1 / ONE_IN)
    for start in range(0, len(suspect), QUERIES):
        rows = suspect[start : start + QUERIES]
        apart = cdist(points[rows], points)
        apart[np.arange(len(rows)), rows] = -1.0  # each is the first of its own neighbours, whatever equals it
        order = np.argsort(apart, axis=1, kind="stable")
        far = np.take_along_axis(apart, order, 1)
        within = rule.chance(far[:, NEIGHBOUR:-NEIGHBOUR], far[:, 2 * NEIGHBOUR :]) <= 1 / ONE_IN
        for row, known, found, distance in zip(rows, within, order, far, strict=True):
            if known.any():
                most = NEIGHBOUR + int(np.flatnonzero(known)[-1])
                tenth[row] = distance[most + NEIGHBOUR]
                pairs.append(np.array([[row, found[: most + 1].min()]]))
    joined = np.concatenate(pairs)
    return tenth, joined[joined[:, 0] != joined[:, 1]]


def _no_near(same: np.ndarray) -> Copies:
    return Copies(
        same=same,
        near=np.empty((0, 2), np.int64),
        chance=np.empty(0),
        tenth=np.full(len(same), np.nan),
        dimension=float("nan"),
    )


def _same(digests: Shaped[np.ndarray, " example"]) -> Int[np.ndarray, " example"]:
    """The position of the first example with the same digest."""
    _, first, place = np.unique(digests, return_index=True, return_inverse=True)
    return np.asarray(first[place].astype(np.int64))


def _finite(dataset: Dataset) -> Float[np.ndarray, "example ..."]:
    """Inputs as numbers that can be subtracted, around 0: rows in standard deviations of their columns."""
    inputs = np.nan_to_num(np.asarray(dataset.inputs, np.float64), posinf=0.0, neginf=0.0)
    if dataset.holds_images:
        return np.asarray(inputs - inputs.mean())
    spread = deviation_of_rows(inputs)
    return np.asarray((inputs - inputs.mean(0)) / np.where(spread > 0, spread, 1.0))


def _moved(inputs: Float[np.ndarray, "example ..."], *, image: bool) -> list[np.ndarray]:
    """The inputs as they are, and images moved by a pixel, whose edges are repeated."""
    if not image:
        return [inputs]
    padded = np.pad(inputs, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    height, width = inputs.shape[2:]
    corners = sorted(product(range(3), range(3)), key=lambda corner: corner != (1, 1))
    return [padded[:, :, down : down + height, right : right + width] for down, right in corners]


def coarse(inputs: Shaped[np.ndarray, "example ..."]) -> Shaped[np.ndarray, "example ..."]:
    """Images `[example, channel, height, width]` averaged over square cells, eight or more a side; others unchanged."""
    if inputs.ndim != 4 or min(inputs.shape[2:]) < 2 * CELLS:
        return inputs
    size = min(inputs.shape[2:]) // CELLS
    height, width = (length // size for length in inputs.shape[2:])
    cut = inputs[:, :, : height * size, : width * size]
    return np.asarray(cut.reshape(*inputs.shape[:2], height, size, width, size).mean((3, 5)))


def _nearest_of_all(
    versions: list[np.ndarray], points: Float[np.ndarray, "point number"]
) -> tuple[Int[np.ndarray, " found"], Int[np.ndarray, " found"], Float[np.ndarray, " found"]]:
    """For each version of each point the nearest other point, and how far it is."""
    small, squares = points.astype(np.float32), (points**2).sum(1).astype(np.float32)
    found: list[np.ndarray] = []
    for version in versions:
        for start in range(0, len(points), QUERIES):
            apart = squares - 2 * version[start : start + QUERIES].astype(np.float32) @ small.T
            rows = np.arange(len(apart))
            apart[rows, start + rows] = np.inf
            found.append(apart.argmin(1))
    other = np.concatenate(found)
    own = np.tile(np.arange(len(points)), len(versions))
    distance = np.sqrt(((np.concatenate(versions) - points[other]) ** 2).sum(1))
    return own, other, distance


def clusters(count: int, pairs: Int[np.ndarray, "pair 2"]) -> Int[np.ndarray, " example"]:
    """A number by example that those joined by pairs share: the position of the first of them.

    Example:
        >>> clusters(5, np.array([[1, 3], [3, 4]])).tolist()
        [0, 1, 2, 1, 1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    number = connected_components(graph, directed=False)[1]
    first = np.full(number.max(initial=-1) + 1, count)
    np.minimum.at(first, number, np.arange(count))
    return np.asarray(first[number].astype(np.int64))

"""The section "When and where": the map of a run as heat maps, and what they say in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from byrote.analyses.where import CHANCE, FITTED, LOSS, STORED, VISIBLE, WRITTEN
from byrote.blocks import Block, Figure, Missing, TableBlock, Tile, Tiles, Words, section
from byrote.report import svg
from byrote.report.figures import WIDTH
from byrote.report.text import capital, number
from byrote.results import Scalar, Table, decimal

#: The darkest cell still lets its number be read.
DARKEST = 0.6
#: Maps of so many groups are drawn; the table has all of them.
MOST_DRAWN = 3
#: Written between a quarter and three quarters of the whole.
QUARTERS = (0.25, 0.75)
HEADS = {STORED: "Where it is stored", VISIBLE: "Where it is visible"}
Cells = Sequence[Scalar | None]


@dataclass(frozen=True, eq=False)
class Map:
    """The lines of a table of `where` by map, group and layer."""

    epochs: tuple[str, ...]
    lines: dict[tuple[str, str, str], tuple[Scalar | None, ...]]

    @classmethod
    def of(cls, table: Table) -> Map:
        """The map that a table holds."""
        names = zip(*table.rows.values(), strict=True)
        cells = zip(*table.figures.values(), strict=True)
        return cls(tuple(table.figures), dict(zip(names, cells, strict=True)))

    def layers(self, name: str, group: str) -> dict[str, tuple[Scalar | None, ...]]:
        """The lines of a map of a group, by layer."""
        return {layer: line for (a, b, layer), line in self.lines.items() if (a, b) == (name, group)}

    def line(self, name: str, group: str) -> tuple[Scalar | None, ...]:
        """The only line of its kind; empty where there is none."""
        return next(iter(self.layers(name, group).values()), ())

    def groups(self, name: str) -> list[str]:
        """The groups that have a map of this name."""
        return list(dict.fromkeys(group for a, group, _ in self.lines if a == name))

    def chance(self, group: str) -> float:
        """What no cell of most maps of drawn groups exceeds."""
        return value(self.line(CHANCE, group)[0])

    @property
    def best(self) -> int | None:
        """The column with the lowest loss on what was not trained on."""
        loss = next((line for (name, _, _), line in self.lines.items() if name == LOSS), ())
        known = [(value(cell), at) for at, cell in enumerate(loss)]
        return min(known)[1] if known and not any(math.isnan(one) for one, _ in known) else None

    def stands_out(self, group: str) -> bool:
        """Whether a cell of the group's map is beyond chance."""
        found = [abs(value(cell)) for line in self.layers(STORED, group).values() for cell in line]
        return any(one > self.chance(group) for one in found if not math.isnan(one))

    def top(self, group: str) -> tuple[str, str, Scalar]:
        """The layer and the epoch of the largest cell."""
        cells = [
            (value(cell), layer, self.epochs[at], cell)
            for layer, line in self.layers(STORED, group).items()
            for at, cell in enumerate(line)
            if cell is not None and not math.isnan(cell.value)
        ]
        _, layer, epoch, cell = max(cells, key=lambda one: one[0])
        return layer, epoch, cell

    def when(self, group: str) -> str:
        """The epochs between which a quarter and three quarters of it were written."""
        line = [value(cell) for cell in self.line(WRITTEN, group)]
        ends = [next(at for at, one in enumerate(line) if one >= share) for share in QUARTERS]
        before = self.epochs[max(0, ends[0] - 1)].removeprefix("epoch ")
        return f"epochs {before} to {self.epochs[ends[1]].removeprefix('epoch ')}"

    def visible(self, group: str) -> str:
        """The first layer in which the given label is read more often than not, or than the true one, in the end."""
        layers = self.layers(VISIBLE, group)
        least = 0.0 if group == "planted label noise" else 0.5
        return next((layer for layer, line in layers.items() if value(line[-1]) > least), "none")


def value(cell: Scalar | None) -> float:
    """The value of a cell; nan of none."""
    return float("nan") if cell is None else cell.value


@section(of="where", title="When and where", order=40)
def shown(table: Table) -> Iterable[Block]:
    """What was written where and when, what was visible, and what that does not mean."""
    found = Map.of(table)
    compared = found.groups(STORED)
    standing = [group for group in compared if found.stands_out(group)]
    if not compared:
        yield Missing(why="No group of this run has others to compare it with. " + " ".join(table.notes))
        return
    if standing:
        yield _tiles(found, standing[0])
        yield from (Words(text=_sentence(found, group)) for group in standing)
    else:
        yield Words(text="No group stands out from chance: the map shows no place where one of them is stored.")
    for place, group in enumerate((standing or compared)[:MOST_DRAWN]):
        if not math.isnan(found.chance(group)):
            yield heat_map(found, STORED, group, f"where-stored-{place}")
        if found.layers(VISIBLE, group):
            yield heat_map(found, VISIBLE, group, f"where-visible-{place}")
    yield _by_group(found, compared)
    yield from _reading(found)
    yield from (Words(text=note) for note in table.notes)


def _tiles(found: Map, group: str) -> Tiles:
    layer, epoch, cell = found.top(group)
    tiles = [
        Tile(value=f"layer {layer}", label=f"Largest loss: {group}", note=f"{decimal(cell)} when set back to {epoch}"),
        Tile(value=found.when(group), label="Written between", note="a quarter and three quarters of it"),
    ]
    if found.best is not None:
        written = found.line(WRITTEN, group)[found.best]
        assert written is not None
        tiles.append(
            Tile(value=_percent(written), label="Written by the lowest validation loss", note=found.epochs[found.best])
        )
    if found.layers(VISIBLE, group):
        tiles.append(
            Tile(value=f"layer {found.visible(group)}", label="Visible from", note="nearest neighbours, at the end")
        )
    return Tiles(tiles=tuple(tiles))


def _sentence(found: Map, group: str) -> str:
    """What the map says of a group that stands out."""
    layer, epoch, cell = found.top(group)
    sentence = (
        f"{capital(group)}: the largest loss occurs in layer {layer}. When that layer is set back to "
        f"{epoch}, the network loses {_percent(cell)} of its correct predictions on this group beyond both controls. "
        f"Most was written in {found.when(group)}."
    )
    if found.best is not None:
        written, fitted = found.line(WRITTEN, group)[found.best], found.line(FITTED, group)
        assert written is not None
        sentence += (
            f" {_percent(written)} was written by {found.epochs[found.best]}, where the validation loss was lowest; "
            f"the network then fitted {_percent(fitted[found.best])} of the group, "
            f"and {_percent(fitted[-1])} at the end."
        )
        if not written.low > 0:
            sentence += " This share is not shown to be above 0 %."
        elif written.value < 1:
            sentence += " So some of it was memorized before overfitting began."
    return sentence


def _percent(cell: Scalar | None) -> str:
    """A share with its error in percent."""
    if cell is None or math.isnan(cell.value):
        return "–"
    error = "" if math.isnan(cell.stderr) else f" ± {number(100 * cell.stderr, 1)}"
    return f"{number(100 * cell.value, 1)}{error} %"


def _by_group(found: Map, groups: list[str]) -> TableBlock:
    rows: list[tuple[str | Scalar, ...]] = []
    for group in groups:
        written = found.line(WRITTEN, group)
        visible = found.visible(group) if found.layers(VISIBLE, group) else "not read"
        first = next(iter(found.layers(STORED, group).values()))[0]
        count = f"{first.examples:,}" if first is not None else "–"
        if not found.stands_out(group):
            why = (first.reason if first is not None else "") or "does not stand out from chance"
            rows.append((group, count, why, "–", "–", "–", visible))
            continue
        layer, _, cell = found.top(group)
        best = "–" if found.best is None else _percent(written[found.best])
        rows.append((group, count, layer, cell, found.when(group), best, visible))
    return TableBlock(
        title="Groups by place and time",
        columns=(
            "group",
            "examples",
            "layer of the largest cell",
            "largest cell",
            "written in",
            "written by the lowest validation loss",
            "visible from layer",
        ),
        rows=tuple(rows),
    )


def _reading(found: Map) -> Iterator[Words]:
    yield Words(
        text="Stored: one layer goes back to its weights at an epoch, and all others stay. The number is the share of "
        "the group's correct predictions that is lost then, minus that of other examples of which the network is as "
        "sure, minus what an equal change with shuffled entries does. A large number means: this layer learned the "
        "group after that epoch. Framed numbers stand out from chance; the dashed line follows the lowest validation "
        "loss. Visible: whether the nearest neighbours in a layer give the label that was trained on; below 0 they "
        "give the true label of a mislabelled example.",
        tone="reading",
    )
    yield Words(
        text="This does not mean that memorization sits in one layer: a prediction may need several layers, and each "
        "of them then shows it. It does not mean that a layer with a small number can be changed without harm. Stored "
        "and visible are different things: a label can be read in a layer that did not learn it. Cells depend on each "
        "other, so two of them are not two pieces of evidence. A group's place is not that of each of its examples; "
        "the table by example rests on few models.",
        tone="warning",
    )


def heat_map(found: Map, name: str, group: str, key: str) -> Figure:
    """Layers down, epochs across; one colour above 0 and another below, the darker the further from 0."""
    from matplotlib.figure import Figure as Canvas
    from matplotlib.patches import Rectangle

    layers = found.layers(name, group)
    chance = found.chance(group) if name == STORED else float("nan")
    title = _title(found, name, group, chance)
    small = 9 if len(found.epochs) <= 12 else 7
    with svg.style():
        canvas = Canvas(figsize=(WIDTH, 1.3 + 0.31 * len(layers)), layout="constrained")
        canvas.patch.set_visible(False)
        axis = canvas.subplots()
        axis.patch.set_visible(False)
        for row, line in enumerate(layers.values()):
            for column, cell in enumerate(line):
                one = value(cell)
                color = svg.SERIES[0 if one > 0 else 1]
                depth = 0.0 if math.isnan(one) else DARKEST * min(abs(one), 1.0)
                axis.add_patch(Rectangle((column, row), 0.96, 0.92, facecolor=color, alpha=depth, linewidth=0))
                if abs(one) > chance:
                    around = (column + 0.04, row + 0.04), 0.88, 0.84
                    axis.add_patch(Rectangle(*around, fill=False, edgecolor=svg.INK, linewidth=0.8))
                where = (column + 0.48, row + 0.46)
                axis.text(*where, number(one), ha="center", va="center", fontsize=small, color=svg.INK)
        if found.best is not None:
            axis.axvline(found.best + 0.98, color=svg.INK, linewidth=1.4, linestyle=(0, (4, 3)))
        axis.set_xlim(0, len(found.epochs))
        axis.set_ylim(len(layers), 0)
        heads = [epoch.removeprefix("epoch ") for epoch in found.epochs]
        axis.set_xticks([at + 0.48 for at in range(len(heads))], heads, fontsize=small)
        axis.set_yticks([at + 0.46 for at in range(len(layers))], list(layers), fontsize=9)
        axis.xaxis.tick_top()
        axis.xaxis.set_label_position("top")
        axis.set_xlabel("epoch", fontsize=9)
        axis.set_ylabel("layer", fontsize=9)
        canvas.suptitle(f"{HEADS[name]}: {group}", x=0.01, ha="left", fontsize=10, color=svg.INK)
        axis.tick_params(length=0)
        axis.grid(visible=False)
        for spine in axis.spines.values():
            spine.set_visible(False)
        drawn = svg.inline(canvas, name=key, title=title)
    return Figure(
        name=key,
        svg=drawn,
        title=title,
        columns=("layer", *found.epochs),
        rows=tuple(
            (layer, *("–" if cell is None else decimal(cell) for cell in line)) for layer, line in layers.items()
        ),
        canvas=canvas,
    )


def _title(found: Map, name: str, group: str, chance: float) -> str:
    best = "" if found.best is None else f"; dashed line: lowest validation loss, {found.epochs[found.best]}"
    what = "share lost beyond both controls" if name == STORED else "label read by nearest neighbours"
    band = "" if math.isnan(chance) else f"; framed: beyond ±{number(chance)}, the largest by chance"
    return f"{HEADS[name]}: {group}; {what}, by layer and epoch{band}{best}"

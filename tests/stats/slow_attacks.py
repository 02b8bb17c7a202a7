"""The figures of attacks the long way: every slice of every part sorted by itself, straight from the formulas."""

from __future__ import annotations

import math

import numpy as np


def curve(score, member):
    """False and true positive rates at every distinct score, from the highest down; None of one side alone."""
    known = (member >= 0) & ~np.isnan(score)
    values, positive = score[known], member[known] == 1
    if positive.all() or not positive.any():
        return None
    distinct = np.unique(values)[::-1]
    true = [np.mean(values[positive] >= one) for one in distinct]
    false = [np.mean(values[~positive] >= one) for one in distinct]
    return np.array([0.0, *false]), np.array([0.0, *true]), int(positive.sum())


def read(score, member, stratum, mask, rate):
    """AUC and the rate of true positives at that of false ones, of the masked cells, as means over their strata."""
    names = np.unique(stratum[mask]) if mask.any() else []
    found = [curve(score[mask & (stratum == name)], member[mask & (stratum == name)]) for name in names]
    found = [one for one in found if one is not None]
    if not found:
        return math.nan, math.nan
    weight = [members for _, _, members in found]
    area = [np.trapezoid(true, false) for false, true, _ in found]
    at = [np.interp(rate, false, true) for false, true, _ in found]
    return float(np.average(area, weights=weight)), float(np.average(at, weights=weight))


def area_moves(score, member, part, cluster):
    """How far each cluster in each part moves the AUC of one stratum: half the comparisons that its scores win."""
    moved = np.zeros((part.max() + 1, cluster.max() + 1))
    sides = {side: score[member == side] for side in (0, 1)}
    for (target, example), value in np.ndenumerate(score):
        side = member[target, example]
        if side < 0 or math.isnan(value):
            continue
        others = sides[1 - side][~np.isnan(sides[1 - side])]
        own = sides[side][~np.isnan(sides[side])]
        below = np.mean(others < value) + np.mean(others == value) / 2
        usual = np.mean([np.mean(others < one) + np.mean(others == one) / 2 for one in own])
        moved[part[target], cluster[example]] += (1 if side else -1) * (below - usual) / len(own)
    return moved

"""A line search for the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

ARMIJO, CURVATURE = 1e-4, 0.9  # the shares of the first slope that both conditions name


class Point(NamedTuple):
    """A place on the line: the step, the value, the gradient and the slope along the line."""

    t: float
    f: float
    g: Any
    slope: float


def _cubic(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through both values and slopes is least, inside `bounds`."""
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    middle = (low + high) / 2
    if a.t == b.t:
        return middle
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return middle
    d2 = math.sqrt(square)
    width = b.slope - a.slope + 2 * d2
    if width == 0:
        return middle
    return min(max(b.t - (b.t - a.t) * ((b.slope + d2 - d1) / width), low), high)


def strong_wolfe(
    at: Callable[[float], Point],
    start: Point,
    first: float,
    size: float,
    *,
    tolerance: float,
    most: int,
) -> tuple[Point, int]:
    """A point along the line whose value is low enough and whose slope is small enough, and how
    often `at(t)` was asked, about `most` times at most.

    `start`: the point at 0, whose slope is negative; `first`: the step to try first; `size`: the
    largest element of the direction; `tolerance`: brackets that move less are left.

    Source: J. Nocedal and S. Wright, Numerical optimization (2006), algorithms 3.5 and 3.6, with
    the interpolation and safeguards of PyTorch's `torch.optim.LBFGS`.
    """

    def too_high(point: Point) -> bool:
        return point.f > start.f + ARMIJO * point.t * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -CURVATURE * start.slope

    before, point = start, at(first)
    calls, tries = 1, 0
    bracket = [start, point]
    while tries < most:
        if too_high(point) or (tries > 1 and point.f >= before.f):
            bracket = [before, point]
            break
        if flat(point):
            return point, calls
        if point.slope >= 0:
            bracket = [before, point]
            break
        bounds = (point.t + 0.01 * (point.t - before.t), point.t * 10)
        before, point = point, at(_cubic(before, point, bounds))
        calls, tries = calls + 1, tries + 1
        bracket = [start, point]

    stuck = False
    low = 0 if bracket[0].f <= bracket[1].f else 1
    while tries < most:
        ends = sorted(end.t for end in bracket)
        if (ends[1] - ends[0]) * size < tolerance:
            break
        t = _cubic(bracket[0], bracket[1])
        margin = 0.1 * (ends[1] - ends[0])
        if min(ends[1] - t, t - ends[0]) < margin:
            if stuck or t >= ends[1] or t <= ends[0]:
                near_end = abs(t - ends[1]) < abs(t - ends[0])
                t = ends[1] - margin if near_end else ends[0] + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        point = at(t)
        calls, tries = calls + 1, tries + 1
        if too_high(point) or point.f >= bracket[low].f:
            bracket[1 - low] = point
            low = 0 if bracket[0].f <= bracket[1].f else 1
            continue
        done = flat(point)
        if not done and point.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
            bracket[1 - low] = bracket[low]
        bracket[low] = point
        if done:
            break
    return bracket[low], calls

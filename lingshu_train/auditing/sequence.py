"""Bounds on a rate that hold at all times at once, so that one may look after every window and stop when one likes.

A window has `judged` audits, of which `false` found a false answer; which answers are audited is drawn by a key, so that in
each window they are a simple random sample of the accepted ones. For a bet b > -1 and a rate m the capital

    K(b) = prod over audits of (1 + b x) / (1 + b m),    x = 1 for a false answer, else 0,

that is exp(s log(1+b) - n log(1+bm)) of n audits with s false, is a test supermartingale where the rate is m: it is the
exponential process of a sub-Bernoulli mean (Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform Chernoff bounds via nonnegative
supermartingales", Probability Surveys 2020; as bets: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by
betting", JRSS B 2023), also for samples without replacement (Hoeffding 1963, theorem 4), window by window. A mixture of it over
fixed bets passes 1/alpha with probability alpha at most, whenever one looks (Ville). docs/audit.md has the whole argument.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_FEWER = np.array([-0.1, -0.2, -0.35, -0.5, -0.65, -0.8, -0.9, -0.97, -0.995])
"""Bets on fewer false answers than m: what the upper bound is made of."""
_MORE = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0])
"""Bets on more: the lower one."""
_HALVINGS = 40


@dataclass(frozen=True, slots=True)
class Window:
    """Of one window: audits that came to a verdict, and how many of them found a false answer. Any number from 0 to `judged`
    will do, such as a share of one."""

    judged: int
    false: float


def upper(windows: Sequence[Window], confidence: float) -> float:
    """With this confidence, at all times: the mean over the audits so far of the rate of their window is at most this.

    For rates that drift: log(1 + bm) is concave in m, so that the capital at their mean is at most that at themselves (Jensen).
    """
    judged, false = sum(one.judged for one in windows), sum(one.false for one in windows)

    def capital(rate: float) -> float:
        return _log_mean(false * np.log1p(_FEWER) - judged * np.log1p(_FEWER * rate))

    return _border(lambda rate: capital(rate) < -math.log1p(-confidence))


def lower(windows: Sequence[Window], confidence: float) -> float:
    """With this confidence, at all times: some window so far had a rate above this.

    A bet begins at each window, the k-th with 1/(k(k+1)) of the capital, so that a rate that rises late is seen although the
    windows before it were clean.
    """
    if not any(one.false for one in windows):
        return 0.0
    gains = np.array([_gains(one) for one in reversed(windows)]).cumsum(axis=0)[::-1]
    judged = np.array([one.judged for one in reversed(windows)]).cumsum()[::-1]
    places = np.arange(1, len(windows) + 1)
    own = gains - np.log(places * (places + 1.0) * len(_MORE))[:, None]
    waiting = -math.log(len(windows) + 1)

    def capital(rate: float) -> float:
        terms = own - np.outer(judged, np.log1p(_MORE * rate))
        return _log_sum(np.append(terms.ravel(), waiting))

    # The other end of what is refuted: with any rate above it the capital is smaller.
    found = _border(lambda rate: capital(rate) >= -math.log1p(-confidence))
    return found if capital(0.0) >= -math.log1p(-confidence) else 0.0


def least(limit: float, confidence: float, *, rate: float = 0.0) -> int:
    """Audits after which the upper bound is within the limit, where this part of them is false."""
    fewest, most = 0, 1
    while upper([Window(most, rate * most)], confidence) > limit:
        fewest, most = most, 2 * most
    while most - fewest > 1:
        middle = (fewest + most) // 2
        if upper([Window(middle, rate * middle)], confidence) > limit:
            fewest = middle
        else:
            most = middle
    return most


def _gains(window: Window) -> Floats:
    """Of a share of one, a bet wins more than of as many whole ones: log(1 + bx) >= x log(1 + b)."""
    return np.log1p(_MORE * window.false) if window.judged == 1 else window.false * np.log1p(_MORE)


def _border(holds: Callable[[float], bool]) -> float:
    """The largest rate for which it holds, where it holds for all rates below; to 12 digits."""
    if holds(1.0):
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _log_mean(terms: Floats) -> float:
    return _log_sum(terms) - math.log(len(terms))


def _log_sum(terms: Floats) -> float:
    largest = float(terms.max())
    return largest + math.log(float(np.exp(terms - largest).sum()))

"""From measured values to brightness: windows by numbers, name or rule, and the refusal of more than 8 bits without one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from lingshu_train.errors import DataError

Array = npt.NDArray[Any]
Window = tuple[float, float] | str
"""Centre and width, in the units of the data after rescaling (HU for CT); the name of a CT preset; or one of RULES."""
FULL, SPREAD = "full", "spread"
RULES = (FULL, SPREAD)
"""How a window is found where a file states none. `full`: black is the lowest and white the highest value that the stored
bits can hold. `spread`: from the 0.5th to the 99.5th percentile of the values of the picture, or of its volume, that are
not 0."""
PERCENTILES = (0.5, 99.5)
Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
TABLE = Path(__file__).with_name("ct_windows.json")
LOWEST_OF_CT = -200
"""HU. Every CT slice has lung, gut gas or the air around the patient below this; MR and label maps have nothing there."""


@dataclass(frozen=True, slots=True)
class Deep:
    """The window of a whole data set: it holds for grey of more than 8 bits, and what has fewer, or colour, stays as it is."""

    window: Window


Choice = Window | Deep | None
"""A picture's own window, which must fit; that of its data set; or none, which takes the file's."""


def known(window: Window) -> Window:
    """A window as a card gives it. ValueError: no such name, or a width that shows nothing."""
    if isinstance(window, str):
        presets, triples = _table()
        names = [*RULES, *presets, *triples]
        if window not in names:
            raise ValueError(f"no such window; right would be [centre, width], or one of {', '.join(names)}")
    elif window[1] <= 1:
        raise ValueError("a window must be wider than 1")
    return window


def chosen(choice: Choice, *, bits: int) -> Window | None:
    """The window that holds for grey of so many bits."""
    if isinstance(choice, Deep):
        return choice.window if bits > 8 else None
    return choice


def refuse_for_colour(path: Path, choice: Choice) -> None:
    """DataError: a window was meant for this picture alone."""
    if choice is not None and not isinstance(choice, Deep):
        raise DataError(f"{path}: a window is for grey values, and this picture is in colour")


def same(values: Array) -> Array:
    """The stored values are already in the unit of the window."""
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What a file says of its values.

    `bits` are those stored; `unit` turns stored values into the unit of the window; `padding` are the stored values
    (first, last) of pixels that hold no picture, which become black; `invert`: high values are dark. `modality` is
    DICOM's word, "" where the file does not say.
    """

    bits: int
    unit: Callable[[Array], Array] = same
    invert: bool = False
    padding: tuple[float, float] | None = None
    function: Function = "LINEAR"
    modality: str = ""


def shade(path: Path, stored: Array, *, window: Choice, scale: Scale) -> Image.Image:
    """Stored values, (rows, columns), as a picture of mode L; RGB for `ct_rgb`. None leaves at most 8 bits as they are.

    DataError: more than 8 bits without a window, or a named window on values that are not Hounsfield units.
    """
    window = chosen(window, bits=scale.bits)
    if window is None and scale.bits > 8:
        raise DataError(
            f"{path}: {scale.bits}-bit pixels without a window; say under `fields` of the card how values become brightness: "
            "`window: [centre, width]` in the unit of the data, `window: spread` (the 0.5th to the 99.5th percentile of "
            "each picture) or `window: full` (all that the stored bits can hold)"
        )
    if window == FULL:
        window, scale = _full(path, stored, scale), replace(scale, function="LINEAR")
    elif window == SPREAD:
        values = np.asarray(scale.unit(stored))
        if scale.padding is not None:
            values = values[(stored < scale.padding[0]) | (stored > scale.padding[1])]
        window, scale = spread(path, values), replace(scale, function="LINEAR")
    if stored.dtype.kind not in "iu":
        return Image.fromarray(_brightness(path, stored, window=window, scale=scale))
    low, high = int(stored.min()), int(stored.max())
    # One brightness for each value and not for each pixel, where there are fewer values than pixels.
    if high - low >= stored.size:
        return Image.fromarray(_brightness(path, stored, window=window, scale=scale))
    table = _brightness(path, np.arange(low, high + 1), window=window, scale=scale)
    return Image.fromarray(table[stored.astype(np.intp) - low])


def spread(path: Path, values: Array) -> tuple[float, float]:
    """A window (centre, width) that shows PERCENTILES of the values that are not 0 as black and white.

    DataError: everything is 0.
    """
    values = values[np.isfinite(values) & (values != 0)]
    if not values.size:
        raise DataError(f"{path}: all values are 0")
    low, high = (float(each) for each in np.percentile(values, PERCENTILES))
    return _window(low, high)


def _full(path: Path, stored: Array, scale: Scale) -> tuple[float, float]:
    """The window of all values that the stored bits can hold. DataError: no whole numbers, or some that do not fit."""
    if stored.dtype.kind not in "iu":
        raise DataError(
            f"{path}: `window: full` is for whole numbers, and these are fractions; give `window: spread` or "
            "`window: [centre, width]`"
        )
    first, last = (0, 2**scale.bits - 1)
    if stored.dtype.kind == "i":
        first, last = -(2 ** (scale.bits - 1)), 2 ** (scale.bits - 1) - 1
    low, high = int(stored.min()), int(stored.max())
    if low < first or high > last:
        raise DataError(
            f"{path}: values from {low} to {high} do not fit {scale.bits} bits; give `window: spread` or "
            "`window: [centre, width]`"
        )
    # A lookup table may turn any stored value into the brightest.
    ends = np.arange(first, last + 1) if scale.bits <= 16 else np.array([first, last])
    values = np.asarray(scale.unit(ends), dtype=np.float64)
    return _window(float(values.min()), float(values.max()))


def _window(low: float, high: float) -> tuple[float, float]:
    """Centre and width by which LINEAR makes `low` black and `high` white (PS3.3 C.11.2.1.2 takes half a value off)."""
    return (low + high + 1) / 2, (high - low if high > low else 1.0) + 1


def _brightness(path: Path, stored: Array, *, window: Window | None, scale: Scale) -> npt.NDArray[np.uint8]:
    """Brightness of each value, a last axis of three where the window is a triple."""
    values = np.asarray(scale.unit(stored))
    if window is None:
        shown = _as_stored(path, values, bits=scale.bits)
    elif isinstance(window, str):
        _check_ct(path, window, values=values, modality=scale.modality)
        presets, triples = _table()
        if window in presets:
            shown = _levels(path, values, window=presets[window], function="LINEAR")
        else:
            shown = np.stack(
                [_eight_bits((values - low) / (high - low)) for low, high in triples[window]], axis=-1
            )
    else:
        shown = _levels(path, values, window=window, function=scale.function)
    if scale.invert:
        shown = 255 - shown
    if scale.padding is not None:
        shown[(stored >= scale.padding[0]) & (stored <= scale.padding[1])] = 0
    return shown


def _levels(
    path: Path, values: Array, *, window: tuple[float, float], function: Function
) -> npt.NDArray[np.uint8]:
    """The three VOI functions of DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3."""
    centre, width = window
    if width <= (1 if function == "LINEAR" else 0):
        raise DataError(f"{path}: a window must be wider than 1, got {width}")
    exact = values.astype(np.float64)
    if function == "LINEAR":
        return _eight_bits((exact - (centre - 0.5)) / (width - 1) + 0.5)
    if function == "LINEAR_EXACT":
        return _eight_bits((exact - centre) / width + 0.5)
    return _eight_bits(1 / (1 + np.exp(np.clip(-4 * (exact - centre) / width, -700, 700))))


def _eight_bits(share: Array) -> npt.NDArray[np.uint8]:
    """Shares of full brightness, clipped to 0 to 1; what is not a number is black."""
    bright: npt.NDArray[np.uint8] = np.rint(np.clip(np.nan_to_num(share), 0, 1) * 255).astype(np.uint8)
    return bright


def _as_stored(path: Path, values: Array, *, bits: int) -> npt.NDArray[np.uint8]:
    """At most 8 bits fill the whole range of brightness; values that do not fit are refused, never clipped."""
    top = 2**bits - 1
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= top):
        raise DataError(
            f"{path}: values from {low:g} to {high:g} do not fit {bits} bits; give `window: [centre, width]`"
        )
    spread = values if bits == 8 else values.astype(np.float64) * (255 / top)
    return np.rint(spread).astype(np.uint8)


def _check_ct(path: Path, name: str, *, values: Array, modality: str) -> None:
    presets, triples = _table()
    if name not in presets and name not in triples:
        raise DataError(f"{path}: no window {name!r}; there are {', '.join([*presets, *triples, *RULES])}")
    if modality not in ("", "CT"):
        raise DataError(
            f"{path}: window {name!r} is for CT, and this is {modality}; give `window: [centre, width]`"
        )
    if not modality and not values.min() < LOWEST_OF_CT:
        raise DataError(
            f"{path}: window {name!r} is for CT in Hounsfield units, but the lowest value here is "
            f"{values.min():g}, not below {LOWEST_OF_CT}; give `window: [centre, width]`"
        )


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, tuple[float, float]], dict[str, list[tuple[float, float]]]]:
    """Named windows (centre, width), and triples of (lowest, highest) for red, green and blue."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    return table["windows"], table["rgb"]

"""A text as a printed page in Pillow's own font, with size, colours and tilt of the row's own."""

from __future__ import annotations

import hashlib
import textwrap

from PIL import Image, ImageDraw, ImageFont

from lingshu_train.naming import digest
from lingshu_train.synthesize._request import Picture
from lingshu_train.synthesize._row import drawn

SIGNS = "–—‘’“”•…→"
"""Characters beyond Latin ones that may be drawn, as others that are like them."""
_FALLBACK = str.maketrans(
    {"–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "→": "->", "•": "*"}
)
_SIZES, _MARGINS = (15, 17, 19, 22), (14, 24, 36)
_PAPERS = ((255, 255, 255), (250, 248, 240), (240, 240, 240))
_INKS = ((0, 0, 0), (20, 20, 60), (50, 50, 50))
_TILTS = (0.0, 0.0, -1.0, 1.0, 0.5)


def number(seed: str, what: str) -> int:
    """A number of a row's own."""
    return int(hashlib.sha256(f"{what} {seed}".encode()).hexdigest()[:12], 16)


def drawn_of(text: str, *, seed: str, width: int) -> Picture:
    """The page. It is drawn when somebody needs its bytes; its size is known before."""
    plain = text.translate(_FALLBACK)
    size, margin = (
        _SIZES[number(seed, "size") % len(_SIZES)],
        _MARGINS[number(seed, "margin") % len(_MARGINS)],
    )
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow without FreeType draws no letters of a size"
    per_line = max(8, int((width - 2 * margin) / font.getlength("n")))
    lines = [part for line in plain.splitlines() for part in textwrap.wrap(line, per_line) or [""]]
    step = int(size * 1.4)
    height = max(56, 2 * margin + step * len(lines))
    look = {what: number(seed, what) for what in ("paper", "ink", "tilt")}

    def image() -> Image.Image:
        paper = _PAPERS[look["paper"] % len(_PAPERS)]
        page = Image.new("RGB", (width, height), paper)
        pen = ImageDraw.Draw(page)
        for place, line in enumerate(lines):
            pen.text((margin, margin + place * step), line, font=font, fill=_INKS[look["ink"] % len(_INKS)])
        tilt = _TILTS[look["tilt"] % len(_TILTS)]
        return page.rotate(tilt, Image.Resampling.BICUBIC, fillcolor=paper) if tilt else page

    return drawn(image, ref=f"page {digest([plain, seed, width])}", size=(width, height))

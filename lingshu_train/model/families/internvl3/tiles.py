"""How many tiles a picture becomes, by arithmetic, so that a plan and a corpus need no torch.

Equal to transformers' `get_optimal_tiled_canvas`, to the last tile (tests/model/families/internvl3/test_tiles.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from lingshu_train.model.shape import Unfit


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """A PictureBudget: a picture is stretched to whole tiles of `tile` x `tile` pixels, in the arrangement nearest to its
    proportions, and goes in once more as a thumbnail of one tile where there are several. The bounds on pixels are bounds on
    their number, the thumbnail not counted; a picture has one tile at least. `patch` is the side in pixels of a patch; `shrink`
    x `shrink` patches make one token."""

    min_pixels: int
    max_pixels: int
    tile: int
    patch: int
    shrink: int

    @property
    def grid(self) -> int:
        """Pictures are stored as they are: tiles and thumbnail are both made of all pixels of the original."""
        return 1

    @property
    def least(self) -> int:
        """Fewest tiles of a picture, its thumbnail not counted."""
        return max(1, min(self.most, -(-self.min_pixels // self.tile**2)))

    @property
    def most(self) -> int:
        """Most tiles of a picture, its thumbnail not counted."""
        return max(1, self.max_pixels // self.tile**2)

    @property
    def per_tile(self) -> int:
        """Tokens of one tile."""
        return (self.tile // self.patch // self.shrink) ** 2

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """The size itself. Unfit: no area."""
        if min(width, height) < 1:
            raise Unfit(f"a picture of {width}x{height} pixels: both sides must be at least 1")
        return width, height

    def settled(self, width: int, height: int) -> bool:
        """A picture that is stored as it is stays so."""
        return min(width, height) >= 1

    def tokens(self, width: int, height: int) -> int:
        """Two more than those of its tiles: the marks around them. Errors as for `fitted`."""
        return 2 + self.per_tile * self.tiles(width, height)

    def patches(self, width: int, height: int) -> int:
        """Patches of all tiles. Errors as for `fitted`."""
        return (self.tile // self.patch) ** 2 * self.tiles(width, height)

    def tiles(self, width: int, height: int) -> int:
        """Tiles of a picture, its thumbnail counted. Errors as for `fitted`."""
        columns, rows = self.arranged(width, height)
        return columns * rows + (columns * rows > 1)

    def arranged(self, width: int, height: int) -> tuple[int, int]:
        """Columns and rows: those nearest to the picture's proportions; of equally near ones the most tiles of which the
        picture fills more than half. Errors as for `fitted`."""
        self.fitted(width, height)
        ratio, area = width / height, width * height
        best, nearest = (1, 1), float("inf")
        for columns, rows in _arrangements(self.least, self.most):
            off = abs(ratio - columns / rows)
            if off < nearest or (off == nearest and area > 0.5 * self.tile * self.tile * columns * rows):
                best, nearest = (columns, rows), off
        return best


@lru_cache(maxsize=16)
def _arrangements(least: int, most: int) -> tuple[tuple[int, int], ...]:
    """Columns and rows of `least` to `most` tiles, the fewest first."""
    sides = range(1, most + 1)
    found = [(columns, rows) for columns in sides for rows in sides if least <= columns * rows <= most]
    return tuple(sorted(found, key=lambda each: each[0] * each[1]))

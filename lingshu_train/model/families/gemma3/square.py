"""What becomes of a picture that is stretched to one square, whatever its size."""

from __future__ import annotations

from dataclasses import dataclass

from lingshu_train.model.shape import Unfit


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """A PictureBudget: every picture becomes `side` x `side` pixels and `per_picture` tokens. The bounds say nothing more;
    `patch` is the side in pixels of a patch."""

    min_pixels: int
    max_pixels: int
    side: int
    patch: int
    per_picture: int

    @property
    def grid(self) -> int:
        """Pictures are stored as they are: the square is made of all pixels of the original."""
        return 1

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """The size itself. Unfit: no area."""
        if min(width, height) < 1:
            raise Unfit(f"a picture of {width}x{height} pixels: both sides must be at least 1")
        return width, height

    def settled(self, width: int, height: int) -> bool:
        """A picture that is stored as it is stays so."""
        return min(width, height) >= 1

    def tokens(self, width: int, height: int) -> int:
        """Two more than those of the square: the marks around them. Errors as for `fitted`."""
        self.fitted(width, height)
        return 2 + self.per_picture

    def patches(self, width: int, height: int) -> int:
        """Patches of the square. Errors as for `fitted`."""
        self.fitted(width, height)
        return (self.side // self.patch) ** 2

"""A row as numbers: token ids, which of them are targets, three rows of positions, patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from tokenizers import Tokenizer

from . import chat
from .pictures import MERGE, Grid, patches
from .rows import Row

IGNORED = -100
_PAD = "<|image_pad|>"


@dataclass(frozen=True)
class Example:
    """`labels` has the id of every token that is a target, IGNORED elsewhere; `pixels` (N, 1176)."""

    ids: list[int]
    labels: list[int]
    pixels: np.ndarray
    grids: list[Grid]
    picture_token: int

    @property
    def positions(self) -> np.ndarray:
        """(3, L): time, height, width. Text counts on; a picture is a block, and text goes on after its largest."""
        columns: list[tuple[int, int, int]] = []
        grids, at, following = iter(self.grids), 0, 0
        while at < len(self.ids):
            if self.ids[at] != self.picture_token:
                columns.append((following,) * 3)
                at, following = at + 1, following + 1
                continue
            grid = next(grids)
            high, wide = grid.high // MERGE, grid.wide // MERGE
            columns += [(following, following + y, following + x) for y in range(high) for x in range(wide)]
            at, following = at + high * wide, following + max(high, wide)
        return np.array(columns).T

    def answered(self, completion: Sequence[int]) -> Example:
        """The prompt with what a policy wrote after it; every written token is a target."""
        return replace(
            self, ids=[*self.ids, *completion], labels=[IGNORED] * len(self.ids) + list(completion)
        )


@dataclass(frozen=True)
class Reader:
    """Makes examples of rows. `every`: all answers of a dialogue are targets, or the last one alone."""

    words: Tokenizer
    least: int
    most: int
    every: bool = True

    def prompt(self, row: Row) -> Example:
        """Up to the last answer, with no targets."""
        whole = chat.pieces(row)
        asked = "".join(question + answer for question, answer in whole[:-1]) + whole[-1][0]
        return self._example(row, [(asked, False)])

    def example(self, row: Row) -> Example:
        pieces = chat.pieces(row)
        last = len(pieces) - 1
        marked = []
        for turn, (question, answer) in enumerate(pieces):
            marked += [(question, False), (answer, self.every or turn == last)]
        return self._example(row, marked)

    def _example(self, row: Row, pieces: list[tuple[str, bool]]) -> Example:
        cut = [patches(picture, least=self.least, most=self.most) for picture in row.pictures]
        pad, waiting = self.words.token_to_id(_PAD), iter(grid for _, grid in cut)
        ids: list[int] = []
        labels: list[int] = []
        for text, trained in pieces:
            for token in self.words.encode(text, add_special_tokens=False).ids:
                times = next(waiting).tokens if token == pad else 1
                ids += [token] * times
                labels += [token if trained else IGNORED] * times
        assert next(waiting, None) is None, "a picture without its place"
        pixels = np.concatenate([some for some, _ in cut]) if cut else np.zeros((0, 1176))
        return Example(ids, labels, pixels, [grid for _, grid in cut], pad)

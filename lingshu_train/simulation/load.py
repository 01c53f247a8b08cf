"""What one pass of a stage is given at most: rows, their tokens, their pictures. No torch."""

from __future__ import annotations

import math

from lingshu_train.errors import RecipeError
from lingshu_train.model.settings import Settings
from lingshu_train.model.shape import PictureBudget
from lingshu_train.schema import Strict
from lingshu_train.stages.grpo.config import Config as Grpo
from lingshu_train.stages.sft.config import Config as Sft
from lingshu_train.training.config import TrainingConfig

_WORDS = 64
"""Tokens of a row that are text at least: its turns and a question."""
_UNBOUND = 512
"""Tokens of text beside one picture, of a prompt that the recipe does not bound."""


class Load(Strict):
    """One forward pass of one process.

    `rows` of `tokens` tokens each, prompt and answer together, with `pictures` in each. `answer` of them are taught or
    generated. Packed rows are samples of one sequence.
    """

    rows: int
    tokens: int
    answer: int
    pictures: int
    picture_side: tuple[int, int]
    picture_tokens: int
    picture_patches: int
    packed: bool

    @property
    def patches(self) -> int:
        """Of all rows."""
        return self.rows * self.pictures * self.picture_patches

    @property
    def total(self) -> int:
        """Tokens of the pass."""
        return self.rows * self.tokens

    def __str__(self) -> str:
        what = f"{self.rows} row{'s' if self.rows > 1 else ''} of {self.tokens:,} tokens"
        pictures = (
            f", {self.pictures} picture{'s' if self.pictures > 1 else ''} each" if self.pictures else ""
        )
        return f"{'a pack of ' if self.packed else ''}{what}{pictures} ({self.patches:,} patches)"


def of(settings: Settings, config: TrainingConfig, *, row_tokens: int | None = None) -> Load:
    """The most that the stage lets through: rows at the limit of tokens, as many of the largest pictures as fit.

    `row_tokens` is the longest row of your data where it is shorter than the recipe allows; a pack is then made of such rows.
    RecipeError: a picture does not fit beside any text.
    """
    if isinstance(config, Grpo):
        return _generated(settings, config, row_tokens)
    if not isinstance(config, Sft):
        raise RecipeError(f"{config.kind}: a kind of stage whose passes are not known")
    tokens = min(row_tokens or config.max_length, config.max_length)
    rows = config.per_device_batch
    if config.packs:
        # What a pack holds is bounded as a whole, and per_device_batch counts packs.
        rows *= max(1, config.max_length // tokens)
    most = None
    if config.packs and config.max_patches is not None:
        most = config.max_patches * config.per_device_batch // rows
    side, each, patches, pictures = _pictures(settings.budget, tokens - _WORDS, most_patches=most)
    text = tokens - pictures * each
    return Load(
        rows=rows,
        tokens=tokens,
        answer=max(1, text // 2),
        pictures=pictures,
        picture_side=side,
        picture_tokens=each,
        picture_patches=patches,
        packed=config.together,
    )


def _generated(settings: Settings, config: Grpo, row_tokens: int | None) -> Load:
    """`row_tokens` counts the prompt alone."""
    side, each, patches, _ = _pictures(settings.budget, sum_of(settings.budget))
    prompt = config.max_prompt or each + _UNBOUND
    prompt = min(row_tokens or prompt, prompt)
    side, each, patches, pictures = _pictures(settings.budget, prompt - _WORDS)
    return Load(
        rows=config.per_device_batch,
        tokens=prompt + config.max_completion,
        answer=config.max_completion,
        pictures=pictures,
        picture_side=side,
        picture_tokens=each,
        picture_patches=patches,
        packed=False,
    )


def sum_of(budget: PictureBudget) -> int:
    """Tokens of the largest picture."""
    return budget.tokens(*largest(budget))


def largest(budget: PictureBudget) -> tuple[int, int]:
    """Width and height of a picture that the budget reduces least: near a square, of as many pixels as are allowed."""
    grid = budget.grid
    side = max(grid, int(math.sqrt(budget.max_pixels)) // grid * grid)
    height = max(grid, budget.max_pixels // side // grid * grid)
    return side, height


def _pictures(
    budget: PictureBudget, room: int, *, most_patches: int | None = None
) -> tuple[tuple[int, int], int, int, int]:
    """Size, tokens and patches of a picture, and how many of them fit. Where the largest does not, a smaller one does."""
    side = largest(budget)
    while budget.tokens(*side) > room or (most_patches is not None and budget.patches(*side) > most_patches):
        smaller = (side[0] // 2 // budget.grid * budget.grid, side[1] // 2 // budget.grid * budget.grid)
        if min(smaller) < budget.grid or smaller[0] * smaller[1] < budget.min_pixels:
            return side, 0, 0, 0
        side = smaller
    tokens, patches = budget.tokens(*side), budget.patches(*side)
    # A letter stands before each picture, and as many are taught.
    fitting = min(room // tokens, (room + _WORDS) // (tokens + 2))
    if most_patches is not None:
        fitting = min(fitting, most_patches // patches)
    return side, tokens, patches, fitting

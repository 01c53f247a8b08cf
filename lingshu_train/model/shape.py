"""The half of a model family that needs no torch: parameters, tokens and patches by arithmetic. Planning and data read it."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from importlib import resources
from typing import ClassVar, Literal, NamedTuple, Protocol, get_args

from lingshu_train import naming
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.schema import Strict

FAMILIES = "lingshu_train.model.families"
"""The package that holds one folder per family."""

Part = Literal["vision_tower", "merger", "language_model"]
PARTS: tuple[Part, ...] = get_args(Part)
"""The trainable parts, in the paper's words: vision encoder, projector, LLM (output head included). Every family has these
three, so that a recipe's `train` and `learning_rate` mean the same for each."""


Depth = Literal["text", "vision", "vision_beside"]
"""Kinds of layers: of the language model, of the vision tower, and of the vision tower where some of its layers work in another
way (such as over the whole picture)."""


class Unfit(DataError):
    """A picture of a size that the family's processor refuses."""


class PictureBudget(Protocol):
    """What a family's processor makes of a picture, told from its width and height alone. Hashable, and a frozen
    dataclass: its fields are part of what names a corpus and its lengths.

    Every method raises Unfit for a size that the processor refuses.
    """

    @property
    def min_pixels(self) -> int:
        """Least area of one picture as the model sees it."""

    @property
    def max_pixels(self) -> int:
        """Greatest area of one picture as the model sees it; a corpus keeps no more of any but a JPEG."""

    @property
    def grid(self) -> int:
        """Both sides of a fitted picture are multiples of it; 1 where a family's pictures are stored as they are."""

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """The size to which a larger picture may be resized (bicubic) when it is stored, such that the processor gives the
        same pixel values as for the original. The size itself where there is no such size."""

    def settled(self, width: int, height: int) -> bool:
        """Whether the processor would leave a picture of this size as it is."""

    def tokens(self, width: int, height: int) -> int:
        """Tokens that stand in the text for one picture: all that the processor puts in place of its one mark."""

    def patches(self, width: int, height: int) -> int:
        """Patches the vision tower works on, the measure of its cost."""


class Linear(NamedTuple):
    """Linear layers of one name and size: `times` of them, `inputs` values to `outputs`."""

    inputs: int
    outputs: int
    times: int

    @property
    def weights(self) -> int:
        """Numbers in their matrices, all of them together, without biases."""
        return self.inputs * self.outputs * self.times


@dataclass(frozen=True, slots=True)
class Counted:
    """What the work of a step depends on. `places`: for tokens, padding included; `squares`: tokens of each sample, squared and
    summed; `patch_squares`: patches of each picture likewise; `taught`: tokens that the model is asked for."""

    samples: int = 0
    tokens: int = 0
    image_tokens: int = 0
    places: int = 0
    taught: int = 0
    squares: int = 0
    patches: int = 0
    patch_squares: int = 0

    def __add__(self, other: Counted) -> Counted:
        return Counted(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


class Forward(NamedTuple):
    """Operations of a part's forward pass: products with its weights, attention, whose products have none, and products of
    weights with what the model is given, which needs no gradient."""

    weights: float
    attention: float
    given: float = 0.0


class Shape(Strict, ABC):
    """The sizes of one model of a family, as `model.shape` of a recipe gives them."""

    context: ClassVar[int] = 32_768
    """Tokens of prompt and completion together that the family's models are made for."""
    control: ClassVar[tuple[str, ...]] = ()
    """Texts that the family's tokenizers read as one token with a meaning, such as the end of a turn or a picture's place: no
    text of a row may hold one. All of their added tokens, but for the tags of an answer."""
    model_type: ClassVar[str] = ""
    """What `config.json` of the family's published models calls it; empty where nothing can be said before loading."""
    elsewhere: ClassVar[Mapping[str, str]] = {}
    """What it calls the same models in layouts that transformers does not read, and how to get one that it does."""

    looks_ahead: ClassVar[bool] = False
    """Whether some tokens see later ones, as a picture's see each other in a few families. Samples laid end to end then need a
    mask of all pairs of tokens, and flash attention, which takes none, would leave it out without a word: it is refused."""
    unserved: ClassVar[str] = ""
    """Why the engine vllm would answer for the family otherwise than the model; empty where it answers alike."""

    @property
    @abstractmethod
    def vocabulary(self) -> int:
        """Rows of the embedding."""

    @abstractmethod
    def parameters(self) -> dict[Part, int]:
        """Number of parameters of each part; tied embeddings count once."""

    def linear(self) -> dict[Part, dict[str, Linear]]:
        """The linear layers of each part by the ends of their names, without the output head. Whatever a family leaves out can
        only be told from a loaded model."""
        return {}

    def operations(self, counted: Counted) -> Mapping[Part, Forward]:
        """Of the forward pass over what was counted, by part; nothing where a family does not say. The output head counts at
        taught positions alone, attention of text as the half that causality leaves."""
        return {}

    def layers(self) -> dict[str, tuple[str, ...]]:
        """The names in `linear`."""
        return {part: tuple(found) for part, found in self.linear().items()}

    @property
    def largest(self) -> int:
        """Numbers in the largest tensor; 0 where a family does not say."""
        return 0

    @property
    def cached(self) -> int:
        """Numbers that generation keeps of each token: keys and values of all layers; 0 where a family does not say."""
        return 0

    def depths(self) -> dict[Depth, int]:
        """How many layers of each kind there are, where all of a kind do the same work: memory and operations of a pass are
        then linear in their numbers, and a simulation traces few of them. Empty where that does not hold."""
        return {}

    def with_depths(self, depths: Mapping[Depth, int]) -> Shape:
        """The same model with as many layers of each kind; only asked of a family that names `depths`."""
        raise NotImplementedError

    @abstractmethod
    def budget(self, *, min_pixels: int, max_pixels: int) -> PictureBudget:
        """What becomes of pictures under these bounds on the area of one."""

    @classmethod
    @abstractmethod
    def published_budget(
        cls, *, min_pixels: int | None = None, max_pixels: int | None = None
    ) -> PictureBudget:
        """The budget of the family's published models, for a corpus made before a model is chosen; their own bounds
        where none are given."""


def of(family: str) -> type[Shape]:
    """The family's Shape, in `families/<name>/shape.py`. RecipeError: no such family."""
    naming.component(FAMILIES, family, where="model.family", error=RecipeError)
    found: type[Shape] = importlib.import_module(f"{FAMILIES}.{family}.shape").Shape
    return found


def fault(budget: PictureBudget) -> str:
    """Why no picture can keep to a budget; empty where some can."""
    if budget.max_pixels < budget.min_pixels:
        return f"max_pixels {budget.max_pixels} is below min_pixels {budget.min_pixels}"
    if budget.max_pixels < budget.grid**2:
        return f"max_pixels {budget.max_pixels} is less than one token takes ({budget.grid}x{budget.grid} pixels)"
    return ""


def usage(family: str) -> str:
    """Markdown: how to run an exported model of the family with plain transformers, for its model card."""
    return (resources.files(f"{FAMILIES}.{family}") / "usage.md").read_text(encoding="utf-8").rstrip()

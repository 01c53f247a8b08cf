"""What training, data and evaluation may ask of an architecture. Its half without torch is model/shape.py.

A family is a folder `families/<name>/`: `shape.py` with a class Shape, `family.py` with a class Family that derives from the
one here, `chat_template.jinja`, `usage.md` (for model cards). Nobody else knows an architecture.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin
from transformers.modeling_outputs import BaseModelOutputWithPooling

from lingshu_train import naming
from lingshu_train.errors import RecipeError
from lingshu_train.model.shape import FAMILIES, Part, PictureBudget, Shape

Batch = Mapping[str, torch.Tensor]
"""What a model's forward takes: per token (B, L), and the pictures of all rows end to end."""

Became = tuple[torch.Tensor, ...]
"""All that enters the text of one picture, or of whatever part of one the vision tower sees alone; its tokens first."""


class Family(Protocol):
    """Stateless. What has a body here holds for most; a family overrides what differs.

    Its models are transformers': the pictures' tokens come from `model.model.get_image_features`, the loss is divided by
    `num_items_in_batch` where that is given, and rows that `positions` lays end to end, without an attention mask and
    without a cache, do not see each other.
    """

    architecture: ClassVar[type[PreTrainedModel]]
    """The class that everyone has: an export is loaded as it, with nothing of this project."""

    prefixes: ClassVar[tuple[tuple[str, Part], ...]]
    """How names of `named_parameters()` begin, and the part each belongs to; the first that fits counts. Every parameter
    fits one. All that trains, also what is added to a layer, finds its part here."""

    picture_inputs: ClassVar[tuple[str, ...]]
    """What must be in a batch with pictures; the pixels first. Lacking one, positions would silently be wrong."""

    patch: ClassVar[int] = 14
    """Side of a patch in pixels."""

    @property
    def name(self) -> str:
        """That of its folder."""
        return type(self).__module__.rpartition(".")[0].rpartition(".")[2]

    @property
    def chat_template(self) -> str:
        """Jinja: a chat as text. A picture is one mark, which the processor replaces by the picture's tokens."""
        folder = resources.files(type(self).__module__.rpartition(".")[0])
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")

    # Words and pictures to a batch.

    def build_processor(self, tokenizer: PreTrainedTokenizerBase, budget: PictureBudget) -> ProcessorMixin:
        """The same pixels on every machine, with and without torchvision. Holds `tokenizer`, `chat_template`, the mark
        `image_token`, and `image_token_ids`: all that stands for pictures, and is never a label."""

    def write_for_everyone(self, processor: ProcessorMixin, folder: Path) -> None:
        """Save so that plain `AutoProcessor` and inference servers find the classes they know."""

    def end_tokens(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Ids that end an answer."""
        return [tokenizer.eos_token_id]

    def control(self, tokenizer: PreTrainedTokenizerBase) -> set[str]:
        """What a tokenizer reads as one token with a meaning, so that no text of a row may hold it: all that was added to it.
        A family whose tokenizers add ordinary text too, such as line ends, leaves that out."""
        return set(tokenizer.get_added_vocab())

    # The forward pass.

    def positions(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """`position_ids` for the N real tokens of a padded batch laid end to end, each row from 0: (1, N), or what the model
        takes instead."""
        lengths = batch["attention_mask"].sum(dim=1).tolist()
        return torch.cat([torch.arange(length) for length in lengths])[None]

    def quicken(self, model: PreTrainedModel) -> None:
        """Whatever makes a model that was loaded faster and changes no bit of it. What is saved stays upstream's."""

    def mend(self, model: PreTrainedModel) -> None:
        """Put right what upstream computes wrongly in a model that was loaded. What is saved stays upstream's."""

    def blank(self, model: PreTrainedModel) -> dict[str, torch.Tensor]:
        """The smallest legal picture, all zeros, as `get_image_features` takes it: arguments by name, in their order, the
        pixels first. Zero rows of each mean no picture."""

    def drop_tokens(self, features: BaseModelOutputWithPooling) -> None:
        """Take all tokens out of what `get_image_features` gave, so that nothing of it enters the text, and leave the
        gradients' way back to the vision tower."""
        features.pooler_output = features.pooler_output[:0]

    def apart(self, pictures: Batch) -> list[dict[str, torch.Tensor]]:
        """The pictures of a batch one by one, or whatever part of one the vision tower sees alone, as `blank` gives one."""
        return [
            {name: tensor[i : i + 1] for name, tensor in pictures.items()}
            for i in range(min(map(len, pictures.values())))
        ]

    def pieces(self, model: PreTrainedModel, ids: Sequence[int], pictures: int) -> int:
        """How many of `apart` are the pictures of a prompt of the tokens `ids`, of which there are `pictures`."""
        return pictures

    def patches(self, batch: Batch) -> list[int]:
        """Patches of each picture of a batch, or of whatever part of one the vision tower sees alone: here of pixels
        (B, channels, height, width) in squares of `patch`."""
        pixels = batch.get(self.picture_inputs[0])
        return [] if pixels is None else [pixels[0, 0].numel() // self.patch**2] * len(pixels)

    def each(self, features: BaseModelOutputWithPooling) -> Sequence[Became]:
        """What `get_image_features` made of each of `apart`."""
        return [(tokens,) for tokens in features.pooler_output]

    def together(self, each: Sequence[Became]) -> BaseModelOutputWithPooling:
        """The reverse: what `get_image_features` gives for several, one of which may stand there again. No index: its gradient
        would be summed in any order on a GPU."""
        return BaseModelOutputWithPooling(pooler_output=torch.stack([tokens for (tokens,) in each]))

    # A small model from nothing.

    def build_tokenizer(self, texts: Iterable[str], *, vocabulary: int) -> PreTrainedTokenizerBase:
        """Trained on `texts`, in the family's layout, with its special tokens: at most `vocabulary` entries in all."""

    def build_model(
        self, shape: Shape, tokenizer: PreTrainedTokenizerBase, *, initializer_range: float, seed: int
    ) -> PreTrainedModel:
        """Random weights from `seed`."""


def of(name: str) -> Family:
    """The family of that name. RecipeError: no such folder."""
    naming.component(FAMILIES, name, where="model.family", error=RecipeError)
    found: Family = importlib.import_module(f"{FAMILIES}.{name}.family").Family()
    return found

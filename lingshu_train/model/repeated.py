"""A picture that stands several times in a batch goes through the vision tower once: GRPO asks a prompt many times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps

import torch
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling as Features

from lingshu_train.model import parts
from lingshu_train.model.family import Became, Family

PLACES = 64
"""Numbers of a picture by which others are told from it before all are compared."""


class Seen:
    """What a tower that stays as it is has made of pictures, until it is forgotten; models with that tower may share it."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, float, bool], list[tuple[torch.Tensor, Became]]] = {}

    def forget(self) -> None:
        self._known.clear()

    def find(self, pixels: torch.Tensor) -> Became | None:
        """What a picture became, made in the precision that is now in force."""
        alike = self._known.get(_mark(pixels), ())
        return next((became for known, became in alike if torch.equal(known, pixels)), None)

    def keep(self, pixels: torch.Tensor, became: Became) -> None:
        self._known.setdefault(_mark(pixels), []).append((pixels, became))


class Copies:
    """Which pictures stand where in a batch that holds each once. What makes the batch says it, for the time of its pass."""

    def __init__(self) -> None:
        self.places: Sequence[int] | None = None
        """Of each place in the batch, the number of its picture among those that the batch holds; numbers come in order."""

    @contextmanager
    def told(self, places: Sequence[int] | None) -> Iterator[None]:
        self.places = places
        try:
            yield
        finally:
            self.places = None


def _mark(pixels: torch.Tensor) -> tuple[int, float, bool]:
    return len(pixels), float(pixels.double().sum()), torch.is_autocast_enabled(pixels.device.type)


def stays(family: Family, model: PreTrainedModel) -> bool:
    """Whether nothing trains that a picture passes before it becomes tokens."""
    return not any(
        parameter.requires_grad and parts.part_of(family, name) != "language_model"
        for name, parameter in model.named_parameters()
    )


def once(
    family: Family, model: PreTrainedModel, seen: Seen | None = None, copies_told: Copies | None = None
) -> None:
    """Every copy then has the tokens of the first, and hands its gradient on to them: sums are taken in another order, so
    that the last bits differ from those of a tower that sees every copy.

    What counts as a copy is equal in every pixel. Where `copies_told` says which are, the batch holds the pixels of each once,
    and all else that the family gives of pictures at every place. With `seen`, for a tower that stays as it is, a picture goes
    through it once until that is forgotten.
    """
    inner = model.model
    features = inner.get_image_features
    names = tuple(family.blank(model))

    # `generate` looks up in the signature which inputs belong to the pictures.
    @wraps(features)
    def image_features(*args: torch.Tensor, **kwargs: object) -> Features:
        given = kwargs | dict(zip(names, args, strict=False))
        tensors = {name: tensor for name in names if isinstance(tensor := given[name], torch.Tensor)}
        pictures, copies = _apart(family, tensors, names[0], copies_told.places if copies_told else None)
        firsts = list(dict.fromkeys(copies))

        def made(numbers: Sequence[int]) -> Sequence[Became]:
            some = {name: torch.cat([pictures[i][name] for i in numbers]) for name in tensors}
            return family.each(features(**given | some))

        if seen is not None:
            found = _remembered(seen, {number: pictures[number][names[0]] for number in firsts}, made)
        elif len(firsts) == len(copies):
            return features(**given)
        else:
            found = made(firsts)
        place = {number: i for i, number in enumerate(firsts)}
        return family.together([found[place[number]] for number in copies])

    inner.get_image_features = image_features


def _apart(
    family: Family, tensors: Mapping[str, torch.Tensor], pixels: str, places: Sequence[int] | None
) -> tuple[Sequence[Mapping[str, torch.Tensor]], Sequence[int]]:
    """Pictures, and of each place in the batch the number of the picture that stands there."""
    if places is None:
        every = family.apart(tensors)
        firsts, copies = distinct([one[pixels] for one in every])
        return every, [firsts[place] for place in copies]
    firsts = [places.index(number) for number in range(max(places) + 1)]
    held = {name: tensor if name == pixels else tensor[firsts] for name, tensor in tensors.items()}
    return family.apart(held), places


def _remembered(
    seen: Seen, pictures: Mapping[int, torch.Tensor], made: Callable[[Sequence[int]], Sequence[Became]]
) -> Sequence[Became]:
    """What became of pictures, by number; `made` are those that nobody has seen."""
    known = {number: seen.find(pixels) for number, pixels in pictures.items()}
    new = [number for number, became in known.items() if became is None]
    for number, made_now in zip(new, made(new) if new else (), strict=True):
        known[number] = became = tuple(one.detach() for one in made_now)
        seen.keep(pictures[number].clone(), became)
    return [became for became in known.values() if became is not None]


def distinct(pixels: Sequence[torch.Tensor]) -> tuple[list[int], list[int]]:
    """Numbers of the pictures that are the first of their kind, and of each picture the place among these."""
    if len(pixels) < 2:
        return list(range(len(pixels))), list(range(len(pixels)))
    firsts: list[int] = []
    copies: list[int] = []
    known: dict[tuple[float, ...], list[int]] = {}
    # Reading all of a picture to tell it from others costs more than to compare the few that are alike in some places. One wait
    # for the device, whatever the number of pictures.
    looks = torch.stack([_looked_at(one) for one in pixels]).tolist()
    for number, (one, look) in enumerate(zip(pixels, looks, strict=True)):
        alike = known.setdefault((len(one), *look), [])
        place = next((place for place in alike if torch.equal(pixels[firsts[place]], one)), None)
        if place is None:
            place = len(firsts)
            firsts.append(number)
            alike.append(place)
        copies.append(place)
    return firsts, copies


def _looked_at(pixels: torch.Tensor) -> torch.Tensor:
    """PLACES numbers of a picture, evenly spread."""
    flat = pixels.reshape(-1)
    return flat[torch.arange(PLACES, device=flat.device) * (len(flat) - 1) // (PLACES - 1)]

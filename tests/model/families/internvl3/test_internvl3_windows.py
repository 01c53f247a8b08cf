"""In a generation window each prompt keeps the tiles of its own pictures, however many they are."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch

from lingshu_train.model import family
from lingshu_train.rollouts._window import Window
from lingshu_train.stages.grpo import pictures, windows

START, IMAGE, END, TEXT = 10, 11, 12, 1
PER_TILE = 4
MODEL = SimpleNamespace(config=SimpleNamespace(image_token_id=IMAGE, image_seq_length=PER_TILE))
KNOWN = family.of("internvl3")
TILES = {0: [0], 1: [], 2: [1, 2, 3, 4, 5], 3: [0]}
"""Prompt -> its tiles, by their brightness: one picture, none, two (of one and of four tiles), and the first picture again."""


def pixels() -> torch.Tensor:
    return torch.cat([torch.full((1, 3, 2, 2), float(n)) for tiles in TILES.values() for n in tiles])


def ids(prompt: int) -> list[int]:
    shown = [START, *[IMAGE] * (PER_TILE * len(TILES[prompt])), END] if TILES[prompt] else []
    return [TEXT, *shown, *[TEXT] * (prompt + 1)]


def tiles(batch: dict[str, Any], copies: Sequence[int] | None = None) -> list[int]:
    seen = [int(one.mean()) for one in batch["pixel_values"]] if "pixel_values" in batch else []
    return seen if copies is None else [seen[n] for n in copies]


def test_the_pieces_of_a_prompt_are_told_from_its_tokens() -> None:
    assert [KNOWN.pieces(MODEL, ids(n), 1) for n in TILES] == [1, 0, 5, 1]


def test_a_slice_of_a_window_has_the_tiles_of_its_prompts() -> None:
    prompts = [ids(n) for n in TILES]
    prompt_of = [0, 1, 2, 3, 2]
    window = Window(
        prompts,
        {"pixel_values": pixels()},
        family=KNOWN,
        names=("pixel_values",),
        pieces=[KNOWN.pieces(MODEL, one, 1) for one in prompts],
        asked=prompt_of,
    )
    for places in ([0], [1], [2], [2, 0], [3, 1, 2], [4, 0, 2]):
        given, copies = window.inputs(places, pad=0, device=torch.device("cpu"))
        wanted = [n for place in places for n in TILES[prompt_of[place]]]
        assert tiles(given, copies) == wanted
        assert len(tiles(given)) == len(set(wanted)), "each is held once"


def test_an_update_has_the_tiles_of_its_rows_and_equal_ones_are_kept_once() -> None:
    window = {"pixel_values": pixels(), "num_images": [1, 0, 2, 1], "num_tiles": [1, 0, 5, 1]}
    found = pictures.of_window(KNOWN, window, ("pixel_values",))
    assert found is not None
    assert len(found.distinct) == 6
    for places in ([0], [1], [2, 3], [3, 0, 2]):
        given = found.at(places)
        assert tiles(given) == [n for place in places for n in TILES[place]]
        once = found.once_at(places, "pixel_values")
        assert tiles(once, once.get("copies")) == tiles(given)
        # Upstream takes as many rows of pixels as the counts say.
        assert sum(given["num_images"]) == len(tiles(given))


def test_a_server_is_given_one_mark_a_picture_and_nothing_around_it() -> None:
    never = (START, IMAGE, END)
    assert windows._marked(ids(2), IMAGE, never) == [TEXT, IMAGE, TEXT, TEXT, TEXT]
    beside = [START, IMAGE, IMAGE, END, START, IMAGE, END, TEXT]
    assert windows._marked(beside, IMAGE, never) == [IMAGE, IMAGE, TEXT]

"""The engine of this process: what it draws hangs on prompt and seed alone, and what it tells of it is true."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_model
import torch
from transformers import DynamicCache
from transformers.generation import SuppressTokensLogitsProcessor

from lingshu_train import rollouts
from lingshu_train.data import chat
from lingshu_train.errors import MissingInput, RecipeError
from lingshu_train.model import family, load
from lingshu_train.record import Completion, Prompt, Sample, Sampling
from lingshu_train.rollouts import _cache, _engine, _generating
from lingshu_train.rollouts._drawing import Drawing, Never, NotFinite
from lingshu_train.rollouts._generating import Transformers

GREEDY = Sampling(max_tokens=8)
DRAWN = Sampling(max_tokens=8, temperature=1.0, seed=3)


def prompt(sample: Sample) -> Prompt:
    pictures = tuple(tiny_model.picture(int(name)) for name in sample.images)
    return Prompt(id=sample.id, messages=chat.prompt(sample, images=True), images=pictures)


PROMPTS = [prompt(tiny_model.sample(number)) for number in range(7)]


def weights(folder: Path) -> rollouts.Weights:
    return rollouts.Weights(source=str(folder), settings=tiny_model.SETTINGS)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Transformers]:
    folder = tiny_model.build(tmp_path_factory.mktemp("model"))
    with rollouts.start("transformers", {"batch": 64}, where="test", weights=weights(folder)) as running:
        assert isinstance(running, Transformers)
        yield running


def sliced(engine: Transformers, batch: int) -> Transformers:
    ends, never = engine._ends, engine._never
    return Transformers(engine._model, engine._text, batch=batch, ends=ends, never=never)


def texts(completions: list[Completion]) -> list[tuple[int, ...]]:
    return [one.token_ids for one in completions]


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN], ids=["greedy", "drawn"])
def test_an_answer_does_not_hang_on_who_else_is_asked(engine: Transformers, sampling: Sampling) -> None:
    together = list(engine.answer(PROMPTS, sampling))
    for batch in (1, 3):
        assert texts(list(sliced(engine, batch).answer(PROMPTS, sampling))) == texts(together)
    backwards = list(engine.answer(PROMPTS[::-1], sampling))
    assert texts(backwards)[::-1] == texts(together)
    assert len(set(texts(together))) > 3, "different prompts have different answers"


def test_drawing_leaves_torchs_random_state_alone(engine: Transformers) -> None:
    before = torch.get_rng_state()
    list(engine.answer(PROMPTS, DRAWN))
    assert torch.equal(torch.get_rng_state(), before)


def test_another_seed_draws_other_completions_and_each_says_its_own(engine: Transformers) -> None:
    first = list(engine.answer(PROMPTS, DRAWN))
    assert texts(list(engine.answer(PROMPTS, replace(DRAWN, seed=4)))) != texts(first)
    told = [replace(one, seed=found.seed) for one, found in zip(PROMPTS, first, strict=True)]
    again = list(engine.answer(told, DRAWN))
    assert texts(again) == texts(first), "the seed that is told draws the same once more"


def test_several_completions_of_a_prompt_take_the_seeds_that_follow(engine: Transformers) -> None:
    several = list(engine.answer(PROMPTS[:2], replace(DRAWN, n=3)))
    seed = _engine.seed_of(PROMPTS[1], DRAWN)
    assert [one.seed for one in several[3:]] == [seed, seed + 1, seed + 2]
    alone = list(engine.answer([replace(PROMPTS[1], seed=seed + 2)], DRAWN))
    assert alone[0].token_ids == several[5].token_ids
    assert len(set(texts(several))) == 6


def test_tokens_are_drawn_with_the_probabilities_of_their_scores() -> None:
    chances = torch.tensor([0.5, 0.25, 0.15, 0.1, 0.0])
    draws = 4000
    scores = chances.log().expand(draws, -1)
    drawing = Drawing(range(draws), torch.device("cpu"))
    counts = Counter(drawing(torch.zeros(draws, 1), scores).argmax(dim=1).tolist())
    for token, chance in enumerate(chances.tolist()):
        error = (draws * chance * (1 - chance)) ** 0.5
        assert abs(counts[token] - draws * chance) <= 4 * error, (token, counts[token])


def test_tokens_of_every_block_are_drawn_with_the_probabilities_of_their_scores() -> None:
    """A vocabulary of two whole blocks and a part of one, some of it forbidden; a chi-squared that chance passes 1 in 10,000."""
    size = 2 * Drawing.BLOCK + 60
    scores = 2.0 * torch.randn(size, generator=torch.Generator().manual_seed(1))
    scores[[0, 300, size - 1]] = -torch.inf
    counts = torch.zeros(size)
    drawing = Drawing(range(1000), torch.device("cpu"))
    for _ in range(60):
        drawn = drawing(torch.zeros(1000, 1), scores.expand(1000, -1))
        counts += torch.bincount(drawn.argmax(dim=1), minlength=size)
    drawing.check()
    expected = counts.sum() * scores.softmax(dim=0)
    often = expected > 5
    assert counts[[0, 300, size - 1]].sum() == 0
    degrees = int(often.sum())
    chi = float(((counts - expected) ** 2 / expected)[often].sum())
    assert degrees > 300
    # Wilson and Hilferty's cube root of chi-squared is nearly normal.
    assert (chi / degrees) ** (1 / 3) < 1 - 2 / (9 * degrees) + 3.72 * (2 / (9 * degrees)) ** 0.5


def test_scores_without_a_sound_chance_are_told() -> None:
    for spoilt in (torch.nan, torch.inf):
        drawing = Drawing(range(2), torch.device("cpu"))
        drawing(torch.zeros(2, 1), torch.tensor([[0.0, 1.0], [spoilt, 0.0]]))
        with pytest.raises(NotFinite):
            drawing.check()
    drawing = Drawing(range(1), torch.device("cpu"))
    drawing(torch.zeros(1, 1), torch.full((1, 300), -torch.inf))
    with pytest.raises(NotFinite):
        drawing.check()


def test_forbidden_tokens_and_draws_are_those_of_the_plain_formulas() -> None:
    scores = torch.randn(3, 50, generator=torch.Generator().manual_seed(1))
    stock = SuppressTokensLogitsProcessor([4, 7], device="cpu")(torch.zeros(3, 1), scores.clone())
    own = Never([4, 7], torch.device("cpu"))(torch.zeros(3, 1), scores.clone())
    assert torch.equal(own, stock)
    drawn = Drawing(range(3), torch.device("cpu"))(torch.zeros(3, 1), own)
    for row in range(3):
        # One block, whose number comes first, and then its tokens.
        shares = torch.rand(
            1 + Drawing.BLOCK, dtype=torch.float64, generator=torch.Generator().manual_seed(row)
        )
        waits = -torch.log1p(-shares.float())[1:51]
        assert int(drawn[row].argmax()) == int((waits / stock[row].softmax(dim=0)).argmin())


def test_keys_lie_where_they_were_written_and_every_number_is_that_of_upstreams_cache(
    engine: Transformers, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampling = replace(DRAWN, log_probs=True)
    ours = list(engine.answer(PROMPTS, sampling))
    made = []

    def upstreams(model: Any, most: int) -> DynamicCache:
        made.append(most)
        return DynamicCache(config=model.config.get_text_config(decoder=True))

    monkeypatch.setattr(_generating, "reserved", upstreams)
    theirs = list(engine.answer(PROMPTS, sampling))
    assert made and [(one.token_ids, one.log_probs) for one in ours] == [
        (one.token_ids, one.log_probs) for one in theirs
    ]
    layer = _cache.Reserved(6)
    states = torch.randn(2, 3, 4, 8)
    (keys, _), first = layer.update(states, states), layer._kept[0].data_ptr()
    assert torch.equal(keys, states) and keys.data_ptr() == first
    more = torch.randn(2, 3, 1, 8)
    keys, values = layer.update(more, more)
    assert torch.equal(keys, torch.cat([states, more], dim=2)) and torch.equal(keys, values)
    assert keys.data_ptr() == first and layer.get_seq_length() == 5


def test_a_narrow_nucleus_and_a_low_temperature_leave_the_likeliest_token(engine: Transformers) -> None:
    greedy = texts(list(engine.answer(PROMPTS, GREEDY)))
    assert texts(list(engine.answer(PROMPTS, replace(DRAWN, top_p=1e-6)))) == greedy
    assert texts(list(engine.answer(PROMPTS, replace(DRAWN, temperature=1e-4)))) == greedy


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_log_probs_are_those_of_the_models_own_distribution(engine: Transformers, temperature: float) -> None:
    sampling = replace(DRAWN, temperature=temperature, log_probs=True)
    for asked, one in zip(PROMPTS, engine.answer(PROMPTS, sampling), strict=True):
        batch = engine._inputs([asked], engine._texts([asked]))
        ids = torch.cat([batch["input_ids"], torch.tensor([one.token_ids])], dim=1)
        kinds = torch.cat(
            [batch["mm_token_type_ids"], torch.zeros(1, len(one.token_ids), dtype=torch.long)], 1
        )
        more = {name: batch[name] for name in ("pixel_values", "image_grid_thw") if name in batch}
        with torch.no_grad():
            logits = engine._model(input_ids=ids, mm_token_type_ids=kinds, **more).logits[0].float()
        width = batch["input_ids"].shape[1]
        expected = torch.log_softmax(logits[width - 1 : -1], dim=-1)
        expected = expected.gather(1, torch.tensor(one.token_ids)[:, None])[:, 0]
        assert len(one.log_probs) == len(one.token_ids)
        assert one.log_probs == pytest.approx(expected.tolist(), abs=1e-4)


def test_a_completion_ends_at_the_limit_or_at_any_end_token_of_the_model(
    engine: Transformers, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole,) = engine.answer(PROMPTS[:1], GREEDY)
    assert (whole.finish, whole.truncated, len(whole.token_ids), whole.max_tokens) == ("length", True, 8, 8)
    own = engine._text.tokenizer.eos_token_id
    second = whole.token_ids[1]
    assert own not in whole.token_ids
    monkeypatch.setattr(engine._model.generation_config, "eos_token_id", [own, second])
    ends = load.ends(family.of(tiny_model.SETTINGS.family), engine._model, engine._text)
    assert set(ends) == {own, second}
    others = Transformers(engine._model, engine._text, batch=64, ends=ends, never=engine._never)
    first = min(whole.token_ids.index(second), 1)
    ended, *_ = others.answer(PROMPTS, GREEDY)
    assert ended.token_ids == whole.token_ids[: first + 1], "with the token that ended it, and nothing after"
    assert (ended.finish, ended.truncated) == ("stop", False)


def test_what_stands_for_a_picture_or_a_film_is_never_written(engine: Transformers) -> None:
    never = [engine._text.image_token_id, engine._text.video_token_id]
    assert list(load.never(engine._text)) == sorted(never)
    free = Transformers(engine._model, engine._text, batch=64, ends=engine._ends)
    for token in never:

        def likeliest(
            module: object, given: object, scores: torch.Tensor, token: int = token
        ) -> torch.Tensor:
            return scores + 1e4 * torch.nn.functional.one_hot(torch.tensor(token), scores.shape[-1])

        hook = engine._model.lm_head.register_forward_hook(likeliest)
        for sampling in (GREEDY, DRAWN):
            assert set(next(iter(free.answer(PROMPTS[2:3], sampling))).token_ids) == {token}
            for one in engine.answer(PROMPTS, sampling):
                assert not set(never) & set(one.token_ids)
        hook.remove()


PUBLISHED = {
    "do_sample": True,
    "temperature": 0.1,
    "top_k": 1,
    "top_p": 0.1,
    "num_beams": 2,
    "repetition_penalty": 2.0,
    "no_repeat_ngram_size": 2,
    "min_new_tokens": 8,
    "suppress_tokens": list(range(40, 80)),
    "bad_words_ids": [[number] for number in range(80, 200)],
    "forced_eos_token_id": 3,
}
"""How a model may ask to be decoded. Qwen2.5-VL-7B-Instruct asks for a repetition penalty of 1.05."""


def test_how_a_model_was_published_to_decode_changes_no_answer(engine: Transformers, tmp_path: Path) -> None:
    folder = tiny_model.build(tmp_path / "published")
    stated = folder / "generation_config.json"
    stated.write_text(json.dumps(json.loads(stated.read_text()) | PUBLISHED))
    with rollouts.start("transformers", {"batch": 64}, where="test", weights=weights(folder)) as published:
        for sampling in (GREEDY, DRAWN):
            plain = texts(list(engine.answer(PROMPTS, sampling)))
            assert texts(list(published.answer(PROMPTS, sampling))) == plain


def test_how_a_model_was_published_to_decode_does_not_travel_on(tmp_path: Path) -> None:
    folder = tiny_model.build(tmp_path / "published")
    stated = folder / "generation_config.json"
    before = json.loads(stated.read_text())
    stated.write_text(json.dumps(before | PUBLISHED | {"eos_token_id": [5, 7]}))
    architecture = family.of(tiny_model.SETTINGS.family)
    load.model(architecture, str(folder), dtype="float32", attention="sdpa").save_pretrained(tmp_path / "on")
    after = json.loads((tmp_path / "on" / "generation_config.json").read_text())
    assert not PUBLISHED.keys() & after.keys()
    assert after["eos_token_id"] == [5, 7], "where an answer ends stays as published"


def test_a_stop_text_ends_a_completion_and_is_cut_off(engine: Transformers) -> None:
    whole = list(engine.answer(PROMPTS, replace(GREEDY, max_tokens=24)))
    stop = engine._text.tokenizer.decode(whole[0].token_ids[2:4])
    assert stop in whole[0].text
    found = list(engine.answer(PROMPTS, replace(GREEDY, max_tokens=24, stop=(stop,))))
    assert found[0].text == whole[0].text[: whole[0].text.index(stop)]
    assert found[0].finish == "stop"
    assert len(found[0].token_ids) <= 4
    for before, after in zip(whole, found, strict=True):
        assert after.text == before.text.partition(stop)[0]


def test_pictures_are_opened_when_their_slice_is_answered(engine: Transformers) -> None:
    opened: list[int] = []

    def late(number: int) -> Prompt:
        def open_it() -> list[object]:
            opened.append(number)
            return [tiny_model.picture(number)]

        return replace(PROMPTS[0], id=str(number), images=open_it)  # type: ignore[arg-type]

    answers = sliced(engine, 2).answer([late(number) for number in range(6)], replace(DRAWN, n=2))
    next(answers)
    assert opened == [0], "two copies of a prompt open their picture once"
    list(answers)
    assert opened == list(range(6))


def test_an_unknown_engine_or_setting_names_what_there_is() -> None:
    with pytest.raises(RecipeError, match="unknown rollout 'nosuch'; rollouts/ has: endpoint, transformers"):
        rollouts.start("nosuch", {}, where="stages.e.rollouts")
    with pytest.raises(RecipeError, match=r"stages\.e\.rollouts\.bach: unknown key; nearest: batch"):
        rollouts.start("transformers", {"bach": 3}, where="stages.e.rollouts")
    with pytest.raises(RecipeError, match="opens a model of this machine"):
        rollouts.start("transformers", {}, where="stages.e.rollouts")


def test_a_model_that_is_not_there_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="model"):
        rollouts.start("transformers", {}, where="test", weights=weights(tmp_path / "nowhere"))


def test_the_same_greedy_completion_several_times_is_refused() -> None:
    with pytest.raises(AssertionError, match="3 times"):
        Sampling(max_tokens=1, n=3)


def test_a_completion_tells_the_text_that_the_model_was_given(engine: Transformers) -> None:
    """Template and special tokens as they stand, and one mark a picture however many tokens it becomes."""
    sampling = Sampling(max_tokens=2)
    for asked, one in zip(PROMPTS, engine.answer(PROMPTS, sampling), strict=True):
        assert one.prompt == engine._texts([asked])[0]
        assert one.prompt.endswith("<|im_start|>assistant\n")
        assert one.prompt.count("<|image_pad|>") == len(asked.pictures())

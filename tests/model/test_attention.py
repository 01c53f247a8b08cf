"""Samples that lie end to end in a row attend each by itself, with the numbers of the dense mask and without its size."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from families import Kit, gradients
from torch.nn.functional import scaled_dot_product_attention

from lingshu_train.model import attention, load
from lingshu_train.model.shape import PARTS

ROWS = [[7], [1, 1, 1], [5, 1, 12, 3], [64, 64]]


def borders(lengths: list[int]) -> torch.Tensor:
    found = torch.zeros(1, 1, 1, sum(lengths), dtype=torch.bool)
    found[..., [sum(lengths[:n]) for n in range(len(lengths))]] = True
    return found


def dense(lengths: list[int]) -> torch.Tensor:
    """Each token sees those of its sample up to itself."""
    return torch.block_diag(*(torch.ones(n, n).tril() for n in lengths)).bool()


@pytest.mark.parametrize("lengths", ROWS, ids=str)
@pytest.mark.parametrize("keys", [1, 2, 4])
def test_attention_by_sample_and_its_gradients_are_those_of_the_dense_mask(
    lengths: list[int], keys: int
) -> None:
    draw = torch.Generator().manual_seed(0)
    size, heads = sum(lengths), 4
    query, key, value = (
        torch.randn(1, many, size, 8, generator=draw, dtype=torch.float64, requires_grad=True)
        for many in (heads, keys, keys)
    )
    layer: Any = SimpleNamespace(num_key_value_groups=heads // keys, is_causal=True, training=False)
    found, _ = attention._forward(layer, query, key, value, borders(lengths), scaling=0.3, dropout=0.0)
    expected = scaled_dot_product_attention(
        query, key, value, attn_mask=dense(lengths), scale=0.3, enable_gqa=True
    ).transpose(1, 2)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)
    pull = torch.randn(expected.shape, generator=draw, dtype=torch.float64)
    ours, theirs = (torch.autograd.grad((one * pull).sum(), (query, key, value)) for one in (found, expected))
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-11)


def test_the_lengths_of_a_row_are_asked_of_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    row = borders([3, 4, 2])
    assert attention.lengths(row) == [3, 4, 2]
    monkeypatch.setattr(torch.Tensor, "tolist", lambda _: pytest.fail("asked again"))
    assert attention.lengths(row) == [3, 4, 2]


def seen(
    kit: Kit, model: torch.nn.Module, batch: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> list[Any]:
    """The masks that the language model's layers are given."""
    found: list[Any] = []
    plain = attention._forward

    def look(module: Any, query: Any, key: Any, value: Any, mask: Any, **how: Any) -> Any:
        found.append(mask)
        return plain(module, query, key, value, mask, **how)

    monkeypatch.setitem(attention.AttentionInterface._global_mapping, attention.BY_SAMPLE, look)
    with torch.no_grad():
        model(**batch, use_cache=False)
    return found


def test_a_row_of_samples_has_no_mask_of_all_pairs(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = kit.batches(packing=True, count=3)["both"]
    size = batch["input_ids"].shape[1]
    masks = seen(kit, kit.model(), batch, monkeypatch)
    if kit.settings.shape.looks_ahead:
        # A family of which tokens see later ones has dense masks of its own, and nothing goes by sample.
        assert masks == []
        return
    assert len(masks) >= 2 and all(mask.shape == (1, 1, 1, size) for mask in masks)
    lengths = torch.diff(batch["cu_seq_lens_q"]).tolist()
    assert len(lengths) == 6 and attention.lengths(masks[0]) == lengths
    assert max(lengths) == batch["max_length_q"] == batch["max_length_k"]


def test_padded_rows_are_computed_as_ever(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = kit.batches(count=2)["both"]
    model, stock = kit.model(*PARTS), kit.model(*PARTS)
    for config in (stock.config, stock.config.get_text_config()):
        config._attn_implementation_internal = "sdpa"
    ours, theirs = gradients(model, [batch]), gradients(stock, [batch])
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    longest = batch["input_ids"].shape[1]
    assert all(mask.shape[2:] == (longest, longest) for mask in seen(kit, model, batch, monkeypatch))


def test_the_name_stays_in_memory(kit: Kit, tmp_path: Any) -> None:
    model = kit.model()
    expected = attention.SDPA if kit.settings.shape.looks_ahead else attention.BY_SAMPLE
    assert model.config.get_text_config()._attn_implementation == expected
    model.save_pretrained(tmp_path)
    assert attention.BY_SAMPLE not in (tmp_path / "config.json").read_text()
    eager = load.model(kit.family, str(kit.source), dtype="float32", attention="eager")
    assert eager.config.get_text_config()._attn_implementation == "eager"

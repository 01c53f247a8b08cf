"""A byte-level BPE tokenizer made offline, in the layout of Qwen's, for small models from nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
"""One token each, as Qwen3 does for its thinking tags; kept when decoding, because the verifier reads them."""

_SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""The Qwen2 pre-tokenizer pattern."""


def train(
    texts: Iterable[str], *, vocabulary: int, special: Sequence[str], end: str, padding: str
) -> PreTrainedTokenizerFast:
    """At most `vocabulary` entries in all: what was learned, then the `special` tokens in order, then TAGS."""
    model = Tokenizer(models.BPE())
    model.normalizer = normalizers.NFC()
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(special) - len(TAGS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    model.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    model.add_tokens([AddedToken(text, special=False, normalized=False) for text in TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        eos_token=end,
        pad_token=padding,
        padding_side="left",
        model_max_length=32768,
        clean_up_tokenization_spaces=False,
    )

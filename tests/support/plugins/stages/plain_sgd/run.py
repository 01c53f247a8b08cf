"""One text a step, one learning rate, no state."""

from __future__ import annotations

import torch
from lingshu_train.stages.plain_sgd.config import Config

from lingshu_train.data import chat
from lingshu_train.data.corpus import corpus
from lingshu_train.kind import Facts
from lingshu_train.model.settings import Settings
from lingshu_train.runs.ledger import Ledger
from lingshu_train.runs.stage import Stage
from lingshu_train.training import session


def run(stage: Stage, config: Config, settings: Settings) -> Facts:
    model, text = session.open_model(stage, config.base, settings, config.trains)
    samples = corpus.load(stage.parent(config.corpus) / "corpus", split="train").samples
    ledger = Ledger(stage.path)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for step in range(1, config.steps + 1):
        sample = samples[(step - 1) % len(samples)]
        words = " ".join(turn["content"] for turn in [*chat.prompt(sample), *chat.completion(sample)])
        ids = text.tokenizer(words, return_tensors="pt")["input_ids"]
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in trainable if p.grad is not None])
        with torch.no_grad():
            for parameter in trainable:
                if parameter.grad is not None:
                    parameter -= config.rate * parameter.grad
                    parameter.grad = None
        ledger.append(step, {"surprise": loss.item(), "pull": norm.item()})
    session.use_cache(model, True)
    model.save_pretrained(stage.path / "model")
    text.save_pretrained(stage.path / "model")
    return {"steps": config.steps}

"""Sample to chat: the question as the model reads it, and the completion that supervised fine-tuning teaches."""

from __future__ import annotations

from lingshu_train.record import Sample

Message = dict[str, str]


def prompt(sample: Sample, *, system: str = "") -> list[Message]:
    """The conversation up to the assistant's turn. Images stand before the first question, in the sample's order."""
    lines = [sample.question, *(f"{letter}. {text}" for letter, text in sample.options.items())]
    messages = [{"role": "system", "content": system}] if system else []
    for question, answer in sample.turns:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return [*messages, {"role": "user", "content": "\n".join(lines)}]


def completion(sample: Sample) -> list[Message]:
    """The target turn: free text as it stands; a verifiable answer in tags, after its reasoning where there is one."""
    return [{"role": "assistant", "content": target(sample)}]


def target(sample: Sample) -> str:
    if sample.question_type == "free":
        return sample.answer
    thought = f"<think>{sample.reasoning}</think>" if sample.reasoning else ""
    return f"{thought}<answer>{sample.answer}</answer>"

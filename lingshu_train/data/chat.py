"""Sample to chat: the question as the model reads it, and the completion that supervised fine-tuning teaches."""

from __future__ import annotations

from typing import Any

from lingshu_train.record import Sample

Message = dict[str, Any]


def prompt(sample: Sample, *, system: str = "", images: bool = False) -> list[Message]:
    """The conversation up to the assistant's turn, its contents plain text.

    With `images`, marks for them stand before the first question, in the sample's order, as parts beside the text.
    """
    lines = [sample.question, *(f"{letter}. {text}" for letter, text in sample.options.items())]
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for question, answer in sample.turns:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    messages.append({"role": "user", "content": "\n".join(lines)})
    if images:
        first = next(message for message in messages if message["role"] == "user")
        marks = [{"type": "image"} for _ in sample.images]
        first["content"] = [*marks, {"type": "text", "text": first["content"]}]
    return messages


def completion(sample: Sample) -> list[Message]:
    """The target turn: free text as it stands; a verifiable answer in tags, after its reasoning where there is one."""
    return [{"role": "assistant", "content": target(sample)}]


def target(sample: Sample) -> str:
    if sample.question_type == "free":
        return sample.answer
    thought = f"<think>{sample.reasoning}</think>" if sample.reasoning else ""
    return f"{thought}<answer>{sample.answer}</answer>"

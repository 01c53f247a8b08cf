"""Sample to chat: the question as the model reads it, and the completion that supervised fine-tuning teaches."""

from __future__ import annotations

from collections.abc import Sequence

from lingshu_train.record import ImageMark, Message, Sample, TextPart


def prompt(sample: Sample, *, system: str = "", images: bool = False) -> list[Message]:
    """The conversation up to the assistant's turn, its contents plain text.

    With `images`, marks for them stand before the first question, in the sample's order, as parts beside the text.
    """
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for earlier, answer in sample.turns:
        messages += [{"role": "user", "content": earlier}, {"role": "assistant", "content": answer}]
    messages.append({"role": "user", "content": question(sample)})
    if images:
        first = next(message for message in messages if message["role"] == "user")
        marks: list[TextPart | ImageMark] = [{"type": "image"} for _ in sample.images]
        text = sample.turns[0][0] if sample.turns else question(sample)
        first["content"] = [*marks, {"type": "text", "text": text}]
    return messages


def question(sample: Sample) -> str:
    """The last turn of the user: the question, and its options a line each."""
    return "\n".join([sample.question, *(f"{letter}. {text}" for letter, text in sample.options.items())])


def transcript(messages: Sequence[Message]) -> str:
    """A conversation by roles, a picture as `[image]`: for readers where no chat template is at hand."""
    return "\n".join(f"{message['role']}: {_written(message['content'])}" for message in messages)


def _written(content: str | list[TextPart | ImageMark]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] if part["type"] == "text" else "[image]" for part in content)


def completion(sample: Sample) -> list[Message]:
    """The target turn: free text as it stands; a verifiable answer in tags, after its reasoning where there is one."""
    return [{"role": "assistant", "content": target(sample)}]


def target(sample: Sample) -> str:
    if sample.question_type == "free":
        return sample.answer
    thought = f"<think>{sample.reasoning}</think>" if sample.reasoning else ""
    return f"{thought}<answer>{sample.answer}</answer>"

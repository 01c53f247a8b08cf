"""Sample to chat: what the model is given, with its pictures at their places, and the answers that fine-tuning teaches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lingshu_train.record import IMAGE_MARK, ImageMark, Message, Sample, TextPart

_SLOT = re.compile(r"\{(reasoning|answer)\}")


def prompt(sample: Sample, *, system: str = "", images: bool = False) -> list[Message]:
    """The conversation up to the assistant's last turn, its contents plain text. The sample's own system prompt stands in place
    of `system`.

    With `images`, marks for them stand in it as parts beside the text: where the texts hold IMAGE_MARKs there, else before
    the first question. Without, it is the text alone.
    """
    system = sample.system or system
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for earlier, answer in sample.turns:
        messages += [_user(earlier), {"role": "assistant", "content": _said(sample, answer)}]
    messages.append(_user(question(sample)))
    return list(_pictured(messages, len(sample.images))) if images else list(_bare(messages))


def question(sample: Sample) -> str:
    """The last turn of the user, IMAGE_MARKs and all: the question, and its options a line each."""
    return "\n".join([sample.question, *(f"{letter}. {text}" for letter, text in sample.options.items())])


def completion(sample: Sample) -> list[Message]:
    """The last turn of the assistant."""
    return [{"role": "assistant", "content": target(sample)}]


def conversation(sample: Sample, *, system: str = "") -> list[Message]:
    """All of it, with marks for pictures. Every turn of the assistant is taught (data/lessons.py)."""
    return [*prompt(sample, system=system, images=True), *completion(sample)]


def target(sample: Sample) -> str:
    """The last answer as it is taught. Reasoning stands before it in the sample's own form, else in tags, as an answer that
    can be judged always does; free text without reasoning stands as it is."""
    if sample.reasoning and sample.form:
        values = {"reasoning": sample.reasoning, "answer": sample.answer}
        return _SLOT.sub(lambda slot: values[slot[1]], sample.form)
    if sample.reasoning:
        return f"<think>{sample.reasoning}</think><answer>{sample.answer}</answer>"
    return _said(sample, sample.answer)


def answers(sample: Sample) -> int:
    """How many answers the sample teaches."""
    return len(sample.turns) + 1


def taught(sample: Sample, *, system: str = "") -> str:
    """The sample for a reader, a turn a paragraph: what is given and what is taught, a picture as `[image]`."""
    return "\n".join(
        f"{'taught' if message['role'] == 'assistant' else 'given'} {message['role']}: {_written(message['content'])}"
        for message in conversation(sample, system=system)
    )


def transcript(messages: Sequence[Message]) -> str:
    """A conversation by roles, a picture as `[image]`: for readers where no chat template is at hand."""
    return "\n".join(f"{message['role']}: {_written(message['content'])}" for message in messages)


def marks(sample: Sample) -> int:
    """How many places of pictures the sample's questions and options hold."""
    return sum(text.count(IMAGE_MARK) for text in (*(asked for asked, _ in sample.turns), question(sample)))


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _said(sample: Sample, answer: str) -> str:
    """An answer without reasoning. All answers of a dialogue have the form of its last."""
    return answer if sample.question_type == "free" else f"<answer>{answer}</answer>"


def _bare(messages: Sequence[Message]) -> Iterator[Message]:
    for message in messages:
        text = message["content"]
        assert isinstance(text, str)
        yield {"role": message["role"], "content": text.replace(IMAGE_MARK, "")}


def _pictured(messages: Sequence[Message], pictures: int) -> Iterator[Message]:
    """Every question in parts where one is: TRL would put all pictures before a first plain text once more."""
    placed = any(IMAGE_MARK in message["content"] for message in messages if message["role"] == "user")
    before = 0 if placed else pictures
    for message in messages:
        text = message["content"]
        assert isinstance(text, str)
        if message["role"] == "user" and pictures:
            yield {"role": "user", "content": _parts(IMAGE_MARK * before + text)}
            before = 0
        else:
            yield message


def _parts(text: str) -> list[TextPart | ImageMark]:
    """A text with its marks as parts of their own."""
    found: list[TextPart | ImageMark] = []
    for number, piece in enumerate(text.split(IMAGE_MARK)):
        if number:
            found.append({"type": "image"})
        if piece:
            found.append({"type": "text", "text": piece})
    return found


def _written(content: str | list[TextPart | ImageMark]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] if part["type"] == "text" else "[image]" for part in content)

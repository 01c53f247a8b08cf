"""A conversation as the model's text, cut where what it is given ends and what it is taught begins.

Every turn of the assistant is taught, in one pass: from where an inference server would let the model write, to the end of
the turn, its end token included. The pieces are tokenized one by one, as they are when the model writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import ProcessorMixin

from lingshu_train.errors import RecipeError
from lingshu_train.record import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What is given before an answer, with one mark of the processor's a picture, and the answer as it is taught."""

    given: str
    taught: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """The turns of a conversation. `prompt` is all that stands before the last answer, as one text: what is given where only
    that is to be written."""

    turns: tuple[Turn, ...]
    prompt: str


def lessons(text: ProcessorMixin, conversations: Sequence[Sequence[Message]]) -> list[Lesson]:
    """Conversations that end with an answer, as the chat template of `text` writes them.

    RecipeError (78): the template writes a turn differently once others follow (some leave earlier thoughts out), so that no
    single text teaches all answers.
    """
    places = [
        (number, place)
        for number, messages in enumerate(conversations)
        for place, message in enumerate(messages)
        if message["role"] == "assistant"
    ]
    before = [list(conversations[number][:place]) for number, place in places]
    after = [list(conversations[number][: place + 1]) for number, place in places]
    given = text.apply_chat_template(before, tokenize=False, add_generation_prompt=True)
    said = text.apply_chat_template(after, tokenize=False)
    turns: list[list[Turn]] = [[] for _ in conversations]
    written = [""] * len(conversations)
    prompts = [""] * len(conversations)
    for (number, _), prompt, whole in zip(places, given, said, strict=True):
        if not (prompt.startswith(written[number]) and whole.startswith(prompt)):
            raise RecipeError(
                "model: its chat template writes a turn differently once others follow, so that the answers of a dialogue "
                "cannot be taught in one pass; give the model a template that writes each turn once"
            )
        turns[number].append(Turn(given=prompt[len(written[number]) :], taught=whole[len(prompt) :]))
        written[number], prompts[number] = whole, prompt
    return [Lesson(turns=tuple(each), prompt=prompt) for each, prompt in zip(turns, prompts, strict=True)]

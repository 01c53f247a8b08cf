"""Asking a model on a page of this machine: what is asked, and the one line where gradio is not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import pytest
import tiny_model

from lingshu_train import cli
from lingshu_train.evaluation import web
from lingshu_train.record import Completion, Prompt, Sampling


class Telling:
    """An engine that tells what it was asked."""

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        for prompt in prompts:
            pictures = len(prompt.images()) if callable(prompt.images) else len(prompt.images)
            yield Completion(
                text=f" {sampling.max_tokens} tokens, {pictures} pictures, {prompt.messages[-1]['role']} "
            )

    def close(self) -> None: ...

    def __enter__(self) -> Telling:
        return self

    def __exit__(self, *fault: object) -> None: ...


def test_a_question_goes_with_its_picture_or_without() -> None:
    answers = web.answering(Telling(), "", 7)
    assert answers(tiny_model.picture(0), "Which organ?") == "7 tokens, 1 pictures, user"
    assert answers(None, "Which organ?") == "7 tokens, 0 pictures, user"


def test_without_gradio_one_line_says_what_to_install_before_a_model_is_opened(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert cli.main(["ask", "nowhere", "--web"]) == 64
    assert "`pip install gradio`" in capsys.readouterr().err
    assert cli.main(["ask", "nowhere"]) == 64
    assert "wants IMAGE and QUESTION, or --web" in capsys.readouterr().err

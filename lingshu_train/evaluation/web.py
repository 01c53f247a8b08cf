"""One question to a model about a picture, and a small page on this machine that asks; gradio makes it, if it is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from PIL import Image

from lingshu_train.errors import UsageError
from lingshu_train.evaluation import asking
from lingshu_train.record import Sample, Sampling
from lingshu_train.rollouts import Engine

DISCLAIMER = "From a research model: not a diagnosis, and no replacement for a doctor."
Answers = Callable[[Image.Image | None, str], str]


def answering(engine: Engine, system: str, max_tokens: int) -> Answers:
    """Asks the engine one question about one picture, or about none."""
    put = asking.Asking(sampling=Sampling(max_tokens=max_tokens), system=system)

    def answers(picture: Image.Image | None, question: str) -> str:
        pictures = {} if picture is None else {"asked": picture.convert("RGB")}
        sample = Sample(id="asked", card="asked", split="asked", task="ask", question=question, question_type="free",
                        answer="", images=tuple(pictures))  # fmt: skip
        (completion,) = engine.answer(asking.prompts([sample], pictures.__getitem__, put), put.sampling)
        return completion.text.strip()

    return answers


def needed() -> None:
    """UsageError (64): gradio is not installed. Asked before a model is opened."""
    _gradio()


def page(label: str, answers: Answers) -> Any:
    """The page, not yet served. UsageError (64): gradio is not installed."""
    gradio = _gradio()
    # Nothing is told to the makers of gradio.
    with gradio.Blocks(title=label, analytics_enabled=False) as found:
        gradio.Markdown(f"# {label}\n\n{DISCLAIMER}")
        picture = gradio.Image(type="pil", label="Picture (optional)")
        question = gradio.Textbox(label="Question")
        answer = gradio.Textbox(label="Answer", interactive=False)
        button = gradio.Button("Ask")
        button.click(answers, [picture, question], answer)
        question.submit(answers, [picture, question], answer)
    return found


def serve(label: str, answers: Answers, port: int) -> None:
    """Serve the page on this machine alone until it is interrupted."""
    page(label, answers).launch(server_name="127.0.0.1", server_port=port, share=False)


def _gradio() -> ModuleType:
    try:
        return importlib.import_module("gradio")
    except ModuleNotFoundError as fault:
        raise UsageError(
            f"ask --web: needs gradio ({fault.name} is missing); `pip install gradio` adds it"
        ) from None

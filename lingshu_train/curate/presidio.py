"""Rows in whose text Microsoft's presidio finds a person are pointed out: a model beside the rules of `identifiers`.

The package and a spaCy model have to be installed; nothing is downloaded. The text itself is not repeated.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lingshu_train.curate._candidate import Candidate
from lingshu_train.curate._decision import Decision
from lingshu_train.errors import MissingInput
from lingshu_train.schema import Strict


class Params(Strict):
    """What presidio looks for, and with which model."""

    model: str = "en_core_web_lg"
    """An installed spaCy model, or its folder."""
    language: str = "en"
    """The model's language, as presidio names it."""
    entities: tuple[str, ...] = ("PERSON", "PHONE_NUMBER", "EMAIL_ADDRESS", "US_SSN", "MEDICAL_LICENSE")
    """Presidio's names of what is looked for. DATE_TIME also takes "two days" for a date, and LOCATION a part of the body for a
    place, so that neither is among them."""
    least: float = Field(default=0.6, ge=0, le=1)
    """Least score that presidio gives."""
    action: Literal["flag", "drop"] = "flag"
    """What becomes of such a row."""


def ready(params: Params) -> None:
    """MissingInput (66): the package or the model is not installed."""
    if importlib.util.find_spec("presidio_analyzer") is None:
        raise MissingInput("curate step presidio: not installed: pip install presidio-analyzer")
    if not Path(params.model).is_dir() and importlib.util.find_spec(params.model) is None:
        raise MissingInput(
            f"curate step presidio: no spaCy model {params.model!r} is installed, and there is no such folder; install it "
            "(https://spacy.io/models) or name another as `model`"
        )


def judge(row: Candidate, params: Params) -> Iterator[Decision]:
    analyzer = _analyzer(params.model, params.language)
    found: dict[str, str] = {}
    for name, text in row.texts():
        if not text:
            continue
        for one in analyzer.analyze(
            text, language=params.language, entities=list(params.entities), score_threshold=params.least
        ):
            found.setdefault(one.entity_type, name)
    for entity, name in sorted(found.items()):
        yield (row.drop if params.action == "drop" else row.flag)(f"presidio: {entity}", value=name)


@lru_cache(maxsize=1)  # Once a process: loading takes seconds.
def _analyzer(model: str, language: str) -> Any:
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    told = {"nlp_engine_name": "spacy", "models": [{"lang_code": language, "model_name": model}]}
    engine = NlpEngineProvider(nlp_configuration=told).create_engine()
    return AnalyzerEngine(nlp_engine=engine, supported_languages=[language])

"""Text that no rule can judge, such as a caption or a report: every gold answer is refused, with the reason."""

from __future__ import annotations

from typing import NoReturn

from lingshu_train.verify.gold import GoldError
from lingshu_train.verify.item import Key


def prepare(item: Key) -> NoReturn:
    raise GoldError(f"no rule judges question type {item.question_type!r}")

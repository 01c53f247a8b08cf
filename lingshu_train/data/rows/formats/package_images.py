"""Pictures inside installed Python packages, which are asked the questions of the quickstart (data/quickstart/)."""

from __future__ import annotations

from lingshu_train.data.quickstart.package_images import Fields, pictures
from lingshu_train.data.quickstart.samples import TASKS, questions

__all__ = ["TASKS", "Fields", "pictures", "questions"]

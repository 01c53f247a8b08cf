"""Any model on any questions, without a stage: an engine answers, the verifier judges, the metrics count. It opens no model."""

from lingshu_train.evaluation.asking import Asking, judgeable
from lingshu_train.evaluation.judging import evaluate, judged
from lingshu_train.evaluation.tabulate import accuracy, table

__all__ = ["Asking", "accuracy", "evaluate", "judgeable", "judged", "table"]

"""Is this answer right? Pure, linear time, standard library only. What a right answer is worth is said in rewards/."""

from lingshu_train.verify.item import Item, Policy, Question
from lingshu_train.verify.release import version
from lingshu_train.verify.verdict import answer_text, gold_problem, stated_answer, trace_of, verify

__all__ = [
    "Item",
    "Policy",
    "Question",
    "answer_text",
    "gold_problem",
    "stated_answer",
    "trace_of",
    "verify",
    "version",
]

"""Questions that hang together: orders of one question do, rows of one file do not."""

from __future__ import annotations

from test_benchmarks import EXAM, sample

from lingshu_train.evaluation.benchmarks import counts, scores
from lingshu_train.evaluation.benchmarks.asked import Way, drawn
from lingshu_train.record import Completion


def test_questions_without_pictures_are_each_their_own_and_orders_of_one_hang_together() -> None:
    """As cards name rows: the file, and behind a # the number of the row."""
    rows = [sample(number, id=f"t.jsonl#{number}") for number in range(6)]
    assert len({counts.cluster(one) for one in rows}) == 6
    assert len({counts.cluster(one) for one in drawn(rows, Way(shuffles=4))}) == 6
    told = scores.line(EXAM, "ours", [(one, Completion(text="A")) for one in rows])
    assert told.clusters == 6 and told.positions == {}, "orders were not drawn"
    shuffled = [(one, Completion(text="A")) for one in drawn(rows * 20, Way(shuffles=2))]
    places = scores.line(EXAM, "ours", shuffled).positions
    assert places["A"].holds and places["A"].chosen == 240 and places["B"].chosen == 0

"""Which questions are asked, in which orders of their options; and which of them hang together."""

from __future__ import annotations

from test_benchmarks import EXAM, sample

from lingshu_train.evaluation.benchmarks import counts, scores
from lingshu_train.evaluation.benchmarks.asked import FEW, Way, drawn
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


def test_questions_are_few_limited_blind_or_with_their_options_in_other_orders() -> None:
    samples = [sample(number, images=("p",), question="<image> Which?") for number in range(60)]
    few = drawn(samples, Way(few=True))
    assert len(few) == FEW
    assert list(few) == list(drawn(list(reversed(samples)), Way(few=True)))[::-1]
    assert list(drawn(samples, Way(limit=5))) == samples[:5]
    blind = drawn(samples, Way(images=False))
    assert not any(one.images or "<image>" in one.question for one in blind)
    shuffled = drawn(samples[:20], Way(shuffles=4))
    assert len(shuffled) == 80
    assert {one.options[one.answer] for one in shuffled if one.id.startswith("q1#")} == {"MRI"}
    assert len({one.answer for one in shuffled if one.id.startswith("q1#")}) > 1

"""Line charts: what is drawn of a ledger, and the table that goes with it."""

from __future__ import annotations

import base64
import csv
import io
from pathlib import Path

import made_up_run
import pytest

from lingshu_train.report import curves, gather, training


def table(drawing: curves.Drawing) -> list[list[str]]:
    return list(csv.reader(io.StringIO(base64.b64decode(drawing.table.split(",")[1]).decode())))


def drawn(ys: list[float], *, zero: bool = True, name: str = "") -> curves.Drawing:
    series = curves.Series(name=name, xs=tuple(map(float, range(1, len(ys) + 1))), ys=tuple(ys))
    found = curves.chart("Reward", [series], x_label="step", y_label="mean reward", zero=zero)
    assert found
    return found


def test_ticks_are_round_and_enclose_the_data() -> None:
    assert curves.ticks(0.12, 2.71, most=5) == pytest.approx([0, 1, 2, 3])
    assert curves.ticks(-0.3, 0.4, most=5) == pytest.approx([-0.4, -0.2, 0, 0.2, 0.4])
    assert curves.ticks(1, 13, most=5, whole=True) == pytest.approx([0, 5, 10, 15])
    assert curves.ticks(1, 3, most=5, whole=True) == pytest.approx([1, 2, 3])
    assert curves.ticks(3.0, 3.0, most=5)[0] < 3.0 < curves.ticks(3.0, 3.0, most=5)[-1]


def test_the_moving_mean_keeps_a_straight_line_straight_away_from_its_ends() -> None:
    line = [0.5 * step for step in range(50)]
    assert curves.moving_mean(line, window=9)[4:-4] == pytest.approx(line[4:-4])


def test_a_spike_survives_the_thinning_of_a_long_run() -> None:
    ys = [1.0] * 20_000
    ys[12_345] = 9.0
    drawing = curves.chart(
        "Loss",
        [curves.Series(name="loss", xs=tuple(map(float, range(20_000))), ys=tuple(ys))],
        x_label="step",
        y_label="loss",
    )
    assert drawing
    raw = drawing.lines[0]
    assert not raw.smooth
    heights = [y for _, y in raw.points]
    assert len(heights) <= curves.MOST_POINTS
    assert min(heights) < max(heights) - 100


def test_values_that_are_not_finite_are_left_out_of_a_chart() -> None:
    series = curves.Series(name="loss", xs=(1.0, 2.0, 3.0), ys=(1.0, float("nan"), 2.0))
    drawing = curves.chart("Loss", [series], x_label="step", y_label="loss")
    assert drawing
    assert all("nan" not in line.path for line in drawing.lines)
    assert [len(line.points) for line in drawing.lines] == [2, 2]
    nothing = curves.Series(name="loss", xs=(1.0,), ys=(float("inf"),))
    assert curves.chart("Loss", [nothing], x_label="step", y_label="loss") is None


def test_a_height_can_be_read_from_zero_unless_the_chart_says_otherwise() -> None:
    assert drawn([0.9, 1.1, 1.3]).y.low == 0
    assert not drawn([0.9, 1.1, 1.3]).y.broken
    close = drawn([0.9, 1.1, 1.3], zero=False)
    assert close.y.low == pytest.approx(0.9)
    assert close.y.broken, "which the axis shows"
    assert drawn([-0.4, 0.3]).y.low < -0.3


@pytest.mark.parametrize("ys", [[0.475, 0.525], [1e-9, 2e-9], [123456.0, 123457.0], [0.1, 0.2]])
def test_no_tick_label_reaches_the_title_of_its_axis(ys: list[float]) -> None:
    drawing = drawn(ys, zero=False)
    widest = max(len(label) for _, label in drawing.y.ticks)
    assert drawing.x.start - 7 - curves.DIGIT * widest >= curves.TITLE


def test_the_table_of_a_chart_has_every_value_as_it_was_measured() -> None:
    one = curves.Series(name="training", xs=(1.0, 2.0, 3.0), ys=(0.123456789, 2.0, 3.0))
    two = curves.Series(name="held-out, rows", xs=(2.0,), ys=(5.0,))
    drawing = curves.chart("Loss", [one, two], x_label="step", y_label="loss")
    assert drawing
    assert table(drawing) == [
        ["step", "training", "held-out, rows"],
        ["1", "0.123457", ""],
        ["2", "2", "5"],
        ["3", "3", ""],
    ]
    assert drawing.every == 1


def test_the_table_of_a_long_run_stays_small_and_says_what_it_leaves_out() -> None:
    drawing = drawn([1.0] * 20_000)
    assert drawing.every == 20
    assert len(table(drawing)) == 1 + 1_000
    assert len(drawing.table) < 30_000


def test_a_few_points_are_drawn_each_and_many_are_not() -> None:
    assert [line.marks for line in drawn([1.0, 2.0, 3.0]).lines] == [True, False]
    assert [line.marks for line in drawn([1.0] * 100).lines] == [False, False]


def test_training_and_held_out_loss_share_a_chart_and_a_lone_one_needs_no_legend(tmp_path: Path) -> None:
    view = gather.view(made_up_run.build(tmp_path / "run", questions=12))
    losses = {
        drawing.title.split(",")[0]: drawing for block in training.curves(view) for drawing in block.drawings
    }
    assert losses["Loss of shallow"].legend == ()
    assert losses["Loss of instruct"].legend == ("training", "held-out rows")
    assert table(losses["Loss of instruct"])[10][2] != ""


def test_a_count_among_the_terms_of_a_reward_is_not_drawn_as_one(tmp_path: Path) -> None:
    view = gather.view(made_up_run.build(tmp_path / "run", questions=12))
    terms = next(
        drawing
        for block in training.curves(view)
        for drawing in block.drawings
        if drawing.title == "Reward terms"
    )
    assert terms.legend == ("accuracy", "format")

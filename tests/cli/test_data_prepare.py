"""`lingshu data prepare`: limits that contradict each other are a mistake of the command line, before anything is read."""

from __future__ import annotations

import pytest

from lingshu_train import cli


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--max-pixels", "10"], "max_pixels 10 is below min_pixels 3136"),
        (["--max-pixels", "-5"], "invalid value for '--max-pixels'"),
        (["--min-pixels", "0"], "invalid value for '--min-pixels'"),
        (["--min-pixels", "5000000"], "max_pixels 1003520 is below min_pixels 5000000"),
        (["--min-pixels", "100", "--max-pixels", "200"], "less than one token takes (28x28 pixels)"),
        (["--least-side", "0"], "invalid value for '--least-side'"),
        (["--most-refused", "7"], "invalid value for '--most-refused'"),
        (["--most-refused", "nan"], "invalid value for '--most-refused'"),
        (["--split", "train", "--split", "train"], "--split train: named twice"),
        (["pmc_vqa"], "pmc_vqa: named twice"),
    ],
)
def test_limits_that_leave_nothing_are_one_line(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["data", "prepare", "pmc_vqa", *options]) == 64
    said = capsys.readouterr()
    assert says in said.err and said.err.count("\n") == 1 and not said.out

"""The report in a real browser: accessibility by axe, both widths, light and dark, hover values, filters.

Skipped where there is no Chromium, no node, or no axe-core and playwright-core on NODE_PATH; `.ci/run` has them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import made_up_run
import pytest

from lingshu_train.report import page

LOOK = Path(__file__).parent / "browser" / "look.cjs"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def _modules() -> bool:
    node = shutil.which("node")
    asked = 'require.resolve("axe-core/axe.min.js"); require.resolve("playwright-core")'
    return node is not None and subprocess.run([node, "-e", asked], capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or not _modules(), reason="no browser, or no axe-core and playwright-core"
    ),
]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What look.cjs finds of a made-up run's pages."""
    folder = tmp_path_factory.mktemp("browser")
    made_up_run.card(folder / "cards", "scans", access="credentialed")
    made_up_run.build(folder / "run")
    page.write(folder / "run", cards=folder / "cards")
    done = subprocess.run(
        ["node", str(LOOK), str(CHROMIUM), str(folder / "run")], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_axe_finds_nothing_on_any_page_at_any_width_light_or_dark(seen: dict[str, Any]) -> None:
    assert len(seen["pages"]) == 8
    assert [one for one in seen["pages"] if one["violations"]] == []


def test_nothing_is_fetched_and_nothing_breaks_under_the_pages_own_policy(seen: dict[str, Any]) -> None:
    assert [one["complaints"] for one in seen["pages"] if one["complaints"]] == []
    assert seen["filters"]["complaints"] == []
    assert all(one["seen"]["loaded"] > 0 for one in seen["pages"])


def test_no_page_scrolls_sideways_and_every_models_value_is_on_the_screen(seen: dict[str, Any]) -> None:
    for one in seen["pages"]:
        assert one["widths"]["page"] <= one["widths"]["screen"], one["name"]
        if one["name"] == "report":
            assert one["seen"]["values"] > 0
            assert one["seen"]["outside"] == 0
            assert 0 < one["seen"]["tallest"] < 45, "a folder's name stands in one or two lines"


def test_titles_of_axes_stand_clear_and_charts_of_a_row_begin_together(seen: dict[str, Any]) -> None:
    assert seen["charts"]["count"] > 8
    assert seen["charts"]["overlaps"] == seen["charts"]["uneven"] == 0


def test_a_chart_tells_its_values_to_pointer_and_keys(seen: dict[str, Any]) -> None:
    assert seen["charts"]["hovered"].startswith("step ")
    assert len(seen["charts"]["hovered"].splitlines()) >= 2
    assert seen["charts"]["keyed"].startswith("step 2")
    assert seen["charts"]["hidden"]


def test_samples_are_filtered_paged_and_linked_to(seen: dict[str, Any]) -> None:
    found = seen["filters"]
    assert (found["all"], found["shown"]) == ("120 of 120 samples", 24)
    assert set(found["verdicts"]) == {"wrong"}
    wrong, task = (int(found[name].split()[0]) for name in ("wrong", "task"))
    assert 0 < task < wrong < 120
    assert "verdict=wrong" in found["address"]
    assert found["reloaded"] == found["task"]
    assert found["second"] == "page 2 of 5"
    assert found["nothing"] == "0 of 120 samples"

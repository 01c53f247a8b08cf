"""The page of an evaluation: figures with intervals and floors, published rows, tests between models, every sample."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_model

from lingshu_train.errors import DataError
from lingshu_train.evaluation.asking import Asking
from lingshu_train.evaluation.benchmarks import measuring, showing, versus
from lingshu_train.evaluation.benchmarks.asked import Way
from lingshu_train.evaluation.benchmarks.measuring import Questions
from lingshu_train.evaluation.benchmarks.opinions import Opinions
from lingshu_train.evaluation.benchmarks.suite import Benchmark
from lingshu_train.evaluation.page import model, render, samples
from lingshu_train.record import Completion, Prompt, Sample, Sampling
from lingshu_train.runs.files import write_json

ASKING = Asking(sampling=Sampling(max_tokens=8))
EXAM = Benchmark(name="vqa_rad", title="VQA-RAD", cards={"exam": "test"})
OTHER = Benchmark(name="other", title="Other", cards={"exam": "test"})
LOOK = Path(__file__).parent / "browser" / "look.cjs"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Answering:
    """An engine with one answer to everything."""

    def __init__(self, text: str) -> None:
        self.text = text

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        return (Completion(text=self.text, max_tokens=8) for _ in prompts)

    def close(self) -> None: ...

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *fault: object) -> None: ...


def questions(benchmark: Benchmark, n: int) -> Questions:
    found = [
        Sample(
            id=f"q{number}", card="exam", split="test", task="mcq", question="<image>Which </script> modality?",
            question_type="mcq", options={"A": "CT", "B": "MRI"}, answer="AB"[number % 2], modality=("ct", "mr")[number % 2],
            images=(str(number % 3),),
        )
        for number in range(n)
    ]  # fmt: skip
    return Questions(benchmark=benchmark, samples=found, gallery=lambda name: tiny_model.picture(int(name)))


def measured(folder: Path, text: str, asked: Sequence[Questions], **way: object) -> model.Model:
    how = Way(**way)  # type: ignore[arg-type]
    lines = list(measuring.measure(asked, folder, lambda: Answering(text), way=how, asking=ASKING))
    write_json(
        measuring.named(folder, measuring.RESULTS, how.variant), showing.document("m", lines, {"model": "m"})
    )
    return model.of(folder.name, folder, lines)


def whole(tmp_path: Path, asked: Sequence[Questions]) -> str:
    for name, text in (("old", "B"), ("new", "The answer is A.")):
        measured(tmp_path / name, text, asked, images=False)
    models = [measured(tmp_path / "old", "B", asked), measured(tmp_path / "new", "A</script><b>", asked)]
    right = [measuring.right(one.folder, [each.benchmark for each in asked]) for one in models]
    paired = {"new": versus.differences(*right)}
    return render.page(asked, models, paired=paired, config={"prompts": "ours"})


def test_the_page_tells_figures_floors_tests_and_what_the_paper_printed(tmp_path: Path) -> None:
    page = whole(tmp_path, [questions(EXAM, 12), questions(OTHER, 4)])
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page))
    assert "Lingshu-7B, published" in text
    assert "67.9" in text
    assert "Model against model" in text
    assert "VQA-RAD by modality" in text
    assert "50.0 (" in text, "text alone"
    assert 'src="http' not in page
    assert len(re.findall(r"<script>", page)) == 1, "no text of a model ends a script"


def test_every_sample_is_on_the_page_with_its_picture_and_every_verdict(tmp_path: Path) -> None:
    page = whole(tmp_path, [questions(EXAM, 12)])
    (chunk,) = re.findall(r'class="chunk"[^>]*>(.*?)</script>', page, re.DOTALL)
    found = json.loads(chunk)
    assert [one["id"] for one in found["samples"]] == [f"q{number}" for number in range(12)]
    assert set(found["pictures"]) == {"0", "1", "2"}
    assert all(one.startswith("data:image/jpeg;base64,") for one in found["pictures"].values())
    first = found["samples"][1]
    assert (first["gold"], first["answers"][0]["lenient"], first["answers"][1]["lenient"]) == (
        "B",
        True,
        False,
    )
    assert first["answers"][1]["text"] == "A</script><b>"
    assert {"strict", "medevalkit", "status", "rule", "extracted"} <= first["answers"][0].keys()


def test_what_a_judge_said_is_a_table_of_its_own_where_one_was_asked(tmp_path: Path) -> None:
    asked = [questions(EXAM, 4)]
    plain = measured(tmp_path / "old", "B", asked)
    told = Opinions(
        name="vqa_rad", unread=4, right=1, wrong=2, unscored=1, compared=3, agreed=2, accuracy=0.375
    )
    page = render.page(asked, [replace(plain, opinions=[told])], paired={}, config={})
    (row,) = (one for one in re.findall(r"<tr>(?:(?!</tr>).)*</tr>", page, re.DOTALL) if "2 of 3" in one)
    cells = [re.sub("<[^>]+>", "", one).strip() for one in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
    assert cells == ["VQA-RAD", "old", "4", "1", "2", "1", "37.5 %", "2 of 3"]
    assert "Opinions of a judge" in page
    assert "Opinions of a judge" not in render.page(asked, [plain], paired={}, config={})


def test_of_too_many_samples_those_with_the_smallest_hashes_and_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MOST", 5)
    monkeypatch.setattr(samples, "LARGEST_PICTURES", 1)
    page = whole(tmp_path, [questions(EXAM, 12)])
    assert "5 of 12 questions" in page
    (chunk,) = samples.chunks([questions(EXAM, 12)], [model.of("old", tmp_path / "old", [])])
    assert (chunk.shown, chunk.total) == (5, 12)
    assert len(json.loads(chunk.data)["pictures"]) == 1


def test_results_that_another_program_wrote_are_one_line(tmp_path: Path) -> None:
    write_json(tmp_path / "results-text-only.json", {"results": {}})
    with pytest.raises(DataError, match="has no lines of an evaluation"):
        model.of("m", tmp_path, [])


def _modules() -> bool:
    node = shutil.which("node")
    asked = 'require.resolve("axe-core/axe.min.js"); require.resolve("playwright-core")'
    return node is not None and subprocess.run([node, "-e", asked], capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(
    CHROMIUM is None or not _modules(), reason="no browser, or no axe-core and playwright-core"
)
def test_in_a_browser_axe_finds_nothing_nothing_is_fetched_and_filters_work(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(whole(tmp_path, [questions(EXAM, 12), questions(OTHER, 4)]))
    command = ["node", str(LOOK), str(CHROMIUM), str(tmp_path / "page.html")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["violations"] == found["complaints"] == []
    assert max(found["wide"]) <= 0
    assert (found["all"], found["right"], found["other"]) == (
        "12 of 12 samples",
        "6 of 12 samples",
        "2 of 4 samples",
    )
    assert found["picture"] > 0

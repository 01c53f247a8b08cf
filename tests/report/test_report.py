"""The report of a run folder, as its reader meets it: what stands on the page, and what the page needs."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
import subprocess
import sys
import tarfile
from html.parser import HTMLParser
from pathlib import Path

import made_up_run
import pytest
from PIL import Image

from lingshu_train.errors import MissingInput
from lingshu_train.report import gallery, gather, page
from lingshu_train.runs import run

VOID = {"meta", "img", "br", "line", "circle", "polyline"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run and its page."""
    folder = tmp_path_factory.mktemp("report")
    made_up_run.card(folder / "cards", "scans", access="credentialed", commercial="false")
    made_up_run.build(folder / "run")
    return folder / "run", page.write(folder / "run", cards=folder / "cards").read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Checks that tags nest, and collects addresses, headings and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.open.pop() == tag, f"</{tag}> closes something else"


def outline(text: str) -> Outline:
    found = Outline()
    found.feed(text)
    assert found.open == []
    return found


SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def test_the_page_needs_no_network_and_reads_without_its_script(finished: tuple[Path, str]) -> None:
    found = outline(finished[1])
    assert found.tags.isdisjoint({"link", "iframe", "object"})
    beside = (page.SAMPLES, "evaluate-")
    assert all(
        address.startswith(("#", "data:image/", "data:text/csv", *beside)) for address in found.addresses
    )
    text = SCRIPT.sub("", finished[1])
    assert not re.search(r"url\(|@import|https?://", text)
    bare = outline(text)
    assert "script" not in bare.tags
    assert {"table", "svg", "img", "article"} <= bare.tags


@pytest.mark.parametrize("name", [page.NAME, page.SAMPLES])
def test_no_script_can_run_on_a_page_but_the_one_it_names_by_hash(
    name: str, finished: tuple[Path, str]
) -> None:
    text = (finished[0] / name).read_text(encoding="utf-8")
    (code,) = SCRIPT.findall(text)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy
    assert f"script-src 'sha256-{digest}';" in html.unescape(policy[1])
    assert policy[1].startswith("default-src &#39;none&#39;") or policy[1].startswith("default-src 'none'")
    assert not re.search(r"\son\w+=", SCRIPT.sub("", text))


def test_every_accuracy_stands_with_its_interval_and_the_best_constant_answer(
    finished: tuple[Path, str],
) -> None:
    view = gather.view(finished[0])
    for tasks in view.results.models.values():
        for measured in tasks.values():
            assert f"{100 * measured.accuracy:.1f} %" in finished[1]
            assert f"{100 * measured.low:.1f} to {100 * measured.high:.1f}" in finished[1]
            assert f"{100 * measured.constant:.1f} %" in finished[1]
    assert re.search(r"grpo − instruct: \+\d+\.\d points, 95 % interval", finished[1])


def test_text_of_the_model_can_never_become_markup(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", questions=12)
    evaluated = next(folder.glob("evaluate-*")) / "predictions"
    for path in evaluated.iterdir():
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        evil = '</pre><script>alert("x")</script> $title ${style} {{ 6 * 7 }} {% raw %}'
        text = "".join(json.dumps({**line, "completion": evil, "question": evil}) + "\n" for line in lines)
        path.write_text(text, encoding="utf-8")
    text = page.write(folder).read_text(encoding="utf-8")
    assert len(re.findall("<script", text)) == 1
    shown = html.unescape(text)
    assert "$title ${style} {{ 6 * 7 }} {% raw %}" in shown
    assert '<script>alert("x")</script>' in shown
    samples = (folder / page.SAMPLES).read_text(encoding="utf-8")
    assert len(re.findall("<script", samples)) == 2, "the data and the page's own"
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', samples)
    assert {each["question"] for each in json.loads(data)["samples"]} == {evil}


def test_names_of_a_run_can_never_become_markup_either(tmp_path: Path) -> None:
    """Escaping is the templates' rule, not a habit of whoever writes one."""
    folder = made_up_run.build(tmp_path / "run", questions=12)
    path = folder / run.NAME
    text = path.read_text(encoding="utf-8").replace('"made_up"', '"<img src=x onerror=alert(1)>"')
    path.write_text(text, encoding="utf-8")
    shown = page.write(folder).read_text(encoding="utf-8")
    assert "onerror" in html.unescape(shown)
    assert "<img src=x" not in shown
    assert page.templates().autoescape is True


def test_every_section_has_a_template_and_no_template_lies_idle() -> None:
    """Every file of the folder is reached from the page, and goes into an installed package."""
    reached: set[str] = {"report.js", "browse.js"}
    waiting = ["page.html.j2", "browse.html.j2", *(f"{anchor}.html.j2" for anchor in page.SECTIONS)]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            text = (page.TEMPLATES / name).read_text(encoding="utf-8")
            waiting += re.findall(r'{% (?:include|from) "([^"]+)"', text)
    assert reached == {path.name for path in page.TEMPLATES.iterdir()}


def test_samples_carry_their_image_inside_the_page(finished: tuple[Path, str]) -> None:
    codes = re.findall(r'src="data:image/png;base64,([^"]+)"', finished[1])
    (shard,) = finished[0].glob("prepare-*/corpus/images-*.tar")
    with tarfile.open(shard) as tar:
        stored = {tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    assert codes
    assert {base64.b64decode(code) for code in codes} <= stored


def test_samples_show_each_outcome_and_how_often_it_occurred(finished: tuple[Path, str]) -> None:
    pairs = gallery.held_out(gather.view(finished[0]))
    for outcome in ("now right", "right both times", "wrong both times"):
        count = sum(pair.outcome == outcome for pair in pairs)
        assert f"{outcome.capitalize()} ({count} of {len(pairs)})" in finished[1]


def test_answers_accepted_by_an_unusual_rule_are_shown_with_it_and_held_out_accuracy_has_a_curve(
    finished: tuple[Path, str],
) -> None:
    assert "that an unusual rule accepted" in finished[1]
    assert "(rule tag:mcq.text_because)" in finished[1]
    assert "(rule random)" not in finished[1]
    assert "Held-out accuracy" in finished[1]


def test_the_choice_of_samples_depends_on_their_ids_alone(finished: tuple[Path, str]) -> None:
    pairs = gallery.held_out(gather.view(finished[0]))
    chosen = gallery.spread(pairs, 6)
    assert chosen == gallery.spread(pairs[::-1], 6)
    assert [pair.after.task for pair in chosen].count("modality") == 2


def test_a_large_image_is_shrunk_before_it_goes_into_the_page(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.effect_noise((2000, 1000), 60).save(path)
    code = gallery.data_address(path.read_bytes()).split("base64,")[1]
    with Image.open(io.BytesIO(base64.b64decode(code))) as small:
        assert small.size == (320, 160)


def test_long_runs_of_image_tokens_are_counted_not_printed(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", questions=12)
    path = next(folder.glob("evaluate-*")) / "predictions" / "grpo.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    pads = "<|vision_start|>" + "<|image_pad|>" * 1280 + "<|vision_end|>Which plane?"
    path.write_text("".join(json.dumps({**line, "prompt": pads}) + "\n" for line in lines), encoding="utf-8")
    text = page.write(folder).read_text(encoding="utf-8")
    assert "&lt;|image_pad|&gt; × 1280&lt;|vision_end|&gt;Which plane?" in text


def test_warnings_count_what_was_refused_unreadable_or_closed(finished: tuple[Path, str]) -> None:
    unreadable = sum(line.status == "no_answer" for line in gather.view(finished[0]).predictions["grpo"])
    assert "prepare: refused.too_small 3" in finished[1]
    assert "prepare: unknown_modalities.adaptive optics 7" in finished[1]
    assert f"grpo: {unreadable} of 120 held-out answers no_answer" in finished[1]
    assert "data card scans is credentialed: this page shows samples" in finished[1]


def test_hashes_settings_and_licences_are_on_the_page(finished: tuple[Path, str]) -> None:
    for path in finished[0].glob("*/manifest.json"):
        for digest in json.loads(path.read_text(encoding="utf-8"))["files"].values():
            assert digest in finished[1]
    assert "learning_rate.language_model" in finished[1]
    assert all(word in finished[1] for word in ("Scans", "credentialed", "MIT"))


@pytest.mark.parametrize("until", ["prepare", "shallow", "instruct", "grpo"])
def test_a_run_that_is_still_going_has_a_report_too(tmp_path: Path, until: str) -> None:
    folder = made_up_run.build(tmp_path / "run", until=until)
    text = page.write(folder).read_text(encoding="utf-8")
    outline(text)
    assert "Not evaluated yet" in text
    assert "… unfinished" in text
    assert "data card scans: named by this run, but there is no such card" in text


def test_a_stage_that_stopped_says_with_what(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", until="instruct")
    stopped = next(folder.glob("grpo-*")) / "error.json"
    stopped.write_text('{"message": "loss is not finite at step 14", "exit_code": 70}', encoding="utf-8")
    text = page.write(folder).read_text(encoding="utf-8")
    assert "stage grpo has not finished; it last stopped with: loss is not finite at step 14" in text


def test_completions_that_no_reward_could_judge_are_counted(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", until="grpo")
    with (next(folder.glob("grpo-*")) / "ledger.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"step": 161, "reward/unscored": 3.0}\n{"step": 162, "reward/unscored": 2.0}\n')
    assert "grpo: 5 completions unscored during training" in page.write(folder).read_text(encoding="utf-8")


def test_a_ledger_line_cut_in_half_by_a_kill_is_left_out(tmp_path: Path) -> None:
    view = gather.view(made_up_run.build(tmp_path / "run", until="instruct"))
    going = next(each for each in view.stages if each.name == "grpo")
    assert going.state == "unfinished"
    assert going.steps == 13


def test_a_run_without_a_single_finished_stage_has_a_report(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", until="prepare")
    for path in folder.glob("*/*.json"):
        path.unlink()
    assert "0 of 7 stages done" in page.write(folder).read_text(encoding="utf-8")


def test_a_folder_that_is_not_a_run_gets_no_report(tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        page.write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_summary_aligns_tasks_models_and_intervals(finished: tuple[Path, str]) -> None:
    lines = page.summary_table(finished[0]).splitlines()
    assert lines[0].split() == ["accuracy,", "%", "n", "constant", *made_up_run.TRAINED]
    assert len({len(line) for line in lines[:-1]}) == 1
    assert lines[-2].startswith("all tasks")
    assert lines[-1].startswith("grpo − instruct: +")


def test_the_summary_of_an_unfinished_run_says_how_far_it_is(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", until="shallow")
    lines = page.summary_table(folder).splitlines()
    assert [line.split(maxsplit=1) for line in lines[:4]] == [
        ["prepare", "done"],
        ["shallow", "done"],
        ["deep", "unfinished"],
        ["instruct", "to do"],
    ]
    assert len(lines) == len(run.read(folder).stages)


def test_the_report_is_made_without_torch_or_transformers(tmp_path: Path) -> None:
    folder = made_up_run.build(tmp_path / "run", questions=12)
    code = (
        "import sys; from pathlib import Path; from lingshu_train.report import page\n"
        f"page.write(Path({str(folder)!r}))\n"
        "print([name for name in ('torch', 'transformers', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_data_part_says_of_each_card_which_rows_it_skips_and_which_are_not_whole(
    finished: tuple[Path, str],
) -> None:
    text = " ".join(re.sub(r"<[^>]+>", " ", finished[1]).split())
    assert "scans prepare 400 1,150 no answer 1,234 an opening answer 5" in text


def test_the_data_part_says_how_many_answers_and_tokens_of_each_card_a_stage_teaches(
    finished: tuple[Path, str],
) -> None:
    text = " ".join(re.sub(r"<[^>]+>", " ", finished[1]).split())
    assert "taught of stage rows answers their tokens all tokens" in text
    assert "400 1,150 20,500 91,000" in text

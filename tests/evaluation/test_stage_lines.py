"""The stage `evaluate` tells what `lingshu eval` tells: a line a benchmark, and after a kill nothing is asked twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import tiny
import tiny_model

from lingshu_train import rollouts
from lingshu_train.errors import DataError
from lingshu_train.evaluation.benchmarks import scores, suite
from lingshu_train.evaluation.benchmarks.asked import Way
from lingshu_train.hub import model_card
from lingshu_train.record import Completion, Prompt, Sample, Sampling
from lingshu_train.report import lines as told
from lingshu_train.runs import results
from lingshu_train.runs.stage import Stage

REPORT = "Findings: There is a left pleural effusion. Impression: Effusion."


class Answering:
    """Says yes to everything, and stops after some."""

    def __init__(self, most: int = 1000) -> None:
        self.most, self.asked = most, list[str]()

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        for prompt in prompts:
            if len(self.asked) == self.most:
                raise KeyboardInterrupt
            self.asked.append(prompt.id)
            yield Completion(
                text="Yes" if "report" not in prompt.id else REPORT, max_tokens=sampling.max_tokens
            )

    def close(self) -> None: ...

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *fault: object) -> None: ...


def question(number: int, card: str, **changes: object) -> Sample:
    fields: dict[str, object] = {
        "id": f"{card}:{number}",
        "card": card,
        "split": "held_out",
        "task": "closed_vqa",
        "question": f"Is number {number} seen?",
        "question_type": "yes_no",
        "answer": ("yes", "no")[number % 2],
    }
    return Sample(**{**fields, **changes})  # type: ignore[arg-type]


SAMPLES = [
    *(question(number, "vqa_rad_test") for number in range(6)),
    *(question(number, "medbullets_op4", task="mcq") for number in range(2)),
    *(question(number, "medbullets_op5", task="mcq") for number in range(2)),
    *(question(number, "scans_of_ours") for number in range(4)),
    question(0, "iu_xray_test", id="report 0", task="report", question_type="free", answer=REPORT),
    question(0, "scans_of_ours", id="caption", task="caption", question_type="free", answer="A scan."),
]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Its model, `warm`, has learned from one of the questions' cards."""
    pictures = [tiny_model.picture(number) for number in range(len(SAMPLES))]
    data = tmp_path / "data"
    tiny.write_corpus(
        data / "corpus", [(one, (picture,)) for one, picture in zip(SAMPLES, pictures, strict=True)]
    )
    tiny.write_corpus(
        tmp_path / "taught" / "corpus", [(question(90, "vqa_rad", split="train"), (pictures[0],))]
    )
    mix = [{"corpus": "taught", "tasks": []}]
    warm = tiny.make_stage(
        tmp_path, "warm", tiny.sft(data=mix, base=""), parents={"taught": tmp_path / "taught"}
    )
    warm.write()
    config = {
        "kind": "evaluate",
        "models": ["warm"],
        "corpus": "data",
        "max_completion": 8,
        "per_device_batch": 4,
    }
    return tiny.make_stage(tmp_path, "evaluate", config, parents={"data": data, "warm": Path(warm.folder)})


def measured(stage: Stage, monkeypatch: pytest.MonkeyPatch, engine: Answering) -> results.Results:
    monkeypatch.setattr(rollouts, "start", lambda *_, **__: engine)
    tiny.run_here(stage)
    return results.read(stage.path)


def test_a_stage_has_a_line_a_benchmark_that_is_counted_as_by_the_command(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Answering()
    found = measured(stage, monkeypatch, engine)
    lines = {line.name: line for line in found.lines["warm"]}
    assert {name: (line.n, line.unscored) for name, line in lines.items()} == {
        "vqa_rad": (6, 0), "medbullets": (4, 0), "scans_of_ours": (4, 0), "iu_xray": (0, 1)
    }  # fmt: skip
    assert "caption" not in engine.asked, "free text of no benchmark, of a task that is not named"
    (known,) = suite.chosen(["medbullets"])
    answered = [(one, Completion(text="Yes")) for one in SAMPLES if one.card in known.cards]
    alone = scores.line(known, f"ours:{Way().fingerprint}", answered)
    same = {"tiers", "trained_cards", "untold", "pictures", "clusters", "cluster_low", "cluster_high"}
    assert lines["medbullets"].model_dump(exclude=same) == alone.model_dump(exclude=same)
    assert lines["iu_xray"].reports["rouge_l"] == pytest.approx(1.0)
    assert lines["scans_of_ours"].own and not lines["vqa_rad"].own
    assert not lines["vqa_rad"].untold
    assert {tier: part.n for tier, part in lines["vqa_rad"].tiers.items()} == {"clean": 5, "shared": 1}
    assert found.models["warm"]["all"].n == 14, "as before there were lines"
    scored = (stage.path / "scored" / "warm" / "scored" / "vqa_rad.jsonl").read_text(encoding="utf-8")
    assert scored.count("\n") == 6
    assert "VQA-RAD" in (stage.path / "evaluation.html").read_text(encoding="utf-8")


def test_the_table_the_card_and_the_records_of_a_run_read_the_same_lines(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measured(stage, monkeypatch, Answering())
    shown = told.table(found.lines, {"warm": {"mean of 7, text": 0.5}})
    assert "VQA-RAD" in shown and "mean of 7, text" in shown and "ROUGE-L" in shown
    head = model_card._results(found, "warm")
    assert "| VQA-RAD | 6 | 50.0 (" in head and "IU-Xray | 1 | ROUGE-L 100.0" in head
    assert "scans_of_ours" not in head
    again = results.Results().joined(found).of(["warm"])
    assert again == found


@pytest.mark.parametrize("most", [0, 1, 5, 9])
def test_a_stage_that_was_killed_asks_nothing_twice_but_the_slice_it_was_at(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    first, second = Answering(most), Answering()
    with pytest.raises(KeyboardInterrupt):
        measured(stage, monkeypatch, first)
    found = measured(stage, monkeypatch, second)
    kept = most // 4 * 4
    assert first.asked[:kept] + second.asked == [one.id for one in SAMPLES if one.id != "caption"]
    assert found.lines["warm"][0].n == 6
    third = Answering()
    assert measured(stage, monkeypatch, third) == found
    assert third.asked == []


def test_a_corpus_of_reports_alone_is_refused_in_one_line(stage: Stage, tmp_path: Path) -> None:
    reports = [(one, (tiny_model.picture(0),)) for one in SAMPLES if one.question_type == "free"]
    data = tmp_path / "reports"
    tiny.write_corpus(data / "corpus", reports)
    alone = stage.model_copy(update={"parents": {**stage.parents, "data": str(data)}})
    with pytest.raises(DataError) as refused:
        tiny.run_here(alone)
    assert str(refused.value) == (
        "stages.evaluate: no question of corpus 'data', split 'held_out', that a rule can judge, all 2 are free text; name "
        "other tasks or another split, or measure reports with `lingshu eval RUN/STAGE --benchmarks reports`"
    )

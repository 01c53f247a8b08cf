"""Benchmarks by one command: a line each, nothing asked twice, scored again without a model, questions put in several ways."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_model

from lingshu_train import cli
from lingshu_train.errors import DataError, MissingInput, UsageError
from lingshu_train.evaluation.asking import Asking
from lingshu_train.evaluation.benchmarks import counts, measuring, showing, suite, versus
from lingshu_train.evaluation.benchmarks.asked import ORDER, Way, drawn, put
from lingshu_train.evaluation.benchmarks.measuring import Questions
from lingshu_train.evaluation.benchmarks.suite import Benchmark
from lingshu_train.record import Completion, Prompt, Sample, Sampling
from lingshu_train.runs.lines import Line

ASKING = Asking(sampling=Sampling(max_tokens=8))
EXAM = Benchmark(name="exam", title="Exam", cards={"exam": "test"})
OPTIONS = {"A": "CT", "B": "MRI", "C": "Ultrasound"}
CARD = """---
pretty_name: exam
license: cc0-1.0
language: [en]
task_categories: [visual-question-answering]
tags: [medical]
lingshu:
  source: {kind: local, name: exam, how_to_get: made here}
  access: open
  licence: {id: CC0-1.0, redistribute: true, derive_weights: true, third_party_api: true, commercial: true}
  role: benchmark
  modality: [ct]
  task: [mcq]
  format: mcq_text
  fields:
    files: {test: t.jsonl}
    answer_is: index
    tags: {subject: topic, exam: '{file}'}
  answer_type: [mcq]
  splits: {test: {}}
---

# exam
"""


class Answering:
    """An engine with one answer to everything, that stops after some."""

    def __init__(self, text: str = "The answer is B.", *, most: int = 1000) -> None:
        self.text, self.most, self.asked = text, most, list[str]()

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        for prompt in prompts:
            if len(self.asked) == self.most:
                raise KeyboardInterrupt
            self.asked.append(prompt.id)
            yield Completion(text=self.text, token_ids=(1, 2), max_tokens=8)

    def close(self) -> None: ...

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *fault: object) -> None: ...


def sample(number: int, **changes: object) -> Sample:
    fields: dict[str, object] = {
        "id": f"q{number}",
        "card": "exam",
        "split": "test",
        "task": "mcq",
        "question": "Which modality?",
        "question_type": "mcq",
        "options": OPTIONS,
        "answer": "ABC"[number % 3],
    }
    return Sample(**{**fields, **changes})  # type: ignore[arg-type]


def measured(folder: Path, engine: Answering | None, samples: Sequence[Sample], **way: object) -> Line:
    asked = [Questions(benchmark=EXAM, samples=samples, gallery=lambda _: tiny_model.picture(0))]
    opens = None if engine is None else lambda: engine
    (line,) = measuring.measure(asked, folder, opens, way=Way(**way), asking=ASKING)  # type: ignore[arg-type]
    return line


def test_a_kill_at_any_question_asks_nothing_twice_and_ends_with_the_same_line(tmp_path: Path) -> None:
    samples = [sample(number) for number in range(9)]
    straight = measured(tmp_path / "straight", Answering(), samples)
    for most in range(9):
        folder = tmp_path / str(most)
        first = Answering(most=most)
        with pytest.raises(KeyboardInterrupt):
            measured(folder, first, samples)
        with (folder / "exam.jsonl").open("a") as stream:
            stream.write('{"key": "torn')
        second = Answering()
        assert measured(folder, second, samples) == straight
        assert sorted(first.asked + second.asked) == sorted(one.id for one in samples)
    assert straight.n == 9
    assert straight.lenient == pytest.approx(1 / 3)
    assert straight.strict == 0
    assert straight.letters == {"B": 1.0}


def test_answers_are_scored_again_without_a_model_and_none_may_be_missing(tmp_path: Path) -> None:
    samples = [sample(number) for number in range(3)]
    line = measured(tmp_path, Answering(), samples)
    assert measured(tmp_path, None, samples) == line
    with pytest.raises(MissingInput, match="1 of 4 questions have no answer there"):
        measured(tmp_path, None, [*samples, sample(4)])
    (tmp_path / "exam.jsonl").write_text("[]\n")
    with pytest.raises(DataError, match="not an answer of an evaluation"):
        measured(tmp_path, None, samples)


class Drawing(Answering):
    """Answers A under an even seed, else B."""

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        self.text = "AB"[sampling.seed % 2]
        return super().answer(prompts, sampling)


def test_several_draws_have_seeds_of_their_own_and_tell_pass_and_majority(tmp_path: Path) -> None:
    samples = [sample(number) for number in range(9)]
    engine = Drawing()
    line = measured(tmp_path, engine, samples, draws=4)
    assert len(engine.asked) == 36
    assert measured(tmp_path, None, samples, draws=4) == line
    assert line.lenient == pytest.approx(1 / 3), "of the first draw"
    assert {k: each.value for k, each in line.pass_at.items()} == pytest.approx(
        {1: 1 / 3, 2: 5 / 9, 4: 2 / 3}
    )
    assert {k: each.value for k, each in line.maj_at.items()} == pytest.approx({1: 1 / 3, 2: 1 / 3, 4: 1 / 3})
    assert "4 draws: pass@1 33.3" in showing.table({"m": [line]})
    told: Any = showing.document("m", [line], {})["results"]
    assert told["exam"]["pass@4,lenient"] == pytest.approx(2 / 3)
    assert (tmp_path / "scored-drawn" / "exam.jsonl").is_file()


def test_free_text_and_what_ran_out_of_tokens_are_counted(tmp_path: Path) -> None:
    line = measured(tmp_path, Answering(), [sample(1), sample(2, question_type="free", options={})])
    assert (line.n, line.unscored, line.truncated) == (1, 1, 0)
    alone = measured(tmp_path / "free", Answering(), [sample(2, question_type="free", options={})])
    assert "1 free text" in showing.table({"m": [alone]})


@pytest.mark.parametrize(
    ("one", "prompts", "expected"),
    [
        (sample(1), "medevalkit/direct", "\nQuestion: Which modality?\nOptions: \nA. CT\nB. MRI\nC. Ultrasound\n"
         "Answer with the option's letter from the given choices directly."),
        (sample(1, question="Is a mass seen?", options={}, question_type="yes_no", answer="Yes"), "medevalkit/direct",
         "Is a mass seen?\nPlease output 'yes' or 'no'(no extra output)."),
        (sample(1, question="what fills the lumen?", options={}, question_type="short", answer="a thrombus"),
         "medevalkit/reasoning",
         'what fills the lumen?\nPlease answer the question concisely and put the answer in one "\\boxed{}".'),
        (sample(1, question="这是哪种成像方式？", options={}, question_type="short", answer="X光"), "medevalkit/direct",
         "这是哪种成像方式？\n请简要回答该问题。"),
    ],
)  # fmt: skip
def test_the_published_prompts_are_put_word_for_word(one: Sample, prompts: str, expected: str) -> None:
    assert put(one, Way(prompts=prompts), EXAM).question == expected  # type: ignore[arg-type]


def test_some_benchmarks_have_templates_of_their_own() -> None:
    way = Way(prompts="medevalkit/direct")
    slake, pubmedqa, mmmu = suite.chosen(["slake", "pubmedqa", "mmmu_med"])
    closed = sample(1, question="Is it?", options={}, question_type="yes_no", answer="Yes", task="closed_vqa")
    assert put(closed, way, slake).question == "Is it?\nAnswer the question using a single word or phrase."
    read = sample(1, question="Context: Forty patients.\nDoes it help?", options={"A": "yes", "B": "no"})
    assert put(read, way, pubmedqa).question.startswith(
        "Context: Forty patients.\n\nQuestion: Does it help?\nOptions: \nA.yes\nB.no\nAnswer with"
    )
    assert put(sample(1), way, mmmu).question == (
        "\nWhich modality?\n\n(A) CT\n(B) MRI\n(C) Ultrasound\n\n\n        "
        "Answer with the option's letter from the given choices directly."
    )


def test_options_are_shown_without_letters_where_the_kit_shows_them_so_and_in_the_questions_language() -> (
    None
):
    (bare,) = suite.chosen(["medqa_mcmle"])
    way = Way(prompts="medevalkit/direct")
    one = sample(0, question="哪一个？", options={"A": "甲", "B": "乙"})
    ask = "请直接使用给定选项中的选项字母来回答该问题。"
    assert put(one, way, bare).question == f"\n问题： 哪一个？\n选项： \n甲\n乙\n{ask}"
    (lettered,) = suite.chosen(["cmexam"])
    assert put(one, way, lettered).question == f"\n问题： 哪一个？\n选项： \nA.甲\nB.乙\n{ask}"
    english = put(sample(1, question="Which dose, 5 µg or ≥ 7 µg?"), way, EXAM).question
    assert english.startswith("\nQuestion: Which dose") and english.isascii() is False


def test_the_papers_benchmarks_are_seven_seven_and_three_and_their_cards_are_here() -> None:
    assert [len(group) for group in suite.groups().values()] == [7, 7, 3]
    assert len(suite.chosen(["paper"])) == 17
    assert [one.name for one in suite.chosen(["vqa_rad", "medical_vqa"])][:2] == ["vqa_rad", "mmmu_med"]
    for name in suite.names()[4:]:
        for one in suite.chosen([name]):
            for card, split in one.cards.items():
                assert split in suite.cards.load(card, where="test").lingshu.splits, card
    with pytest.raises(UsageError, match="there is no 'vqarad'"):
        suite.chosen(["vqarad"])


def test_a_mean_is_of_the_whole_group_or_not_there() -> None:
    names = suite.groups()["text"]
    lines = [Line(name=name, title=name, n=1, asked="", lenient=0.5) for name in names]
    assert showing.mean(lines, "text") == 0.5
    assert showing.mean(lines[1:], "text") is None


def test_the_interval_by_picture_is_wider_where_answers_hang_together() -> None:
    right = [number < 50 for number in range(100)]
    apart = counts.bootstrap(right, [str(number) for number in range(100)], seed="s")
    together = counts.bootstrap(right, [str(number // 10) for number in range(100)], seed="s")
    assert together[1] - together[0] > 2 * (apart[1] - apart[0])
    assert counts.bootstrap(right, ["one"] * 100, seed="s") == (0.0, 1.0)


def test_two_models_differ_by_the_questions_on_which_they_differ() -> None:
    before = {
        "a": {str(n): n < 50 for n in range(100)},
        "b": {str(n): n < 50 for n in range(100)},
        "only": {"1": True},
    }
    after = {"a": {str(n): n < 70 for n in range(100)}, "b": {str(n): n < 51 for n in range(100)}}
    found = {one.name: one for one in versus.differences(before, after)}
    assert found.keys() == {"a", "b"}
    assert found["a"].value == pytest.approx(0.2)
    assert found["a"].p == pytest.approx(2 / 2**20)
    assert (found["a"].holds, found["b"].holds) == (True, False)
    assert versus.mcnemar(0, 0) == versus.mcnemar(1, 0) == 1.0
    assert versus.mcnemar(600, 500) == pytest.approx(0.0028, abs=2e-4)
    assert "+20.0" in versus.text("one", "other", list(found.values()))


def test_orders_of_one_question_are_no_further_questions() -> None:
    """Two of sixty gained: that is p = 0.5, however often each is asked."""
    once = ({"a": {str(n): False for n in range(60)}}, {"a": {str(n): n < 2 for n in range(60)}})
    (alone,) = versus.differences(*once)
    assert alone.p == 0.5
    many = [
        {"a": {f"{n}{ORDER}{k}": right for n, right in one["a"].items() for k in range(10)}} for one in once
    ]
    (found,) = versus.differences(*many)
    assert (found.n, found.value, found.p) == (600, pytest.approx(alone.value), 0.5)
    assert found.low <= 0 < found.high
    assert found.high - found.low > 0.5 * (alone.high - alone.low)


def test_questions_on_one_picture_go_together_in_a_paired_test() -> None:
    before = {"a": {str(n): False for n in range(40)}}
    after = {"a": {str(n): n < 8 for n in range(40)}}
    (apart,) = versus.differences(before, after)
    (together,) = versus.differences(before, after, {"a": {str(n): f"picture {n // 4}" for n in range(40)}})
    assert apart.p == pytest.approx(2 / 2**8)
    assert together.p == 0.5, "two pictures of ten, both the same way"
    assert together.value == apart.value
    assert together.high - together.low > apart.high - apart.low


@pytest.mark.parametrize("totals", [[3, 1, -2, 0, 1], [5], [2, 2, -2], [4, -1, -1, -1], []])
def test_the_p_of_signs_is_the_share_of_all_signs_that_are_as_uneven(totals: list[int]) -> None:
    moved = [one for one in totals if one]
    every = [
        abs(sum(sign * one for sign, one in zip(signs, moved, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(moved))
    ]
    assert versus.flipped(totals) == pytest.approx(sum(one >= abs(sum(totals)) for one in every) / len(every))


def test_beyond_the_exact_sum_the_normal_distribution_says_much_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    totals = [3, 2, -1, 1] * 30 + [2] * 10 + [-3] * 35
    exact = versus.flipped(totals)
    monkeypatch.setattr(versus, "_MOST", 0)
    assert 0.001 < exact < 0.2
    assert versus.flipped(totals) == pytest.approx(exact, rel=0.05)


def test_a_question_without_its_pictures_stays_with_the_others_on_them() -> None:
    shown = [sample(n, images=("a" * 64,)) for n in range(3)]
    blind = drawn(shown, Way(images=False))
    assert [one.images for one in blind] == [()] * 3
    assert len({counts.cluster(one) for one in [*shown, *blind]}) == 1
    assert counts.cluster(sample(0, images=(), group="patient 1")) == "patient 1"


def test_one_command_measures_a_model_folder_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "exam.md").write_text(CARD)
    (tmp_path / "data" / "exam").mkdir(parents=True)
    rows = [
        {
            "question": f"Which modality is number {n}?",
            "options": ["CT", "MR"],
            "answer": str(n % 2),
            "topic": ("Lung", "Bone")[n // 2],
        }
        for n in range(4)
    ]
    (tmp_path / "data" / "exam" / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tiny_model.build(tmp_path / "model")
    command = ["eval", "model", "--benchmarks", "exam", "--max-tokens", "4", "--cards", "cards"]
    assert cli.main(command) == 0
    table = capsys.readouterr().out.partition("benchmark  ")[2]
    assert "exam" in table
    (answers,) = (tmp_path / "evaluations").glob("model-*/exam.jsonl")
    before = answers.read_bytes()
    assert len(before.splitlines()) == 4
    assert cli.main([*command, "--rescore"]) == 0
    assert capsys.readouterr().out.partition("benchmark  ")[2] == table
    assert answers.read_bytes() == before
    judged = [
        json.loads(line) for line in (answers.parent / "scored" / "exam.jsonl").read_text().splitlines()
    ]
    assert [one["gold"] for one in judged] == ["A", "B", "A", "B"]
    assert all({"text", "strict", "lenient", "medevalkit", "status", "rule"} <= one.keys() for one in judged)
    found = json.loads((answers.parent / "results.json").read_text())
    assert found["n-samples"]["exam"] == {"original": 4, "effective": 4}
    assert {name: part["n"] for name, part in found["lines"][0]["breakdown"]["subject"].items()} == {
        "Lung": 2,
        "Bone": 2,
    }
    assert "exam, model, by subject: " in table and "by exam" not in table, "of which there is one"
    page = (tmp_path / "evaluations" / "evaluation.html").read_text()
    assert "exam by subject" in page
    capsys.readouterr()
    assert cli.main([*command, "--rescore", "--judge", "http://127.0.0.1:9/v1"]) == 64
    assert "--judge-model" in capsys.readouterr().err
    judge = ["--judge", "http://127.0.0.1:9/v1", "--judge-model", "j"]
    assert cli.main([*command, "--rescore", *judge]) == 0, "choices are none of its business: nobody is asked"
    kept = json.loads((answers.parent / "opinions.json").read_text())
    assert kept["judge"] == "j" and kept["opinions"][0]["unread"] == 0
    assert cli.main(["eval", "nowhere/at/all", "--benchmarks", "exam", "--cards", "cards"]) == 66
    assert cli.main(["ask", "model", "-", "Which organ?", "--max-tokens", "4"]) == 0
    assert "not a diagnosis" in capsys.readouterr().out

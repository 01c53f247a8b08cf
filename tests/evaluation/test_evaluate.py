"""One call evaluates any model on any questions: no stage, no corpus folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import started_there
import tiny_model

from lingshu_train import evaluation, metrics, rollouts
from lingshu_train.evaluation import Asking
from lingshu_train.record import Completion, Judged, Prompt, Sample, Sampling, Verdict
from lingshu_train.runs import results
from lingshu_train.runs.results import ALL, Results
from lingshu_train.verify import Policy

ASKING = Asking(sampling=Sampling(max_tokens=6))


class Parrot:
    """An engine that says what it is told, and keeps what it was asked."""

    def __init__(self, says: Sequence[str]) -> None:
        self.says, self.asked = says, list[Prompt]()

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        self.asked += prompts
        for text, _ in zip(self.says, prompts, strict=True):
            yield Completion(text=text)

    def close(self) -> None: ...

    def __enter__(self) -> Parrot:
        return self

    def __exit__(self, *fault: object) -> None: ...


def evaluate(samples: Sequence[Sample], says: Sequence[str], **asking: object) -> tuple[Judged, ...]:
    pictures = {name: tiny_model.picture(0) for sample in samples for name in sample.images}
    asked = Asking(sampling=Sampling(max_tokens=6), **asking)  # type: ignore[arg-type]
    return evaluation.evaluate(Parrot(says), samples, pictures.__getitem__, asked)


def test_a_model_folder_questions_and_pictures_are_all_it_takes(tmp_path: Path) -> None:
    folder = tiny_model.build(tmp_path / "model")
    samples = [tiny_model.sample(number) for number in range(6)]
    pictures = {name: tiny_model.picture(int(name)) for sample in samples for name in sample.images}
    weights = rollouts.Weights(source=str(folder), settings=tiny_model.SETTINGS)
    with rollouts.start("transformers", {"batch": 4}, where="test", weights=weights) as engine:
        judged = evaluation.evaluate(engine, samples, pictures.__getitem__, ASKING)
    assert [one.sample for one in judged] == samples
    assert all(one.completion.token_ids for one in judged)
    table = evaluation.table(judged)
    assert table[ALL].n == 6
    assert table["count"].constant == pytest.approx(1 / 3)
    assert table[ALL].right == sum(one.verdict.correct for one in judged)


def test_answers_are_judged_by_the_verifier_under_the_policy_that_is_asked_for() -> None:
    samples = [tiny_model.sample(number, answer="2") for number in range(3)]
    says = ["2", "<answer>2</answer>", "<answer>3</answer>"]
    assert [one.verdict.correct for one in evaluate(samples, says)] == [True, True, False]
    strict = evaluate(samples, says, policy=Policy.strict)
    assert [one.verdict.correct for one in strict] == [False, True, False]
    assert evaluation.accuracy(strict) == pytest.approx(1 / 3)


def test_the_system_prompt_and_the_card_reach_the_engine_and_the_kept_prompt_is_the_conversation() -> None:
    sample = tiny_model.sample(0, options={"A": "one", "B": "two"}, question_type="mcq", answer="B")
    parrot = Parrot(["B"])
    asking = Asking(sampling=Sampling(max_tokens=6), system="Be brief.")
    (judged,) = evaluation.evaluate(parrot, [sample], lambda _: tiny_model.picture(0), asking)
    (asked,) = parrot.asked
    assert asked.messages[0] == {"role": "system", "content": "Be brief."}
    assert asked.card == "drawn"
    assert judged.prompt == "system: Be brief.\nuser: [image]How many bright spots?\nA. one\nB. two"


def test_free_text_is_not_asked_since_no_rule_can_judge_it() -> None:
    samples = [tiny_model.sample(0), tiny_model.sample(1, question_type="free", answer="A report.")]
    assert [one.sample.id for one in evaluate(samples, ["0"])] == ["q0"]


def test_a_label_set_has_its_mean_f1_beside_accuracy_and_other_tasks_have_none() -> None:
    labels = {"question_type": "label_set", "task": "labels", "answer": "edema, effusion", "images": ()}
    samples = [
        *(tiny_model.sample(number, **labels) for number in range(3)),
        tiny_model.sample(3, images=()),
    ]
    table = evaluation.table(evaluate(samples, ["edema, effusion", "edema", "cat", "0"]))
    assert table["labels"].accuracy == pytest.approx(1 / 3)
    assert table["labels"].metrics == {"f1": pytest.approx((1 + 2 / 3) / 3)}
    assert table["count"].metrics == {}
    assert table[ALL].metrics == table["labels"].metrics, "over the answers it applies to"


def test_the_best_constant_answer_over_all_is_that_of_each_task() -> None:
    samples = [
        *(tiny_model.sample(number, answer=answer, images=()) for number, answer in enumerate("0012")),
        *(tiny_model.sample(number, task="other", answer="7", images=()) for number in (4, 5)),
    ]
    table = evaluation.table(evaluate(samples, ["9"] * 6))
    assert (table["count"].constant, table["other"].constant, table[ALL].constant) == (0.5, 1.0, 4 / 6)


def test_what_is_written_reads_back_and_is_what_was_measured(tmp_path: Path) -> None:
    samples = [tiny_model.sample(number, options={"A": "x"}) for number in range(3)]
    judged = evaluate(samples, ["0", "<answer>1</answer>", "肺"])
    results.write_predictions(tmp_path, "m", judged)
    lines = results.predictions(tmp_path, "m")
    assert [line.id for line in lines] == ["q0", "q1", "q2"]
    assert [line.correct for line in lines] == [one.verdict.correct for one in judged]
    assert [line.completion for line in lines] == ["0", "<answer>1</answer>", "肺"]
    assert [line.image for line in lines] == ["0", "1", ""]
    assert lines[0].options == {"A": "x"}
    written = Results(models={"m": evaluation.table(judged)})
    results.write(tmp_path, written)
    assert results.read(tmp_path) == written


METRIC = """
def applies(sample):
    return sample.task == "count"


def value(judged):
    return sum(len(one.completion.text) for one in judged) / len(judged)
"""
ENGINE = """
from lingshu_train.record import Completion
from lingshu_train.schema import Strict


class Params(Strict):
    says: str


class Echo:
    def __init__(self, says):
        self.says = says

    def answer(self, prompts, sampling):
        return (Completion(text=self.says) for _ in prompts)

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *fault):
        pass


def start(params, weights):
    return Echo(params.says)
"""


def test_a_metric_and_an_engine_of_the_users_are_one_file_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, name, text in (("metrics", "written", METRIC), ("rollouts", "echo", ENGINE)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("LINGSHU_PLUGINS", str(tmp_path))
    # The room keeps the folder once it was found: leave it as it was for the tests that follow.
    for room in (metrics, rollouts):
        monkeypatch.setattr(room, "__path__", list(room.__path__))
    with rollouts.start("echo", {"says": "four"}, where="test") as engine:
        judged = evaluation.evaluate(
            engine, [tiny_model.sample(2), tiny_model.sample(5, task="other")], {}.__getitem__, ASKING
        )
    table = evaluation.table(judged)
    assert table["count"].metrics == {"written": 4.0}
    assert table["other"].metrics == {}


def test_every_metric_gives_a_number_for_what_it_applies_to() -> None:
    for name, metric in metrics.every().items():
        kinds = ("numeric", "label_set", "mcq", "free")
        samples = [tiny_model.sample(2, question_type=kind, answer="a", options={"A": "a"}) for kind in kinds]
        samples += [
            tiny_model.sample(3, question_type="short", answer=answer, task=answer, parents=("pair:one",))
            for answer in ("a", "b")
        ]
        judged = [
            Judged(
                sample=sample,
                prompt="",
                completion=Completion(text="a"),
                verdict=Verdict(correct=True, status="right", extracted="a"),
            )
            for sample in samples
            if metric.applies(sample)
        ]
        value = metric.value(judged)
        assert (value if isinstance(value, float) else value.value) == 1.0, name


RANKS = """
import sys
from pathlib import Path
import tiny_model
from test_evaluate import ASKING, Parrot
from lingshu_train import dist, evaluation

dist.start("test", device="cpu")
samples = [tiny_model.sample(number, answer=str(number), images=()) for number in range(5)]
place = dist.place()
parrot = Parrot([sample.answer for sample in samples[place.rank :: place.world_size]])
judged = evaluation.evaluate(parrot, samples, {}.__getitem__, ASKING)
assert [one.sample.id for one in judged] == [sample.id for sample in samples]
assert all(one.verdict.correct for one in judged)
assert len(parrot.asked) == (3 if place.first else 2)
dist.stop()
"""


@pytest.mark.slow
def test_ranks_share_the_questions_and_all_know_all_answers_in_order(tmp_path: Path) -> None:
    script = tmp_path / "ranks.py"
    here = Path(__file__).parent
    paths = f"import sys; sys.path[:0] = [{str(here)!r}, {str(here.parent / 'support')!r}]\n"
    script.write_text(paths + RANKS, encoding="utf-8")
    command = [
        *(sys.executable, "-m", started_there.NAME, "torch.distributed.run"),
        *("--standalone", "--nproc-per-node=2", "-m", started_there.NAME, str(script)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_evaluation_itself_needs_no_torch() -> None:
    program = (
        "import sys, lingshu_train.evaluation, lingshu_train.rollouts.endpoint, lingshu_train.metrics as m\n"
        "m.every()\n"
        "assert not {'torch', 'transformers', 'trl'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

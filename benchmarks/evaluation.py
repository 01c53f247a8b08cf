"""Evaluation: how fast beside others, how much memory by the number of questions, and what a kill costs.

    python benchmarks/evaluation.py throughput [--lmms PYTHON] [--evalscope PYTHON] [--turns 3]
    python benchmarks/evaluation.py memory
    python benchmarks/evaluation.py kills [--kills 20] [--seed 0]

Throughput: contenders of `evaluating/contender.py` answer the same questions about the same pictures with the same tiny model on
a CPU, each in a process of its own, turn by turn; compared are medians. What is not named is not measured. The loop `one_by_one`
does what is known of MedEvalKit's without vLLM (a `generate` a question) and is not its code. evalscope asks a server of vLLM, which
is started for it from the environment of launch/vllm.sh and answers our `endpoint` too. Memory: peak of a process that
measures a benchmark from a corpus on disk, with an engine that needs none. Kills: `lingshu eval` gets SIGKILL at a random
moment and is started again. Each part has its place in benchmarks/results/evaluation.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import circumstances

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "support")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import tiny  # noqa: E402
import tiny_model  # noqa: E402
import vllm_engine  # noqa: E402

from lingshu_train import cli  # noqa: E402
from lingshu_train.data.corpus import corpus  # noqa: E402
from lingshu_train.data.corpus.lazily import Rows  # noqa: E402
from lingshu_train.evaluation.asking import Asking  # noqa: E402
from lingshu_train.evaluation.benchmarks import measuring  # noqa: E402
from lingshu_train.evaluation.benchmarks.asked import Way  # noqa: E402
from lingshu_train.evaluation.benchmarks.suite import Benchmark  # noqa: E402
from lingshu_train.model import family  # noqa: E402
from lingshu_train.record import Completion, Prompt, Sampling  # noqa: E402

RESULT = HERE / "results" / "evaluation.json"
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
  fields: {files: {test: t.jsonl}, answer_is: index}
  answer_type: [mcq]
  splits: {test: {}}
---

# exam
"""


def model(folder: Path, *, served: bool = False) -> Path:
    """The tests' tiny model with heads that vLLM has kernels for, of random weights; with its own processor, or with one that
    a server opens."""
    wanted = vllm_engine.SETTINGS
    made = family.of(wanted.family)
    words = made.build_tokenizer(tiny_model.TEXTS, vocabulary=wanted.shape.vocabulary)
    made.build_model(wanted.shape, words, initializer_range=0.3, seed=0).save_pretrained(folder)
    processor = made.build_processor(words, wanted.budget)
    if served:
        made.write_for_everyone(processor, folder)
    else:
        processor.save_pretrained(folder)
    return folder


@contextmanager
def serving(made: Path, log: Path, *names: str) -> Iterator[list[str]]:
    """vLLM's own server of the model under these names; where it is, in a contender's words."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-m", "vllm.entrypoints.openai.api_server", "--model", str(made), "--served-model-name", *names]
    words += ["--dtype", "float32", "--host", "127.0.0.1", "--port", str(port), "--max-model-len", "2048"]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    kept |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    with (
        log.open("wb") as told,
        subprocess.Popen([vllm_engine.PYTHON, *words], env=kept, stdout=told, stderr=told) as server,
    ):
        url = f"http://127.0.0.1:{port}/v1"
        try:
            while not _answers(f"{url}/models"):
                if server.poll() is not None:
                    sys.exit(f"vLLM's server ended: {log.read_text()[-2000:]}")
                time.sleep(1)
            yield ["--url", url, "--served", names[0]]
        finally:
            server.terminate()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def throughput(options: argparse.Namespace, root: Path) -> dict[str, Any]:
    made = model(root / "model")
    if not options.evalscope:
        return compared(options, root, made, [])
    with serving(model(root / "served", served=True), root / "server.log", "tiny", str(made)) as server:
        return compared(options, root, made, server)


def compared(options: argparse.Namespace, root: Path, made: Path, server: list[str]) -> dict[str, Any]:
    here = sys.executable
    contenders: dict[str, tuple[str, list[str]]] = {
        "lingshu eval, transformers, batch 16": (here, ["transformers"]),
        "one by one (as described of MedEvalKit without vLLM)": (here, ["one_by_one"]),
    }
    if os.access(vllm_engine.PYTHON, os.X_OK):
        contenders["lingshu eval, vllm"] = (here, ["vllm", "--batch", "256"])
    if options.lmms:
        contenders["lmms-eval 0.7.3, batch 16"] = (options.lmms, ["lmms_eval"])
    if options.evalscope:
        contenders["evalscope 1.14.1, server"] = (options.evalscope, ["evalscope", *server])
        contenders["lingshu eval, endpoint, the same server"] = (here, ["endpoint", *server])
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    for turn in range(options.turns):
        names = list(contenders)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            python, words = contenders[name]
            command = [python, str(HERE / "evaluating" / "contender.py"), *words, "--model", str(made)]
            command += ["--folder", str(root / "answers"), "--questions", str(options.questions)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
            if done.returncode:
                sys.exit(f"{name}: {done.stderr[-2000:]}")
            taken[name].append(json.loads(done.stdout.strip().splitlines()[-1]))
            print(f"turn {turn + 1}, {name}: {taken[name][-1]}", flush=True)
    medians = {name: statistics.median(one["seconds"] for one in each) for name, each in taken.items()}
    return {
        "questions": options.questions,
        "tokens_of_an_answer_at_most": 16,
        "seconds": {name: [round(one["seconds"], 2) for one in each] for name, each in taken.items()},
        "own_cpu_seconds": {name: [round(one["cpu_s"], 2) for one in each] for name, each in taken.items()},
        "characters_answered": {name: each[0]["characters"] for name, each in taken.items()},
        "questions_a_second": {name: round(options.questions / one, 1) for name, one in medians.items()},
    }


class Constant:
    """An engine that needs no memory."""

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[Completion]:
        for prompt in prompts:
            assert prompt.pictures()
            yield Completion(text="<answer>2</answer>", token_ids=(1, 2, 3), max_tokens=8)


def measured(folder: Path, out: Path, queue: Any) -> None:
    found = corpus.load(folder)
    exam = Benchmark(name="exam", title="Exam", cards={"exam": "test"})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    one = measuring.Questions(benchmark=exam, samples=Rows(found), gallery=found.image)
    asking = Asking(sampling=Sampling(max_tokens=8), together=16)
    engine: Any = nullcontext(Constant())
    (line,) = measuring.measure([one], out, lambda: engine, way=Way(), asking=asking)
    queue.put((line.n, before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


def memory(options: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Processes are started anew, so that each has a peak of its own."""
    context, rows = multiprocessing.get_context("spawn"), []
    for count in options.sizes:
        folder = root / str(count)
        pictures = [tiny_model.picture(number) for number in range(50)]
        tiny.write_corpus(
            folder,
            (
                (tiny_model.sample(number, card="exam", split="test", images=()), (pictures[number % 50],))
                for number in range(count)
            ),
        )
        queue: Any = context.Queue()
        process = context.Process(target=measured, args=(folder, root / f"out-{count}", queue))
        process.start()
        n, before, after = queue.get()
        process.join()
        rows.append({"questions": n, "mb_before": round(before / 1024, 1), "mb_peak": round(after / 1024, 1)})
        print(rows[-1], flush=True)
    first, last = rows[0], rows[-1]
    more = (last["mb_peak"] - last["mb_before"]) - (first["mb_peak"] - first["mb_before"])
    return {
        "rows": rows,
        "mb_more_of_the_largest": round(more, 1),
        "bytes_a_question": round(more * 2**20 / (last["questions"] - first["questions"])),
    }


def answered(command: list[str], folder: Path) -> None:
    os.chdir(folder)
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    code = cli.main(command)
    os._exit(code)


def once(command: list[str], folder: Path, *, kill_after: float | None = None) -> tuple[int | None, float]:
    """A child that has everything imported already, and is killed after so many seconds."""
    process = multiprocessing.get_context("fork").Process(target=answered, args=(command, folder))
    start = time.perf_counter()
    process.start()
    process.join(kill_after)
    if process.is_alive() and process.pid:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return process.exitcode, time.perf_counter() - start


def sums(folder: Path) -> dict[str, str]:
    """sha256 of what an evaluation leaves, but for its page, which tells the time."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".jsonl", ".json", ".yaml"))
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def kills(options: argparse.Namespace, root: Path) -> dict[str, Any]:
    made, draw = model(root / "model"), random.Random(options.seed)
    (root / "cards").mkdir()
    (root / "cards" / "exam.md").write_text(CARD, encoding="utf-8")
    data = root / "data" / "exam"
    data.mkdir(parents=True)
    rows = [
        {"question": f"Which modality is number {n}?", "options": ["CT", "MR", "US"], "answer": str(n % 3)}
        for n in range(options.questions)
    ]
    (data / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [
        "eval",
        str(made),
        "--benchmarks",
        "exam",
        "--max-tokens",
        "24",
        "--cards",
        str(root / "cards"),
    ]
    command += ["--data-root", str(root / "data")]
    (root / "straight").mkdir()
    code, seconds = once(command, root / "straight")
    assert code == 0, code
    wanted, found = sums(root / "straight" / "evaluations"), []
    for number in range(options.kills):
        folder = root / f"kill-{number}"
        folder.mkdir()
        after = draw.uniform(0.05, 0.95) * seconds
        code, _ = once(command, folder, kill_after=after)
        kept = sum(path.read_bytes().count(b"\n") for path in folder.glob("evaluations/*/exam.jsonl"))
        again, _ = once(command, folder)
        equal = again == 0 and sums(folder / "evaluations") == wanted
        found.append(
            {"after_s": round(after, 2), "was_over": code == 0, "answers_kept": kept, "equal": equal}
        )
        print(found[-1], flush=True)
        shutil.rmtree(folder)
    return {
        "questions": options.questions,
        "seconds_of_one_that_is_not_killed": round(seconds, 2),
        "kills": len(found),
        "equal": sum(bool(one["equal"]) for one in found),
        "rows": found,
    }


PARTS = {"throughput": throughput, "memory": memory, "kills": kills}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--lmms", default="", help="Python that has lmms-eval")
    parser.add_argument("--evalscope", default="", help="Python that has evalscope")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--questions", type=int, default=128)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 5_000, 20_000])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    told = circumstances.told("torch", "transformers")
    with tempfile.TemporaryDirectory() as folder:
        found = PARTS[options.part](options, Path(folder))
    kept = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    RESULT.write_text(json.dumps(kept | {options.part: told | found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

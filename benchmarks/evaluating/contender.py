"""One contender answers the same questions with the same tiny model, and prints what it took as a line of JSON.

Run by `benchmarks/evaluation.py`. Loading is not counted; what is counted ends when every answer is text. Our own contenders
also keep each answer on disk and score it, which the others leave for later.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any
from unittest import mock
from unittest.mock import MagicMock

HERE = Path(__file__).resolve().parents[2]
QUESTION = "How many bright spots are there? Is it left or right?"


def pictures(count: int) -> list[Any]:
    import numpy as np
    from PIL import Image

    return [
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (56, 84, 3), dtype=np.uint8))
        for number in range(count)
    ]


def asked(number: int) -> str:
    return f"{QUESTION} {number}"


def ours(options: argparse.Namespace) -> Callable[[], list[str]]:
    """`lingshu eval` from questions to lines: asked, kept, scored."""
    sys.path[:0] = [str(HERE), str(HERE / "tests" / "support")]
    import vllm_engine

    from lingshu_train import rollouts

    shown = pictures(options.questions)
    if options.url:
        params = {"url": options.url, "model": options.served, "parallel": options.batch}
        engine = rollouts.start("endpoint", params, where="benchmark")
    else:
        weights = rollouts.Weights(source=options.model, settings=vllm_engine.SETTINGS)
        engine = rollouts.start(options.name, {"batch": options.batch}, where="benchmark", weights=weights)
        # A server starts with its first question.
        measured(engine, shown[:1], options)

    def answers() -> list[str]:
        rows = measured(engine, shown, options).read_text(encoding="utf-8").splitlines()
        engine.close()
        return [json.loads(row)["text"] for row in rows]

    return answers


def measured(engine: Any, shown: Sequence[Any], options: argparse.Namespace) -> Path:
    """One benchmark with an engine that is open already; the file of its scored answers."""
    from lingshu_train.evaluation.asking import Asking
    from lingshu_train.evaluation.benchmarks import measuring
    from lingshu_train.evaluation.benchmarks.asked import Way
    from lingshu_train.evaluation.benchmarks.suite import Benchmark
    from lingshu_train.record import Sample, Sampling

    samples = [
        Sample(id=str(n), card="drawn", split="test", task="count", question=asked(n), question_type="short",
               answer="2", images=(str(n),))
        for n in range(len(shown))
    ]  # fmt: skip
    folder = Path(options.folder) / f"{options.name}-{len(samples)}-{os.getpid()}"
    drawn = Benchmark(name="drawn", title="Drawn", cards={"drawn": "test"})
    one = measuring.Questions(benchmark=drawn, samples=samples, gallery=lambda name: shown[int(name)])
    asking = Asking(sampling=Sampling(max_tokens=options.tokens), together=options.batch)
    list(measuring.measure([one], folder, lambda: nullcontext(engine), way=Way(), asking=asking))
    return folder / measuring.SCORED / "drawn.jsonl"


def one_by_one(options: argparse.Namespace) -> Callable[[], list[str]]:
    """MedEvalKit's loop without vLLM as its behaviour is described: every question by a `generate` of its own. Not its code."""
    import torch
    from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(options.model, dtype=torch.float32).eval()
    text = AutoProcessor.from_pretrained(options.model)
    shown = pictures(options.questions)

    def answers() -> list[str]:
        found = []
        for number, picture in enumerate(shown):
            messages = [
                {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": asked(number)}]}
            ]
            prompt = text.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            inputs = text(text=[prompt], images=[picture], return_tensors="pt")
            with torch.inference_mode():
                out = model.generate(**inputs, max_new_tokens=options.tokens, do_sample=False)
            found.append(text.decode(out[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True))
        return found

    return answers


def lmms(options: argparse.Namespace) -> Callable[[], list[str]]:
    """lmms-eval's own class for Qwen2.5-VL, which opens it in bfloat16. torchvision, which its helper needs for videos alone, is
    not here and is stood in for."""
    # What looks for torchvision later is to find that it is not here.
    importlib.import_module("transformers").Qwen2_5_VLForConditionalGeneration  # noqa: B018
    names = ("torchvision", "torchvision.io", "torchvision.transforms")
    double = {name: MagicMock(__spec__=ModuleSpec(name, None)) for name in names}
    with mock.patch.dict(sys.modules, double):
        reads = importlib.import_module("qwen_vl_utils").process_vision_info
    module = importlib.import_module("lmms_eval.models.simple.qwen2_5_vl")
    module.process_vision_info = reads
    Instance, Qwen2_5_VL = importlib.import_module("lmms_eval.api.instance").Instance, module.Qwen2_5_VL
    model = Qwen2_5_VL(pretrained=options.model, device="cpu", device_map="cpu", batch_size=options.batch,
                       min_pixels=28 * 28, max_pixels=16 * 28 * 28)  # fmt: skip
    shown = pictures(options.questions)
    model.task_dict = {"drawn": {"test": shown}}
    settings = {"max_new_tokens": options.tokens}
    requests = [
        Instance(
            request_type="generate_until",
            arguments=(asked(number), settings, lambda one: [one], number, "drawn", "test"),
            idx=0,
            metadata={"task": "drawn", "doc_id": number, "repeats": 1},
        )
        for number in range(options.questions)
    ]
    return lambda: [str(getattr(one, "text", one)) for one in model.generate_until(requests)]


def evalscope(options: argparse.Namespace) -> Callable[[], list[str]]:
    """evalscope's own client and its own pool of threads, against the server at `--url`: its local models read no pictures."""
    import base64
    import io
    from concurrent.futures import ThreadPoolExecutor

    from evalscope.api.messages import ChatMessageUser, ContentImage, ContentText
    from evalscope.api.model import GenerateConfig, get_model

    config = GenerateConfig(max_tokens=options.tokens, temperature=0.0, batch_size=options.batch)
    model = get_model(
        model=options.model, eval_type="openai_api", base_url=options.url, api_key="none", config=config
    )

    def ask(pair: tuple[int, Any]) -> str:
        number, picture = pair
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        url = f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
        message = ChatMessageUser(content=[ContentImage(image=url), ContentText(text=asked(number))])
        return str(model.generate(input=[message], config=config).completion)

    shown = list(enumerate(pictures(options.questions)))

    def answers() -> list[str]:
        with ThreadPoolExecutor(options.batch) as pool:
            return list(pool.map(ask, shown))

    return answers


CONTENDERS: dict[str, Callable[[argparse.Namespace], Callable[[], list[str]]]] = {
    "transformers": ours,
    "vllm": ours,
    "endpoint": ours,
    "one_by_one": one_by_one,
    "lmms_eval": lmms,
    "evalscope": evalscope,
}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("--model", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--url", default="", help="of a server's API, up to /v1")
    parser.add_argument("--served", default="", help="what the model is called there")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--questions", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=16)
    options = parser.parse_args(arguments)
    answers = CONTENDERS[options.name](options)
    before, cpu = time.perf_counter(), sum(os.times()[:2])
    found = answers()
    seconds = time.perf_counter() - before
    assert len(found) == options.questions
    told = {"seconds": seconds, "cpu_s": sum(os.times()[:2]) - cpu, "characters": sum(map(len, found))}
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])

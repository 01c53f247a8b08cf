"""Steps of GRPO of this project, through each engine, against other trainers: the same prompts, model, reward and updates.

    python benchmarks/grpo_side_by_side.py FOLDER [--python ms_swift=V2/bin/python] [--vocabularies 32768 152064]
        [--steps 5] [--rounds 2] [--passes 1] [--arms ours trl ...] [--out FILE]

A step draws eight completions of 24 tokens to each of four prompts with a picture of 56 to 448 pixels a side, and makes one update of all
32; the model is the one of sft_side_by_side.py with heads of 32, which vLLM's kernels take, and random weights, all of which train in
float32. The reward is the same function of the text, so that advantages differ. `ours` draws with transformers and `ours_vllm` with a
server of vLLM on the same cores, `kl` beside them is with a reference model (0.04); `trl` is GRPOTrainer as it comes, `trl_same` that
with the allocator's variables and the head at labelled positions alone; `ms_swift` is `swift rlhf --rlhf_type grpo` as it comes, in an
environment of its own (made as benchmarks/loader.py says). `--passes` cuts an update's 32 completions into so many forward
passes, for all arms alike, where one of all does not fit into memory. Arms take turns, another order every round, each in a process of its own.

Core seconds are of the process and all below it, a step, the first two steps left out; memory is the trainer's peak. Pictures that
the image processor and the vision tower take are counted over all steps, a prompt and step.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import circumstances

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "grpo_side_by_side.json"
OURS, TRL, PEERS = ("ours", "ours_vllm", "ours_kl"), ("trl", "trl_same", "trl_kl"), ("ms_swift",)
SAME, KL = "_same", 0.04
PROMPTS, GROUP, TOKENS, WARM = 4, 8, 24, 2
for support in (HERE.parent / "tests" / "support", HERE / "side_by_side"):
    sys.path.insert(0, str(support))

import rows  # noqa: E402 (from a folder that is on the path since now)


def block(vocabulary: int) -> dict[str, Any]:
    found = rows.block(vocabulary)
    found["shape"]["text"] |= {"heads": 2, "key_value_heads": 1, "mrope_section": [4, 6, 6]}
    return found


class Watch:
    """Core seconds, seconds of the clock and pictures of each step of whatever trains here."""

    def __init__(self) -> None:
        import time

        import psutil
        from transformers.trainer_callback import DefaultFlowCallback

        self.pictures = {"image_processor": 0, "vision_tower": 0}
        own = psutil.Process()

        def now() -> tuple[float, float]:
            below = [own, *own.children(recursive=True)]
            return sum(sum(one.cpu_times()[:2]) for one in below), time.monotonic()

        self._times = [now()]
        ended = DefaultFlowCallback.on_step_end

        def on_step_end(callback: Any, *args: Any, **kwargs: Any) -> Any:
            self._times.append(now())
            return ended(callback, *args, **kwargs)

        DefaultFlowCallback.on_step_end = on_step_end

    def count(self, owner: Any, method: str, what: str, number: Callable[..., int]) -> None:
        """Pictures in each call of a method of a class."""
        before = getattr(owner, method)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.pictures[what] += number(*args, **kwargs)
            return before(*args, **kwargs)

        setattr(owner, method, counted)

    def told(self, prompts: int) -> dict[str, Any]:
        steps = len(self._times) - 1
        spans = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(self._times, self._times[1:], strict=False)][
            WARM:
        ]
        return {
            "core_seconds_a_step": statistics.median(core for core, _ in spans),
            "seconds_a_step": statistics.median(clock for _, clock in spans),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            **{
                f"{name}_a_prompt": round(count / steps / prompts, 2) for name, count in self.pictures.items()
            },
        }


def watched() -> Watch:
    from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as modeling

    found = Watch()
    tower = modeling.Qwen2_5_VisionTransformerPretrainedModel
    found.count(tower, "forward", "vision_tower", lambda self, hidden, grid_thw, **_: len(grid_thw))
    return found


def ours(arm: str, folder: Path, vocabulary: int, steps: int, passes: int) -> dict[str, Any]:
    """A whole stage of this project in this process."""
    import tiny

    from lingshu_train.model.families.qwen2_5_vl import processing
    from lingshu_train.stages import _kinds as kinds
    from lingshu_train.training import metering

    # It forgets the process's peak between phases of a step, and the whole peak is what is asked here.
    metering._forget_resident = lambda: False
    config = tiny.grpo(
        **{
            **{
                "base": "base",
                "data": [{"corpus": "data", "tasks": []}],
                "steps": steps,
                "save_every": 10**6,
            },
            **{"rollout_prompts": PROMPTS, "update_prompts": PROMPTS, "group_size": GROUP},
            **{"per_device_batch": PROMPTS * GROUP // passes, "max_completion": TOKENS, "most_too_long": 0.5},
            "rewards": {"mode": "sum", "terms": [{"name": "letters", "weight": 1.0}]},
            "learning_rate": dict.fromkeys(tiny.ALL_PARTS, 1e-3),
            **({"kl_coefficient": KL} if arm == "ours_kl" else {}),
            **({"rollouts": {"engine": "vllm"}} if arm == "ours_vllm" else {}),
        }
    )
    kinds.read(config, where=arm)
    parents = {name: folder / name for name in ("data", "base")}
    place = folder / f"run-{os.getpid()}"
    stage = tiny.make_stage(place, arm, config, parents=parents, model=block(vocabulary))
    found = watched()
    found.count(
        processing.ImageProcessor,
        "preprocess",
        "image_processor",
        lambda self, images, **_: len(_flat(images)),
    )
    try:
        tiny.run_here(stage)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return found.told(PROMPTS)


def _flat(images: Any) -> list[Any]:
    if not isinstance(images, (list, tuple)):
        return [images]
    return [one for each in images for one in _flat(each)]


def trl(arm: str, folder: Path, vocabulary: int, steps: int, passes: int) -> dict[str, Any]:
    """GRPOTrainer on the same prompts and pictures."""
    import tempfile

    import tiny
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from lingshu_train.model import family, load
    from lingshu_train.model.settings import Settings
    from lingshu_train.training import head

    if arm == "trl_same":
        head.labelled_alone()
    settings = Settings.model_validate_json(json.dumps(block(vocabulary)))
    parents = {name: folder / name for name in ("data", "base")}
    stage = tiny.make_stage(folder, "table", tiny.sft(), parents=parents, model=block(vocabulary))
    source = folder / "base" / "model"
    read = tiny.rows(stage, source, tokens=rows.PACK, most=0.5)
    taken = read.columns(read.rows(0, steps * PROMPTS).tolist(), system="", whole=True)
    given = [
        {"prompt": said[:-1], "images": pictures}
        for said, pictures in zip(taken["messages"], taken["images"], strict=True)
    ]
    architecture = family.of("qwen2_5_vl")
    processor = load.processor(architecture, str(source), settings.budget)
    found = watched()
    kind = type(processor.image_processor)
    found.count(kind, "preprocess", "image_processor", lambda self, images, **_: len(_flat(images)))

    def judged(completions: list[Any], **_: Any) -> list[float]:
        return [reward_of(one[0]["content"] if isinstance(one, list) else one) for one in completions]

    with tempfile.TemporaryDirectory() as out:
        config = GRPOConfig(
            **{
                "output_dir": out,
                "max_steps": steps,
                "per_device_train_batch_size": PROMPTS * GROUP // passes,
            },
            **{"gradient_accumulation_steps": passes},
            **{"num_generations": GROUP, "max_completion_length": TOKENS, "learning_rate": 1e-3},
            **{"beta": KL if arm == "trl_kl" else 0.0, "shuffle_dataset": False},
            **{"logging_steps": 1, "save_strategy": "no", "report_to": [], "disable_tqdm": True, "seed": 0},
            **{"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "use_vllm": False},
        )
        model = architecture.architecture.from_pretrained(source, attn_implementation="sdpa")
        GRPOTrainer(
            model=model,
            args=config,
            reward_funcs=[judged],
            train_dataset=Dataset.from_list(given),
            processing_class=processor,
        ).train()
    return found.told(PROMPTS)


def reward_of(text: str) -> float:
    """The share of vowels: what letters.py says of a completion."""
    letters = [letter for letter in text.lower() if letter.isalpha()]
    return sum(letter in "aeiou" for letter in letters) / max(len(letters), 1)


def environment(arm: str, folder: Path) -> dict[str, str]:
    """One thread, no hub, no GPU; the launcher's variables for whoever runs under them."""
    launch = importlib.import_module("lingshu_train.running.launch")
    dropped = ("MALLOC_", "PYTHONPATH", "LINGSHU_PLUGINS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    own = launch.SETTINGS if arm in OURS or arm.endswith(SAME) else {}
    path = [HERE, HERE / "side_by_side"] if arm in PEERS else [HERE.parent]
    limits = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    pixels = {"MAX_PIXELS": str(rows.PIXELS), "MIN_PIXELS": "784"} if arm in PEERS else {}
    caches = {"HF_HOME": str(folder / "hf"), "MODELSCOPE_CACHE": str(folder / "swift")}
    plugins = {"LINGSHU_PLUGINS": str(folder / "plugins")} if arm in OURS else {}
    python = {"PYTHONPATH": os.pathsep.join(map(str, path))}
    return {**kept, **own, **limits, **pixels, **caches, **plugins, **python}


def prepare(folder: Path, vocabulary: int, steps: int) -> None:
    """Rows and model, and the reward as each system wants it."""
    rows.prepare(folder, vocabulary, 200, model=block(vocabulary))
    rows.export(folder, vocabulary, model=block(vocabulary))
    rows.write(folder / "peers", rows.table(folder, vocabulary, steps, model=block(vocabulary)))
    place = folder / "plugins" / "rewards"
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "side_by_side" / "plugins" / "rewards" / "letters.py", place / "letters.py")


def call(words: list[str], arm: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        words, env=environment(arm, folder), cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{arm}: {done.stderr[-2500:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def summary(arms: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians, and others' core seconds and memory over each of ours."""
    middle = {
        arm: {name: round(statistics.median(one[name] for one in each), 3) for name in each[0]}
        for arm, each in arms.items()
    }
    over = {
        f"{other}_over_{one}": {
            name: round(middle[other][name] / middle[one][name], 2)
            for name in ("core_seconds_a_step", "peak_mib")
        }
        for one in OURS
        for other in arms
        if one in arms and other not in OURS
    }
    spread = {arm: [round(one["core_seconds_a_step"], 3) for one in each] for arm, each in arms.items()}
    return {"medians": middle, "over": over, "core_seconds_of_each_round": spread}


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", nargs="*", default=[], metavar="SYSTEM=PYTHON")
    parser.add_argument("--vocabularies", type=int, nargs="+", default=[32_768, 152_064])
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--arms", nargs="+", help="all that can run where none is named")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--once", metavar="ARM", help="prepare, or an arm: measured in this process")
    options = parser.parse_args(words)
    if options.once:
        place, vocabulary = options.folder.resolve(), options.vocabularies[0]
        if options.once == "prepare":
            prepare(place, vocabulary, options.steps * PROMPTS)
            print("{}")
        else:
            one = ours if options.once in OURS else trl
            print(json.dumps(one(options.once, place, vocabulary, options.steps, options.passes)))
        return
    pythons = dict(word.split("=", 1) for word in options.python)
    arms = options.arms or [*OURS, *TRL, *pythons]
    result = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    result = {"what": __doc__.splitlines()[0], "vocabularies": {}, **result}
    for vocabulary in options.vocabularies:
        place = options.folder.resolve() / f"grpo-{vocabulary}"
        place.mkdir(parents=True, exist_ok=True)
        where = circumstances.told("torch", "transformers", "trl") | {"versions_of_others": {}}
        same = ["--vocabularies", str(vocabulary), "--steps", str(options.steps)]
        same += ["--passes", str(options.passes)]
        own = [sys.executable, __file__, str(place), *same, "--once"]
        if not (place / "plugins").is_dir():
            call([*own, "prepare"], "prepare", place)
        measures: dict[str, list[dict[str, Any]]] = {}
        for number in range(options.rounds):
            turn = number % len(arms)
            for arm in arms[turn:] + arms[:turn]:
                peer = [pythons[arm], str(HERE / "side_by_side" / f"{arm}_grpo.py")] if arm in pythons else []
                given = [
                    str(place / "peers"),
                    str(options.steps),
                    str(PROMPTS),
                    str(GROUP),
                    str(TOKENS),
                    str(options.passes),
                ]
                found = call([*peer, *given] if peer else [*own, arm], arm, place)
                if versions := found.pop("versions", None):
                    where["versions_of_others"][arm] = versions
                measures.setdefault(arm, []).append(found)
                print(vocabulary, number, arm, found, flush=True)
            told = {**where, "steps": options.steps, "rounds": number + 1, "prompts": PROMPTS, "group": GROUP}
            told |= {"passes": options.passes}
            result["vocabularies"][str(vocabulary)] = told | summary(measures)
            options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

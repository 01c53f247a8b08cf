"""Supervised steps of this project in each layout against TRL's SFTTrainer, on the same rows and the same tiny model.

    python benchmarks/sft_side_by_side.py FOLDER [--vocabularies 768 32768 152064] [--rows 2000] [--steps 8] [--rounds 3] [--out FILE]

FOLDER gets a corpus and a model of random weights (hidden 64, two layers in each tower) for each vocabulary on the first call.
Pictures have 56 to 448 pixels a side, answers are short to long as captions are. The arms take turns, in another order every
round, each in a process of its own: `padded`, `end_to_end` and `packs` are whole stages of this project under the variables that its
launcher sets; `trl` is SFTTrainer as it comes, in batches of eight in the order of the mixture; `trl_same` is that with the
allocator's variables and the head at labelled positions. Seconds are of the processor, of user and system both, a step, the first
two steps left out; memory is the process's peak. Rows per core second count samples, tokens per core second real tokens.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import circumstances

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "sft_side_by_side.json"
OURS, TRL = ("padded", "end_to_end", "packs"), ("trl", "trl_same")
ARMS = (*OURS, *TRL)
PER_STEP, WARM, PACK = 8, 2, 1536
sys.path.insert(0, str(HERE.parent / "tests" / "support"))


def block(vocabulary: int) -> dict[str, Any]:
    """The model's block of a recipe."""
    text = {"hidden": 64, "layers": 2, "heads": 4, "key_value_heads": 2, "intermediate": 256}
    text |= {"vocabulary": vocabulary, "mrope_section": [2, 3, 3], "rope_theta": 10000.0, "tied": True}
    vision = {"hidden": 64, "depth": 2, "heads": 4, "intermediate": 128, "full_attention": [1]}
    return {
        "family": "qwen2_5_vl",
        "base": "",
        "dtype": "float32",
        "min_pixels": 784,
        "max_pixels": 448 * 448,
        "shape": {"text": text, "vision": vision},
        "build": {"initializer_range": 0.02},
    }


def prepare(folder: Path, vocabulary: int, rows: int) -> None:
    """A finished corpus, and a model whose tokenizer was trained on it."""
    import numpy as np
    import tiny
    from PIL import Image

    from lingshu_train.record import Sample

    draw = np.random.default_rng(0)
    words = tiny.LONG.split()

    def row(number: int) -> tuple[Sample, tuple[Image.Image, ...]]:
        wide, high = (28 * int(side) for side in draw.integers(2, 17, 2))
        answer = " ".join(draw.choice(words, max(1, int(draw.lognormal(3.3, 0.7)))))
        sample = Sample(
            **{"id": f"row-{number}", "card": "drawn", "split": "train", "task": "caption"},  # type: ignore[arg-type]
            **{"question": "What is shown?", "question_type": "free", "answer": answer, "modality": "drawn"},  # type: ignore[arg-type]
        )
        return sample, (Image.fromarray(draw.integers(0, 255, (high, wide, 3), dtype=np.uint8)),)

    tiny.write_corpus(folder / "data" / "corpus", map(row, range(rows)))
    config = {"kind": "prepare", "cards": ["package_pydicom"], "image_size": 56, "questions": {}}
    tiny.finish(tiny.make_stage(folder, "data", config, parents={}), outputs=["corpus"])
    base = tiny.make_stage(
        folder,
        "base",
        {"kind": "build", "corpus": "data"},
        parents={"data": folder / "data"},
        model=block(vocabulary),
    )
    tiny.run_here(base)
    tiny.finish(base, outputs=["model"])


def measured(arm: str, folder: Path, vocabulary: int, steps: int) -> dict[str, Any]:
    """One arm in this process: processor seconds of each step, losses, real tokens and samples of a step, peak memory."""
    from transformers.trainer_callback import DefaultFlowCallback

    times = [time.process_time()]
    plain = DefaultFlowCallback.on_step_end

    def stamp(self: Any, *args: Any, **kwargs: Any) -> Any:
        times.append(time.process_time())
        return plain(self, *args, **kwargs)

    DefaultFlowCallback.on_step_end = stamp
    run = ours if arm in OURS else trl
    found = run(arm, folder, vocabulary, steps)
    taken = [after - before for before, after in itertools.pairwise(times)][WARM:]
    seconds = statistics.median(taken)
    return {
        "core_seconds_a_step": seconds,
        "samples_per_core_second": statistics.mean(found["samples"][WARM:]) / statistics.mean(taken),
        "tokens_per_core_second": statistics.mean(found["tokens"][WARM:]) / statistics.mean(taken),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "losses": found["losses"],
    }


def ours(arm: str, folder: Path, vocabulary: int, steps: int) -> dict[str, list[float]]:
    """A whole stage. A pack counts the samples that are in it."""
    import shutil

    import tiny

    from lingshu_train.runs import ledger
    from lingshu_train.stages import _kinds as kinds
    from lingshu_train.stages.sft import run as sft

    packs = {"per_device_batch": 1, "max_length": PACK} if arm == "packs" else {"per_device_batch": PER_STEP}
    config = tiny.sft(
        **{
            "layout": arm,
            "steps": steps,
            "save_every": 10**6,
            "max_length": PACK,
            "most_too_long": 0.5,
            **packs,
        },
        learning_rate=dict.fromkeys(tiny.ALL_PARTS, 1e-3),
    )
    parents = {name: folder / name for name in ("data", "base")}
    stage = tiny.make_stage(
        folder / f"run-{os.getpid()}", arm, config, parents=parents, model=block(vocabulary)
    )
    tiny.run_here(stage)
    lines = ledger.steps(stage.path)
    read: Any = kinds.read(config, where=arm)
    rows = tiny.rows(stage, folder / "base" / "model", tokens=PACK, most=0.5)
    per_step = read.per_device_batch * read.accumulation
    items = sft._items(stage, read, rows, per_step=per_step)
    items.cover(steps * per_step)
    samples = [float(len(items.rows(n * per_step, (n + 1) * per_step))) for n in range(steps)]
    totals = [0.0, *(float(line["tokens"]) for line in lines)]
    shutil.rmtree(folder / f"run-{os.getpid()}")
    tokens = [after - before for before, after in itertools.pairwise(totals)]
    return {"samples": samples, "tokens": tokens, "losses": [float(line["loss"]) for line in lines]}


def trl(arm: str, folder: Path, vocabulary: int, steps: int) -> dict[str, list[float]]:
    """SFTTrainer with its own collator, on prompt, completion and pictures of the same rows in the same order."""
    import tempfile

    import tiny
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from lingshu_train.model import family, load
    from lingshu_train.model.settings import Settings
    from lingshu_train.training import head

    if arm == "trl_same":
        head.labelled_alone()
    source = folder / "base" / "model"
    settings = Settings.model_validate_json(json.dumps(block(vocabulary)))
    stage = tiny.make_stage(
        folder, "trl", tiny.sft(), parents={n: folder / n for n in ("data", "base")}, model=block(vocabulary)
    )
    rows = tiny.rows(stage, source, tokens=PACK, most=0.5)
    chosen = rows.rows(0, steps * PER_STEP).tolist()
    read = rows.columns(chosen, system="", whole=True)
    table = Dataset.from_list(
        [
            {"prompt": said[:-1], "completion": said[-1:], "images": pictures}
            for said, pictures in zip(read["messages"], read["images"], strict=True)  # type: ignore[misc]
        ]
    )
    architecture = family.of("qwen2_5_vl")
    with tempfile.TemporaryDirectory() as out:
        trainer = SFTTrainer(
            model=architecture.architecture.from_pretrained(source, attn_implementation="sdpa"),
            args=SFTConfig(
                **{
                    "output_dir": out,
                    "max_steps": steps,
                    "per_device_train_batch_size": PER_STEP,
                    "use_cpu": True,
                },
                **{"bf16": False, "gradient_checkpointing": False, "max_length": None, "learning_rate": 1e-3},
                **{
                    "logging_steps": 1,
                    "save_strategy": "no",
                    "report_to": [],
                    "disable_tqdm": True,
                    "seed": 0,
                },
                train_sampling_strategy="sequential",
                lr_scheduler_type="cosine",
            ),
            train_dataset=table,
            processing_class=load.processor(architecture, str(source), settings.budget),
        )
        trainer.train()
    losses = [float(line["loss"]) for line in trainer.state.log_history if "loss" in line]
    counted = rows.tokens(chosen)
    tokens = [float(sum(counted[n : n + PER_STEP])) for n in range(0, len(counted), PER_STEP)]
    return {"samples": [float(PER_STEP)] * steps, "tokens": tokens, "losses": losses}


def environment(arm: str) -> dict[str, str]:
    """One thread; the launcher's variables for whoever runs under them."""
    from lingshu_train.running import launch

    kept = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    own = launch.SETTINGS if arm != "trl" else {}
    return {**kept, **own, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent), "HF_HUB_OFFLINE": "1"}


def call(words: list[str], arm: str) -> str:
    command = [sys.executable, __file__, *words]
    done = subprocess.run(command, env=environment(arm), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{arm}: {done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def summary(arms: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians, and each of ours over each of TRL's."""
    names = ("core_seconds_a_step", "samples_per_core_second", "tokens_per_core_second", "peak_mib")
    middle = {
        arm: {name: statistics.median(one[name] for one in each) for name in names}
        for arm, each in arms.items()
    }
    over = {
        f"{one}_over_{other}": {name: round(middle[one][name] / middle[other][name], 3) for name in names[1:]}
        for one in OURS
        for other in TRL
    }
    losses = {arm: [round(loss, 5) for loss in each[0]["losses"]] for arm, each in arms.items()}
    return {"medians": middle, "over": over, "losses": losses}


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vocabularies", type=int, nargs="+", default=[768, 32_768, 152_064])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--once", metavar="ARM", help="prepare, or an arm: measured in this process")
    options = parser.parse_args(words)
    if options.once:
        place, vocabulary = options.folder.resolve(), options.vocabularies[0]
        if options.once == "prepare":
            prepare(place, vocabulary, options.rows)
        else:
            print(json.dumps(measured(options.once, place, vocabulary, options.steps)))
        return
    told = circumstances.told("torch", "transformers", "trl")
    results: dict[int, dict[str, list[dict[str, Any]]]] = {}
    for vocabulary in options.vocabularies:
        place = options.folder.resolve() / str(vocabulary)
        same = [str(place), "--vocabularies", str(vocabulary), "--rows", str(options.rows)]
        if not (place / "base" / "manifest.json").is_file():
            call([*same, "--once", "prepare"], "prepare")
        for number in range(options.rounds):
            turn = number % len(ARMS)
            for arm in ARMS[turn:] + ARMS[:turn]:
                found = json.loads(call([*same, "--steps", str(options.steps), "--once", arm], arm))
                results.setdefault(vocabulary, {}).setdefault(arm, []).append(found)
                print(vocabulary, number, arm, found, flush=True)
    result = {
        **{
            "what": __doc__.splitlines()[0],
            **told,
            "rounds": options.rounds,
            "steps": options.steps,
            "rows": options.rows,
        },
        "vocabularies": {vocabulary: summary(arms) for vocabulary, arms in results.items()},
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

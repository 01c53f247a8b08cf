"""Supervised steps of this project in each layout against other trainers, on the same rows and the same tiny model.

    python benchmarks/sft_side_by_side.py FOLDER [--python ms_swift=V2/bin/python llama_factory=V3/bin/python]
        [--vocabularies 768 32768 152064] [--rows 2000] [--steps 8] [--rounds 3] [--batches 1] [--body tiny] [--out FILE]

FOLDER gets a corpus and a model of random weights (hidden 64, two layers in each tower) for each vocabulary on the first call.
Pictures have 56 to 448 pixels a side, answers are short to long as captions are. The arms take turns, in another order every
round, each in a process of its own: `padded`, `end_to_end` and `packs` are whole stages of this project under the variables that its
launcher sets; `trl` is SFTTrainer as it comes, in batches of eight in the order of the mixture; `trl_same` is that with the
allocator's variables and the head at labelled positions; `ms_swift` and `llama_factory` run in environments of their own (made as
benchmarks/loader.py says), where they are named, as they come, on the same rows in the same order; `ms_swift_same` and
`llama_factory_same` are these with the allocator's variables. Seconds are of the processor, of user and system both, a step, the
first two steps left out; memory is the process's peak. `floor`, where it is named with `--arms`,
is no trainer: the matrix products and the attention of `end_to_end`'s steps, each shape run alone. `--batches` of eight make a step: what sorting by length within a step gives
shows with more than one. `--body small` has hidden 256 and eight layers of text. Both are for our arms and TRL's. Rows per core second count samples, tokens per core second real tokens.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import circumstances

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "sft_side_by_side.json"
OURS, TRL = ("padded", "end_to_end", "packs"), ("trl", "trl_same")
PEERS = ("ms_swift", "llama_factory")
SAME, FLOOR = "_same", "floor"
for support in (HERE.parent / "tests" / "support", HERE / "side_by_side"):
    sys.path.insert(0, str(support))

import rows  # noqa: E402 (from a folder that is on the path since now)


def measured(arm: str, folder: Path, vocabulary: int, steps: int, batches: int) -> dict[str, Any]:
    """One arm in this process: processor seconds of each step, losses, real tokens and samples of a step, peak memory."""
    from steps import Steps

    found = Steps()
    if arm == FLOOR:
        from floor import Floor

        with Floor() as products:
            found.samples, found.tokens = ours("end_to_end", folder, vocabulary, steps, batches)
        told = found.told()
        # Counted over all steps, the first ones too: their tokens are in the mean as well.
        told["core_seconds_a_step"] = products.seconds() / steps
        for name in ("samples", "tokens"):
            told[f"{name}_per_core_second"] = sum(told[name]) / steps / told["core_seconds_a_step"]
        return told
    if arm in OURS:
        found.samples, found.tokens = ours(arm, folder, vocabulary, steps, batches)
    else:
        trl(arm, folder, vocabulary, steps, batches)
    return found.told()


def ours(
    arm: str, folder: Path, vocabulary: int, steps: int, batches: int
) -> tuple[list[float], list[float]]:
    """A whole stage: samples and tokens of its steps. A pack counts the samples that are in it."""
    import itertools
    import shutil

    import tiny

    from lingshu_train.runs import ledger
    from lingshu_train.stages import _kinds as kinds
    from lingshu_train.stages.sft import run as sft
    from lingshu_train.training import metering

    # It forgets the process's peak between phases of a step, and the whole peak is what is asked here.
    metering._forget_resident = lambda: False
    packs = (
        {"per_device_batch": 1, "max_length": rows.PACK}
        if arm == "packs"
        else {"per_device_batch": rows.PER_STEP}
    )
    config = tiny.sft(
        **{
            "layout": arm,
            "steps": steps,
            "accumulation": batches,
            "save_every": 10**6,
            "max_length": rows.PACK,
            "most_too_long": 0.5,
            **packs,
        },
        learning_rate=dict.fromkeys(tiny.ALL_PARTS, 1e-3),
    )
    parents = {name: folder / name for name in ("data", "base")}
    stage = tiny.make_stage(
        folder / f"run-{os.getpid()}", arm, config, parents=parents, model=rows.block(vocabulary)
    )
    tiny.run_here(stage)
    lines = ledger.steps(stage.path)
    read: Any = kinds.read(config, where=arm)
    chosen = tiny.rows(stage, folder / "base" / "model", tokens=rows.PACK, most=0.5)
    per_step = read.per_device_batch * read.accumulation
    items = sft._items(stage, read, chosen, per_step=per_step)
    items.cover(steps * per_step)
    samples = [float(len(items.rows(n * per_step, (n + 1) * per_step))) for n in range(steps)]
    totals = [0.0, *(float(line["tokens"]) for line in lines)]
    shutil.rmtree(folder / f"run-{os.getpid()}")
    tokens = [after - before for before, after in itertools.pairwise(totals)]
    return samples, tokens


def trl(arm: str, folder: Path, vocabulary: int, steps: int, batches: int) -> None:
    """SFTTrainer with its own collator, on prompt, completion and pictures of the same rows in the same order."""
    import tempfile

    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from lingshu_train.model import family, load
    from lingshu_train.model.settings import Settings
    from lingshu_train.training import head

    if arm == "trl_same":
        head.labelled_alone()
    source = folder / "base" / "model"
    settings = Settings.model_validate_json(json.dumps(rows.block(vocabulary)))
    given = [
        {"prompt": said[:-1], "completion": said[-1:], "images": pictures}
        for said, pictures in rows.table(folder, vocabulary, steps * batches)
    ]
    architecture = family.of("qwen2_5_vl")
    told = {"logging_steps": 1, "save_strategy": "no", "report_to": [], "disable_tqdm": True, "seed": 0}
    plain = {"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "max_length": None}
    with tempfile.TemporaryDirectory() as out:
        trainer = SFTTrainer(
            model=architecture.architecture.from_pretrained(source, attn_implementation="sdpa"),
            args=SFTConfig(
                output_dir=out,
                max_steps=steps,
                per_device_train_batch_size=rows.PER_STEP,
                gradient_accumulation_steps=batches,
                learning_rate=1e-3,
                train_sampling_strategy="sequential",
                lr_scheduler_type="cosine",
                **told,
                **plain,
            ),
            train_dataset=Dataset.from_list(given),
            processing_class=load.processor(architecture, str(source), settings.budget),
        )
        trainer.train()


def environment(arm: str, folder: Path) -> dict[str, str]:
    """One thread, no hub, no GPU; the launcher's variables for whoever runs under them."""
    from lingshu_train.running import launch

    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "PYTHONPATH"))
    }
    own = launch.SETTINGS if arm in (*OURS, FLOOR) or arm.endswith(SAME) else {}
    ours = {} if arm.removesuffix(SAME) in PEERS else {"PYTHONPATH": str(HERE.parent)}
    limits = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    # Where ms-swift reads them.
    pixels = {"MAX_PIXELS": str(rows.PIXELS), "MIN_PIXELS": "784"} if arm.startswith("ms_swift") else {}
    caches = {"HF_HOME": str(folder / "hf"), "MODELSCOPE_CACHE": str(folder / "swift")}
    return {**kept, **own, **ours, **limits, **pixels, **caches}


def command(arm: str, folder: Path, pythons: dict[str, str], words: list[str], steps: int) -> list[str]:
    peer = arm.removesuffix(SAME)
    if peer not in PEERS:
        return [sys.executable, __file__, str(folder), *words, "--once", arm]
    program = HERE / "side_by_side" / f"{peer}.py"
    places = [str(folder / "peers"), str(folder / "peers" / "model")]
    return [pythons[peer], str(program), *places, str(steps), str(rows.PER_STEP), str(rows.PIXELS)]


def call(words: list[str], arm: str, folder: Path) -> str:
    done = subprocess.run(
        words, env=environment(arm, folder), cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{arm}: {done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def summary(arms: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians, and each of ours over each of the others."""
    names = ("core_seconds_a_step", "samples_per_core_second", "tokens_per_core_second", "peak_mib")
    middle = {
        arm: {name: statistics.median(one[name] for one in each) for name in names}
        for arm, each in arms.items()
    }
    over = {
        f"{one}_over_{other}": {name: round(middle[one][name] / middle[other][name], 3) for name in names[1:]}
        for one in OURS
        for other in arms
        if one in arms and other not in OURS
    }
    losses = {arm: [round(loss, 5) for loss in each[0]["losses"]] for arm, each in arms.items()}
    spread = {arm: [round(one["core_seconds_a_step"], 4) for one in each] for arm, each in arms.items()}
    counted = {arm: [each[0]["samples"], each[0]["tokens"]] for arm, each in arms.items()}
    return {
        **{"medians": middle, "over": over, "losses": losses, "core_seconds_of_each_round": spread},
        "samples_and_tokens_of_each_step": counted,
    }


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", nargs="*", default=[], metavar="SYSTEM=PYTHON")
    parser.add_argument("--vocabularies", type=int, nargs="+", default=[768, 32_768, 152_064])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=1)
    parser.add_argument("--body", choices=("tiny", "small"), default="tiny")
    parser.add_argument("--arms", nargs="+", help="all that can run where none is named")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--once", metavar="ARM", help="prepare, or an arm: measured in this process")
    options = parser.parse_args(words)
    os.environ[rows.BODY] = options.body
    usual = options.batches == 1 and options.body == "tiny"
    if options.once:
        place, vocabulary = options.folder.resolve(), options.vocabularies[0]
        if options.once == "prepare":
            rows.prepare(place, vocabulary, options.rows)
            rows.export(place, vocabulary)
            rows.write(place / "peers", rows.table(place, vocabulary, options.steps * options.batches))
        else:
            print(json.dumps(measured(options.once, place, vocabulary, options.steps, options.batches)))
        return
    if options.python and not usual:
        parser.error("ms-swift and LLaMA-Factory are measured with one batch a step and the tiny body")
    pythons = dict(word.split("=", 1) for word in options.python)
    arms = options.arms or [*OURS, *TRL, *pythons, *(f"{name}{SAME}" for name in pythons)]
    # A vocabulary that is measured again, or later than the others, has circumstances of its own.
    result = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    result = {"what": __doc__.splitlines()[0], "vocabularies": {}, **result}
    for vocabulary in options.vocabularies:
        # A step of several batches, or of another body, is another comparison.
        named = str(vocabulary) if usual else f"{vocabulary}, {options.batches} batches, {options.body}"
        place = options.folder.resolve() / named.replace(", ", "-").replace(" ", "-")
        place.mkdir(parents=True, exist_ok=True)
        where = circumstances.told("torch", "transformers", "trl")
        where |= {"versions_of_others": {}, "rows": options.rows, "steps": options.steps}
        same = ["--vocabularies", str(vocabulary), "--rows", str(options.rows), "--steps", str(options.steps)]
        same += ["--batches", str(options.batches), "--body", options.body]
        if not (place / "peers" / "dataset_info.json").is_file():
            call([sys.executable, __file__, str(place), *same, "--once", "prepare"], "prepare", place)
        measures: dict[str, list[dict[str, Any]]] = {}
        load = []
        for number in range(options.rounds):
            turn = number % len(arms)
            load.append(round(os.getloadavg()[0], 1))
            for arm in arms[turn:] + arms[:turn]:
                found = json.loads(call(command(arm, place, pythons, same, options.steps), arm, place))
                if versions := found.pop("versions", None):
                    where["versions_of_others"][arm.removesuffix(SAME)] = versions
                measures.setdefault(arm, []).append(found)
                print(vocabulary, number, arm, found, flush=True)
            # Written as it grows: a long call that is stopped leaves the rounds that are done.
            told = {**where, "rounds": number + 1, "load_at_each_round": load}
            result["vocabularies"][named] = told | summary(measures)
            options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

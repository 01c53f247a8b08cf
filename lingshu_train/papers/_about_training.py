"""What a run tells of its training: where the weights come from, the stages, what they ran on, and for how long."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from lingshu_train.model.origin import Origin
from lingshu_train.papers._form import Rows
from lingshu_train.papers._known import Known
from lingshu_train.report.numbers import duration
from lingshu_train.runs.flat import scalars
from lingshu_train.runs.manifest import Manifest

_SHOWN = (
    "steps",
    "epochs",
    "per_device_batch",
    "accumulation",
    "group_size",
    "learning_rate",
    "schedule",
    "max_length",
)
"""Settings that a reader looks for first; all of them stand in the report and in the manifests."""


def unfinished(known: Known) -> str:
    """Which stages have not finished, so that nothing of them is told; empty where all have."""
    names = ", ".join(f"{each.name} ({each.state})" for each in known.missing)
    return f"This run is not finished; nothing is told of: {names}." if names else ""


def name(known: Known) -> str:
    """What the weights are called here: recipe, stage and the hash of all that determines them."""
    stage = known.model
    if known.export:
        made = next(one for one in known.export.stages if one.stage == known.export.model)
        return f"{known.export.run}: {made.stage}, content {made.content[:12]}"
    return f"{stage.run}: {stage.name}, content {stage.content[:12]}" if stage else ""


def origin(known: Known) -> str:
    """What the first stage started from."""
    start = known.origin
    if known.export:
        files = [
            f"{key} {name} of sha256 {sha256}"
            for one in known.export.stages
            for key, named in one.outside.items()
            for name, sha256 in named.items()
        ]
        return f"Read from outside of the run: {', '.join(files)}." if files else ""
    if start is None:
        return "Started from random weights: no other model is behind it." if known.rooted else ""
    return f"Started from {_named(start)}."


def _named(start: Origin) -> str:
    if start.kind == "hub":
        at = f" at commit {start.commit}" if start.commit else ", commit not recorded"
        return f"the model {start.name} of the Hugging Face Hub (https://huggingface.co/{start.name}){at}"
    weights = f", weights of sha256 {start.weights}" if start.weights else ""
    ours = f", exported by a run of {start.run}" if start.run else ""
    says = f"; its own files say that it was made from {start.says}" if start.says else ""
    return f"a model in a local folder, {start.name}{weights}{ours}{says}"


def stages(known: Known) -> Rows:
    """What each training stage did."""
    heads = ("Stage", "Method", "Parts that train", "Steps", "Settings", "Seed")
    return (heads, *(_stage(made) for made in known.lineage)) if known.lineage else ()


def _stage(made: Manifest) -> tuple[str, ...]:
    stage = made.stage
    given = {key: stage.config[key] for key in _SHOWN if key in stage.config}
    settings = ", ".join(f"{key} {value}" for key, value in scalars(given) if key != "steps")
    steps = made.results.get("steps")
    return (
        stage.name,
        stage.about.method,
        ", ".join(stage.about.trains),
        f"{steps:,}" if isinstance(steps, int) else "–",
        settings,
        str(stage.seed),
    )


def rewards(known: Known) -> tuple[str, ...]:
    """What each stage that learns from rewards was rewarded for."""
    found = []
    for made in known.lineage:
        terms = _terms(made)
        if terms:
            told = ", ".join(f"{one.get('name')} (weight {one.get('weight')})" for one in terms)
            found.append(f"{made.stage.name} writes its own answers and is rewarded for: {told}.")
    return tuple(found)


def judges(known: Known) -> tuple[str, ...]:
    """Other models that scored answers during training, as the recipe names them."""
    return tuple(
        f"{made.stage.name}: the reward {one.get('name')} asks the model {params['model']}"
        for made in known.lineage
        for one in _terms(made)
        if isinstance(params := one.get("params"), dict) and params.get("model")
    )


def _terms(made: Manifest) -> list[Mapping[str, JsonValue]]:
    block = made.stage.config.get("rewards")
    terms = block.get("terms") if isinstance(block, dict) else None
    return [one for one in terms if isinstance(one, dict)] if isinstance(terms, list) else []


def writes_itself(known: Known) -> tuple[str, ...]:
    """Training stages that learn from answers which the model itself writes."""
    return tuple(
        made.stage.name
        for made in known.lineage
        if (config := known.configs.get(made.stage.name)) is not None and not config.teaches
    )


def untold(known: Known) -> tuple[str, ...]:
    """Training stages of a kind that is not known here: what they learn from cannot be told."""
    return tuple(made.stage.name for made in known.lineage if made.stage.name not in known.configs)


def hardware(known: Known) -> tuple[str, ...]:
    """On what the stages ran, once for each different environment."""
    found = []
    for made in known.environments:
        here = made.environment
        names = ", ".join(
            each.stage.name for each in known.view.manifests if each.environment == made.environment
        )
        found.append(
            f"{names}: {here.world_size} process{'es' if here.world_size > 1 else ''} on {here.device} "
            f"({here.processor}, {here.machine})"
        )
    return tuple(found)


def time_spent(known: Known) -> Rows:
    """Wall-clock time. That of steps is the ledger's, which goes on where a stage was resumed; that of a stage is from its
    last start."""
    heads = ("Stage", "Time in steps", "From its last start to its end", "Memory of the first process")
    rows = []
    for each in known.view.stages:
        if each.manifest:
            steps = [seconds for _, seconds in each.column("seconds")]
            memory = each.manifest.peak_memory_mib
            rows.append(
                (
                    each.name,
                    duration(sum(steps)) if steps else "–",
                    duration(each.manifest.seconds),
                    f"{memory:,} MiB" if memory else "–",
                )
            )
    return (heads, *rows) if rows else ()


def software(known: Known) -> tuple[str, ...]:
    """Versions that decide the result."""
    return tuple(
        f"lingshu-train {made.stage.version}, Python {made.environment.python}, "
        + ", ".join(f"{package} {version}" for package, version in made.environment.packages.items())
        for made in known.environments[:1]
    )


def code(known: Known) -> tuple[str, ...]:
    """Which code ran."""
    if known.export:
        told = sorted({(one.version, one.commit) for one in known.export.stages})
        return tuple(
            f"lingshu-train {version}, commit {commit or 'not recorded'}." for version, commit in told
        )
    commits = sorted({made.environment.commit for made in known.view.manifests if made.environment.commit})
    dirty = any(made.environment.uncommitted_changes for made in known.view.manifests)
    return (
        f"Commit {', '.join(commits)} of lingshu-train." if commits else "",
        "A stage ran from a checkout with uncommitted changes: the commit does not tell what code ran."
        if dirty
        else "",
    )


def repeat(known: Known) -> str:
    """How others get the same weights; an export does not tell the settings."""
    if known.export:
        return ""
    return (
        f"`lingshu run {known.view.run.recipe}` with the settings of the manifests; on one kind of processor the same versions "
        f"give the same bytes. Plan {known.view.run.plan[:12]}."
    )


def technology(known: Known) -> str:
    """The kind of model in a phrase."""
    return (
        f"Deep learning: a vision-language model of the family {known.model.model.get('family')}."
        if known.model
        else ""
    )


def architecture(known: Known) -> str:
    """The family and its sizes, as the recipe has them."""
    if known.model is None:
        return ""
    model = known.model.model
    shape = ", ".join(f"{key} {value}" for key, value in scalars(model.get("shape")))
    parts = known.lineage[-1].results.get("parameters")
    sizes = ", ".join(f"{part} {int(number):,}" for part, number in scalars(parts) if number.isdigit())
    text = f"Family {model.get('family')}, forward pass in {model.get('dtype')}, weights trained in float32"
    return "; ".join([text, *([f"parameters: {sizes}"] if sizes else []), *([shape] if shape else [])]) + "."

"""Curves of every training stage, read from its ledger."""

from __future__ import annotations

from collections.abc import Sequence

from lingshu_train.report.curves import Series, chart
from lingshu_train.report.gather import RunView, StageView
from lingshu_train.report.markup import Markup, element, folded, join, text

STEP = "optimizer step"


def curves(view: RunView) -> Markup:
    """The losses of the supervised stages side by side, then a block for each reinforcement stage."""
    begun = [each for each in view.stages if each.ledger]
    supervised = [each for each in begun if each.kind != "grpo"]
    blocks = [_block("Supervised fine-tuning", [_loss(each) for each in supervised], supervised)]
    for each in begun:
        if each.kind == "grpo":
            blocks.append(
                _block(f"{each.name}: reinforcement learning, {_far(each)}", _rewards(each), [each])
            )
    return join(blocks)


def _block(title: str, drawings: Sequence[str], stages: Sequence[StageView]) -> Markup:
    if not stages:
        return Markup("")
    more = join(
        folded(f"{each.name}: gradient norm, learning rate and more", _grid(_rest(each))) for each in stages
    )
    return join([element("h3", text(title)), _grid(drawings), more])


def _grid(drawings: Sequence[str]) -> Markup:
    return element("div", join(Markup(drawing) for drawing in drawings if drawing), css="charts")


def _far(view: StageView) -> str:
    return f"{view.steps:,} steps" + (" so far" if view.state != "done" else "")


def _loss(view: StageView) -> str:
    title = f"Loss of {view.name}, {_far(view)}"
    return chart(title, [_series(view, "loss")], x_label=STEP, y_label="cross-entropy (nats per token)")


def _rewards(view: StageView) -> list[str]:
    return [
        chart("Reward", [_series(view, "reward")], x_label=STEP, y_label="mean reward"),
        chart(
            "Held-out accuracy",
            [_series(view, "held_out/accuracy")],
            x_label=STEP,
            y_label="share of right greedy answers",
        ),
        chart("Reward terms", _family(view, "reward/"), x_label=STEP, y_label="mean of the term"),
        chart(
            "Completions by status",
            _family(view, "status/", absent=0.0),
            x_label=STEP,
            y_label="share of completions",
        ),
        chart("Completion length", [_series(view, "completion_length")], x_label=STEP, y_label="tokens"),
        chart("Spread of rewards", [_series(view, "reward_std")], x_label=STEP, y_label="standard deviation"),
        chart("KL from the starting model", [_series(view, "kl")], x_label=STEP, y_label="nats per token"),
    ]


def _rest(view: StageView) -> list[str]:
    parts = [("Gradient norm", "grad_norm", "L2 norm")]
    if view.kind == "grpo":
        parts.append(("Policy loss", "loss", "loss"))
        parts.append(("Entropy", "entropy", "nats per token"))
        parts.append(("Completions at the length limit", "truncated", "share of completions"))
    drawn = [chart(title, [_series(view, key)], x_label=STEP, y_label=label) for title, key, label in parts]
    rates = _family(view, "learning_rate/") or [_series(view, "learning_rate")]
    return [*drawn, chart("Learning rate", rates, x_label=STEP, y_label="learning rate")]


def _series(view: StageView, key: str, *, name: str = "", absent: float | None = None) -> Series:
    """The steps of the ledger at which `key` has a number; `absent` stands in where it has none."""
    values = [(line["step"], line.get(key, absent)) for line in view.ledger]
    kept = [(step, value) for step, value in values if isinstance(value, (int, float))]
    return Series(name=name, xs=tuple(float(x) for x, _ in kept), ys=tuple(float(y) for _, y in kept))


def _family(view: StageView, prefix: str, *, absent: float | None = None) -> Sequence[Series]:
    """One series per key that starts with `prefix`: the five largest in sum."""
    keys = dict.fromkeys(key for line in view.ledger for key in line if key.startswith(prefix))
    found = [_series(view, key, name=key.removeprefix(prefix), absent=absent) for key in keys]
    found = [each for each in found if each.ys]
    kept = sorted(found, key=lambda each: -sum(abs(y) for y in each.ys))[:5]
    return [each for each in found if each in kept]

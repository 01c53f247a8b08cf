"""Which columns of a GRPO stage's ledger a report draws, in its order. No torch."""

from __future__ import annotations

from lingshu_train.kind import Chart
from lingshu_train.training.config import GRADIENT_NORM, LEARNING_RATE, SPEED

CHARTS: tuple[Chart, ...] = (
    Chart(title="Reward", columns=("reward",), y="mean reward"),
    Chart(title="Held-out accuracy", columns=("held_out/accuracy",), y="share of right greedy answers"),
    Chart(title="Reward terms", columns=("reward/",), y="mean of the term"),
    Chart(
        title="False answers among the accepted: bounds",
        columns=("audit/lower", "audit/upper", "audit_by_person/lower", "audit_by_person/upper"),
        y="rate",
    ),
    Chart(title="Completions by status", columns=("status/",), y="share of completions", absent=0.0),
    Chart(title="Completion length", columns=("completion_length",), y="tokens"),
    Chart(title="Spread of rewards", columns=("reward_std",), y="standard deviation"),
    Chart(title="KL from the starting model", columns=("kl",), y="nats per token"),
    Chart(title="Entropy", columns=("entropy",), y="nats per token"),
    Chart(title="Clipped ratios", columns=("clipped",), y="share of tokens or completions"),
    GRADIENT_NORM,
    Chart(title="Policy loss", columns=("loss",), y="loss", aside=True),
    Chart(
        title="Engine and trainer apart",
        columns=("engine_gap/mean", "engine_gap/max", "off_policy/mean", "off_policy/max"),
        y="nats per token",
        aside=True,
    ),
    Chart(
        title="Completions at the length limit",
        columns=("truncated",),
        y="share of completions",
        aside=True,
    ),
    LEARNING_RATE,
    *SPEED,
)

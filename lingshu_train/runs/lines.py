"""What is told of one model on one benchmark: a line of the table, as results.json of a stage and of `lingshu eval` have it."""

from __future__ import annotations

from pydantic import Field

from lingshu_train.schema import Strict


class Share(Strict):
    """Questions of one kind, and the share of them that lenient accepts."""

    n: int
    lenient: float


class Estimate(Strict):
    """A mean over questions with its 95 % interval by picture."""

    value: float
    low: float
    high: float


class TierShare(Strict):
    """Questions of one tier (`evaluation/`), the share of them that lenient accepts, and its 95 % interval by picture."""

    n: int
    lenient: float
    low: float
    high: float


class Position(Strict):
    """A place among the options: how often it was chosen, how often it would be by what options say, the two-sided p of a test
    by drawing, and whether it holds over all places (Holm, 5 %)."""

    chosen: int
    expected: float
    p: float
    holds: bool


class Line(Strict):
    """One benchmark of one model. Shares are in [0, 1]. `n` counts what a rule can judge, `unscored` free text that none can.

    `low`, `high`: Wilson's 95 % interval of `lenient`; `cluster_low`, `cluster_high`: of a bootstrap over groups of questions
    that show one picture (or are of one patient), of which there are `clusters`. `constant`: the best constant answer.
    `medevalkit`: the share right by MedEvalKit's own rules, of those it can score. `medevalkit_errors` cannot be scored there;
    `medevalkit_differs` counts by defect where it says otherwise than lenient. `letters`: shares of the letters that choices
    were answered with; `positions`: by the letter of a place, where options stood in drawn orders. `reports`: means over the
    free text by every metric that is here, and in `not_measured` why others are not. `tiers`: by what the model was trained on,
    `trained_cards` how many questions were met in which data card, `untold` what of this is not known. Of several `draws` a
    question, all else is of the first; `pass_at` and `maj_at`, by k, are of all (`metrics/_draws.py`). `asked` names the prompt
    set and its hash. `own`: no benchmark, but a data card that a run holds out rows of. `cards`: the data cards that make it
    up, each with its split; `pictures`: questions that show one.
    """

    name: str
    title: str
    n: int
    asked: str
    cards: dict[str, str] = Field(default_factory=dict)
    pictures: int = 0
    strict: float = 0.0
    lenient: float = 0.0
    low: float = 0.0
    high: float = 1.0
    cluster_low: float = 0.0
    cluster_high: float = 1.0
    clusters: int = 0
    constant: float = 0.0
    medevalkit: float = 0.0
    medevalkit_errors: int = 0
    medevalkit_differs: dict[str, int] = Field(default_factory=dict)
    reports: dict[str, float] = Field(default_factory=dict)
    not_measured: dict[str, str] = Field(default_factory=dict)
    truncated: int = 0
    unscored: int = 0
    statuses: dict[str, int] = Field(default_factory=dict)
    letters: dict[str, float] = Field(default_factory=dict)
    positions: dict[str, Position] = Field(default_factory=dict)
    breakdown: dict[str, dict[str, Share]] = Field(default_factory=dict)
    tiers: dict[str, TierShare] = Field(default_factory=dict)
    trained_cards: dict[str, int] = Field(default_factory=dict)
    untold: str = ""
    draws: int = 1
    pass_at: dict[int, Estimate] = Field(default_factory=dict)
    maj_at: dict[int, Estimate] = Field(default_factory=dict)
    own: bool = False

"""Audits by rules that a reward does not have: the verifier's strict door, and what is known of answers that please a rule."""

from __future__ import annotations

from lingshu_train.auditing.auditor import Finding
from lingshu_train.auditing.check import check, names
from lingshu_train.errors import RecipeError
from lingshu_train.record import Completion, Sample
from lingshu_train.schema import Strict
from lingshu_train.verify import Policy, verify

LATER = False


class Params(Strict):
    """What is looked for."""

    policy: Policy = Policy.strict
    """The verifier's door that an answer has to pass too: `strict` the answer alone, `lenient` remarks beside it as well."""
    checks: tuple[str, ...] | None = None
    """Files of `auditing/checks/`; none given takes all of them. `[]` asks the verifier alone."""


def audit(sample: Sample, completion: Completion, params: Params) -> Finding:
    """The first check that finds something, in the order of their names; then the verifier."""
    for name in names() if params.checks is None else params.checks:
        if check(name, where="audit.params.checks").found(sample, completion):
            return Finding(false=True, why=name)
    verdict = verify(completion.text, sample, params.policy)
    if verdict.status == "invalid_gold":
        return Finding(false=None, why=verdict.status)
    return Finding(false=not verdict.correct, why="" if verdict.correct else f"verifier_{verdict.status}")


def try_out(params: Params, where: str) -> None:
    """RecipeError: a check that there is not."""
    for name in params.checks or ():
        if name not in names():
            raise RecipeError(
                f"{where}.checks: unknown check {name!r}; auditing/checks/ has: {', '.join(names())}"
            )

"""The whole examination: of this machine, and of one recipe or of all that are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import JsonValue

from lingshu_train import environment
from lingshu_train.doctor import compute, machine, recipes, software
from lingshu_train.doctor.finding import Finding
from lingshu_train.errors import LingshuError, MissingInput
from lingshu_train.hub import account
from lingshu_train.planning import recipe as known

_NEEDED = ("python", "packages", "torch")
"""Without these nothing runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """`findings` of the machine, `asked` of the recipes; `one` where a single recipe was asked about."""

    findings: tuple[Finding, ...]
    asked: tuple[Finding, ...]
    one: bool

    @property
    def can_run(self) -> bool:
        """Whether the one recipe that was asked about can run; without one, whether anything can."""
        needed = [finding for finding in self.findings if finding.name in _NEEDED]
        return all(one.state != "missing" for one in (*needed, *(self.asked if self.one else ())))

    @property
    def exit_code(self) -> int:
        return 0 if self.can_run else MissingInput.exit_code

    @property
    def text(self) -> str:
        return "\n".join(map(str, (*self.findings, *self.asked)))

    @property
    def data(self) -> dict[str, JsonValue]:
        """The same for programs."""
        return {
            "can_run": self.can_run,
            "machine": [asdict(one) for one in self.findings],
            "recipes": [asdict(one) for one in self.asked],
        }


def examine(recipe: str = "", overrides: Sequence[str] = ()) -> Examination:
    """Look at everything. RecipeError (78) or MissingInput (66): there is no such recipe."""
    output, data_root = _places(recipe, overrides)
    seen = compute.examine()
    places = {
        "disk for runs": Path(output),
        "disk for data": Path(data_root),
        "disk for models": environment.hub_cache(),
    }
    return Examination(
        findings=(
            *software.findings(),
            *compute.findings(seen),
            *machine.findings(places),
            _login(),
            *_switches(),
        ),
        asked=tuple(
            recipes.finding(name, seen, overrides) for name in ([recipe] if recipe else known.names())
        ),
        one=bool(recipe),
    )


def _places(recipe: str, overrides: Sequence[str]) -> tuple[str, str]:
    """Where a recipe writes and where its data lies; what recipes of this project say where it cannot be read, which its own
    line then tells."""
    if recipe:
        try:
            wanted = known.load(recipe, overrides)
        except LingshuError:
            if recipe not in known.names() and not Path(recipe).is_file():
                raise
        else:
            return wanted.output, wanted.data_root
    return "runs", "data"


def _login() -> Finding:
    if account.logged_in():
        return Finding(name="hub login", state="ok", told="there is one")
    advice = "`hf auth login` for gated models and data, and to push"
    return Finding(name="hub login", state="warn", told="none", advice=advice)


def _switches() -> Iterator[Finding]:
    """What the environment says, a line each, and the folders of one's own that are not there."""
    for name, value in environment.switches().items():
        yield Finding(name=name, state="ok", told=value)
    for name, folders in (("LINGSHU_PLUGINS", environment.plugins()), ("LINGSHU_CARDS", environment.cards())):
        for folder in folders:
            if not folder.is_dir():
                yield Finding(
                    name=name,
                    state="missing",
                    told=f"{folder}: no such folder",
                    advice="correct it or unset it",
                )

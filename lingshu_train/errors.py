"""What can go wrong, and whose turn it is: every user-facing error is one line and an exit code (sysexits)."""

from __future__ import annotations


class LingshuError(Exception):
    """A mistake or a fault that the user can act on. The message says what, where, why and what would be right."""

    exit_code = 70
    told = False
    """Whether another process says it for this one: of the ranks of a machine one is enough."""


class UsageError(LingshuError):
    """The command line is off."""

    exit_code = 64


class DataError(LingshuError):
    """A row, an image or a label is wrong. Names the file, the line or sample id, and the field."""

    exit_code = 65


class RewardRefuted(LingshuError):
    """Too many of the answers that a reward accepted are false, or cannot be shown not to be. Nothing is learned of them."""

    exit_code = 65


class MissingInput(LingshuError):
    """A file, a folder, a package or a model that the run needs is not there."""

    exit_code = 66


class TrainingDiverged(LingshuError):
    """A loss or a gradient is not finite. Weights of such a step are never saved."""

    exit_code = 70


class CannotCreate(LingshuError):
    """The output folder cannot be used: it belongs to another run, is in use, or cannot be written."""

    exit_code = 73


class OutputFailed(LingshuError):
    """Writing or reading back failed: disk full, or every checkpoint is damaged."""

    exit_code = 74


class RunAgain(LingshuError):
    """Preempted or a passing fault: the same command goes on from the last checkpoint."""

    exit_code = 75


class NotPermitted(LingshuError):
    """A licence, an access class or a missing credential forbids it."""

    exit_code = 77


class RecipeError(LingshuError):
    """A recipe names something that does not exist or has a wrong type. Says which key."""

    exit_code = 78

"""Reading files that a person may have changed or damaged: whatever is wrong with one is a line that names it."""

from __future__ import annotations

import json
from pathlib import Path

from lingshu_train.errors import DataError, MissingInput


def there(path: Path) -> bool:
    """Whether something stands at `path`. MissingInput (66) where the system does not let us see: then nobody knows."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as fault:
        raise MissingInput(f"{path}: {getattr(fault, 'strerror', fault)}") from None
    return True


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without the mark that some editors put before it.

    MissingInput (66): it is not there or may not be read. DataError (65): it is a folder, or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        raise MissingInput(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; a file is expected here") from None
    except UnicodeDecodeError as fault:
        raise DataError(f"{path}: not UTF-8 at byte {fault.start}") from None
    except OSError as fault:
        raise MissingInput(f"{path}: {fault.strerror}") from None


def read_json(path: Path) -> object:
    """What a JSON file says. Raises as `read_text`, and DataError (65) where it is no JSON."""
    return decoded(read_text(path), where=str(path))


def decoded(text: str, *, where: str) -> object:
    """JSON as the standard has it: NaN and infinities are none. DataError (65) says at which line and column it breaks."""
    try:
        return json.loads(text, parse_constant=_refused)
    except json.JSONDecodeError as fault:
        place = f" (line {fault.lineno}, column {fault.colno})" if text.strip() else ""
        raise DataError(f"{where}: {'not JSON: ' + fault.msg if text.strip() else 'empty'}{place}") from None
    except ValueError as fault:
        raise DataError(f"{where}: not JSON: {fault}") from None
    except RecursionError:
        raise DataError(f"{where}: not JSON: nested too deep") from None


def not_yaml(fault: Exception, *, above: int = 0) -> str:
    """What a reader of YAML found wrong, in one line, with the place. `above`: lines of the file before what it read."""
    if isinstance(fault, RecursionError):
        return "not YAML: nested too deep"
    mark = getattr(fault, "problem_mark", None) or getattr(fault, "context_mark", None)
    problem = str(getattr(fault, "problem", None) or getattr(fault, "context", None) or fault)
    place = f"line {mark.line + 1 + above}, column {mark.column + 1}: " if mark else ""
    return f"{place}not YAML: {' '.join(problem.split())}"


def _refused(word: str) -> object:
    raise ValueError(f"{word} is no number of JSON's")

"""Reading files that a person may have changed or damaged: whatever is wrong with one is a line that names it."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import yaml

from lingshu_train.errors import DataError, MissingInput

MOST_JSON = 256 << 20
"""Bytes of a JSON document: the largest of ours, a list of files with hashes, has some million lines at 100 bytes each."""
MOST_YAML = 1 << 20
"""Bytes of a recipe or a card; the largest of ours has 20 kB."""
MOST_VALUES = 100_000
"""Values of a document once its aliases are written out. The largest recipe of ours has some hundred; a few nested aliases
stand for billions."""
DEEPEST = 64
"""Levels of a YAML document; ours have eight."""


class TooMuch(ValueError):
    """A document that stands for more than it says, or is nested deeper than any is."""


def there(path: Path) -> bool:
    """Whether something stands at `path`. MissingInput (66) where the system does not let us see: then nobody knows."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as fault:
        raise MissingInput(f"{path}: {getattr(fault, 'strerror', fault)}") from None
    return True


def read_bytes(path: Path, *, most: int | None = None) -> bytes:
    """What a file holds. MissingInput (66): it is not there or may not be read. DataError (65): it is a folder, the disk does
    not give it back, or it has more than `most` bytes."""
    try:
        with path.open("rb") as stream:
            data = stream.read() if most is None else stream.read(most + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingInput(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; a file is expected here") from None
    except OSError as fault:
        error = DataError if fault.errno == errno.EIO else MissingInput
        raise error(f"{path}: {fault.strerror}") from None
    if most is not None and len(data) > most:
        raise DataError(f"{path}: has more than {most:,} bytes, and no such file of ours does")
    return data


def read_text(path: Path, *, most: int | None = None) -> str:
    """The text of a UTF-8 file, without the mark that some editors put before it.

    Raises as `read_bytes`, and DataError (65) where it is not UTF-8.
    """
    try:
        return read_bytes(path, most=most).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as fault:
        raise DataError(f"{path}: not UTF-8 at byte {fault.start}") from None


def read_json(path: Path) -> object:
    """What a JSON file says. Raises as `read_text`, and DataError (65) where it is no JSON."""
    return decoded(read_text(path, most=MOST_JSON), where=str(path))


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


def check_yaml(text: str, loader: type) -> None:
    """Refuse YAML that means harm or harms by accident, before a value of it is made: its events are counted in the order of
    the text, so that neither nesting nor aliases (*name) cost more than what was written. TooMuch says what is wrong."""
    sizes: dict[str, int] = {}
    above: list[tuple[str | None, int]] = []
    for event in yaml.parse(text, Loader=loader):
        size = 0
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in above):
                raise TooMuch("a value holds itself, by an alias (*name) inside its own anchor (&name)")
            size = sizes.get(str(event.anchor), 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            above.append((event.anchor, 1))
            if len(above) > DEEPEST:
                raise TooMuch(f"nested deeper than {DEEPEST} levels")
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionEndEvent):
            anchor, size = above.pop() if isinstance(event, yaml.CollectionEndEvent) else (event.anchor, 1)
            if anchor:
                sizes[anchor] = size
        if above and size:
            above[-1] = (above[-1][0], above[-1][1] + size)
        if size > MOST_VALUES or (above and above[-1][1] > MOST_VALUES):
            raise TooMuch(f"its aliases (*name) stand for more than {MOST_VALUES:,} values")


def yaml_value(text: str) -> object:
    """What a YAML text says. Raises as `check_yaml` and PyYAML do."""
    check_yaml(text, yaml.SafeLoader)
    return yaml.safe_load(text)


def not_yaml(fault: Exception, *, above: int = 0) -> str:
    """What a reader of YAML found wrong, in one line, with the place. `above`: lines of the file before what it read."""
    if isinstance(fault, RecursionError):
        return "not YAML: nested too deep"
    if isinstance(fault, TooMuch):
        return str(fault)
    mark = getattr(fault, "problem_mark", None) or getattr(fault, "context_mark", None)
    problem = str(getattr(fault, "problem", None) or getattr(fault, "context", None) or fault)
    place = f"line {mark.line + 1 + above}, column {mark.column + 1}: " if mark else ""
    return f"{place}not YAML: {' '.join(problem.split())}"


def _refused(word: str) -> object:
    raise ValueError(f"{word} is no number of JSON's")

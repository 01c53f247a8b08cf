"""Hydra, once and in one process: a recipe file with its defaults and overrides to plain data. Nothing else is read."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import ListConfig, OmegaConf
from omegaconf._utils import get_yaml_loader
from omegaconf.basecontainer import BaseContainer
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException, UnsupportedInterpolationType

from lingshu_train.documents import not_yaml, read_text
from lingshu_train.errors import DataError, RecipeError
from lingshu_train.planning import bounds

OUTSIDE = "recipes read nothing from outside; write the value, or key=value on the command line"
_SETTING = re.compile(r"(?:\+{0,2}[^\s=+~]+=.*|~[^\s=+~]+(?:=.*)?)", re.DOTALL)
_HYDRA = re.compile(r"[+~]*hydra(?:[./@=]|$)")
_ABSENT = re.compile(r"Could not (?:override|delete from config\.) '([^']+)'")
_NO_KEY = ("is not in struct", "does not exist")
_TOLD_ELSEWHERE = (
    "full_key",
    "object_type",
    "Config search path",
    "provider=",
    "set the environment",
    "See https",
)


class Refused(RecipeError):
    """What Hydra did not take, in one line. `absent` is the key that an override meant and that is not there."""

    def __init__(self, message: str, *, absent: str = "") -> None:
        super().__init__(message)
        self.absent = absent


def composed(file: Path, overrides: Sequence[str] = (), *, shipped: Path) -> dict[str, object]:
    """The recipe in `file`, whose defaults are looked for beside it and then in the folder `shipped`.

    The only interpolations are those of the recipe's own keys: no resolver is there to read anything else. Raises Refused
    (78) with one line, without the name of the recipe.
    """
    bounds.check_overrides(overrides)
    for override in overrides:
        _check_override(override)
    _check(file)
    GlobalHydra.instance().clear()
    try:
        with _searching(shipped), warnings.catch_warnings():
            # A file's own values come after its defaults, whether it says _self_ or not.
            warnings.filterwarnings("ignore", message=".*Defaults list is missing", category=UserWarning)
            with initialize_config_dir(config_dir=str(file.parent), version_base="1.3"), _no_resolvers():
                with _checking(shipped), _either_form():
                    written = compose(config_name=file.stem, overrides=list(overrides))
                bounds.check_growth(OmegaConf.to_container(written, resolve=False))
                found = OmegaConf.to_container(written, resolve=True, throw_on_missing=True)
    except UnsupportedInterpolationType as fault:
        raise Refused(f"{fault.full_key or 'defaults'}: {_first(fault)}: {OUTSIDE}") from None
    except (HydraException, OmegaConfBaseException) as fault:
        raise _refused(fault) from None
    except yaml.YAMLError as fault:
        raise Refused(not_yaml(fault)) from None
    except UnicodeDecodeError as fault:
        raise Refused(f"a file of its defaults is not UTF-8 at byte {fault.start}") from None
    except RecursionError:
        raise Refused("defaults: a file takes in itself, straight or through others") from None
    except (ValueError, TypeError, AssertionError, AttributeError, OSError) as fault:
        # Hydra's own checks of a defaults list and of group choices raise these.
        raise Refused(
            _choice(overrides, file, shipped) or _line(str(fault)) or type(fault).__name__
        ) from None
    assert isinstance(found, dict)
    bounds.check_credentials(found)
    return {str(key): value for key, value in found.items()}


def _choice(overrides: Sequence[str], file: Path, shipped: Path) -> str:
    """The override that names no file of its group, where there is one."""
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        places = [place for place in (file.parent / key, shipped / key) if place.is_dir()]
        known = sorted({path.stem for place in places for path in place.glob("*.yaml")})
        if known and value not in known:
            return f"{override}: {key}/ has: {', '.join(known)}"
    return ""


def _check(file: Path, *, below: bool = False) -> None:
    """What can be told of the file itself before Hydra reads it. `below`: the defaults of another lead to it."""
    try:
        text = read_text(file, most=bounds.MOST_FILE)
    except DataError as fault:
        raise Refused(str(fault).removeprefix(f"{file}: ")) from None
    try:
        bounds.check_file(text)
        data = yaml.load(text, Loader=get_yaml_loader())
        bounds.check_credentials(data)
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        bounds.check_text(text)
        raise Refused(not_yaml(fault)) from None
    bounds.check_text(text)
    if data is None and below:
        return
    if data is None:
        raise Refused("empty; a recipe has at least `defaults: [quickstart]`")
    if not isinstance(data, dict):
        raise Refused(f"must be a mapping of keys to values, is a {type(data).__name__}")
    if "hydra" in data:
        raise Refused("hydra: Hydra's own settings are not used here; take the block out")
    defaults = data.get("defaults", [])
    if not isinstance(defaults, list):
        raise Refused(f"defaults: must be a list, such as [quickstart, _self_], got {defaults!r}")
    for entry in map(str, defaults):
        if (
            ".." in re.split(r"[/\s:'{]+", entry)
            or "hydra/" in entry
            or re.search(r"\$\{\s*[\w.]+\s*:", entry)
        ):
            raise Refused(f"defaults: {entry}: {OUTSIDE}")


def _check_override(override: str) -> None:
    if _HYDRA.match(override):
        raise Refused(f"{override}: Hydra's own settings are not used here; see `lingshu run --help`")
    if not _SETTING.fullmatch(override):
        raise Refused(f"{override!r}: no setting; write key=value, +key=value or ~key")
    try:
        OverridesParser.create().parse_override(override)
    except HydraException as fault:
        raise Refused(
            f"{override}: the value cannot be read: {_line(_first(fault))}; text with signs goes in quotes: "
            "'key=\"...\"'"
        ) from None


@contextmanager
def _checking(shipped: Path) -> Iterator[None]:
    """Check every file that the defaults lead to, as the recipe's own, before Hydra reads it. Those of ours are sound."""
    files = SourcesRegistry.instance().resolve("file")
    plain = files.load_config

    def load(source: ConfigSource, config_path: str) -> ConfigResult:
        file = Path(os.path.realpath(os.path.join(source.path, source._normalize_file_name(config_path))))
        if file.is_file() and not file.is_relative_to(os.path.realpath(shipped)):
            try:
                _check(file, below=True)
            except RecipeError as fault:
                raise Refused(f"{file.name}: {fault}") from None
        return plain(source, config_path)

    files.load_config = load  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        files.load_config = plain  # type: ignore[method-assign]


@contextmanager
def _searching(shipped: Path) -> Iterator[None]:
    """Look for defaults in `shipped` too. A plugin takes the folder as it is called; in an override, commas, quotes and
    brackets of its name would be read as syntax."""

    class Shipped(SearchPathPlugin):
        def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
            search_path.append(provider="lingshu", path=f"file://{shipped}")

    known = Plugins.instance().plugin_type_to_subclass_list[SearchPathPlugin]
    Plugins.instance().register(Shipped)
    try:
        yield
    finally:
        known.remove(Shipped)


@contextmanager
def _no_resolvers() -> Iterator[None]:
    """Take every resolver away (`oc.env`, `hydra`, `now`, those of others): what is not there reads nothing."""
    kept = dict(BaseContainer._resolvers)
    BaseContainer._resolvers.clear()
    try:
        yield
    finally:
        BaseContainer._resolvers.update(kept)


@contextmanager
def _either_form() -> Iterator[None]:
    """A list where a mapping stood replaces it, and the reverse: some keys have both forms, and OmegaConf refuses to merge one
    with the other."""
    plain = BaseContainer._merge_with

    def merge(node: BaseContainer, *others: Any) -> None:
        above, key = node._get_parent(), node._key()
        if (
            len(others) == 1
            and isinstance(above, BaseContainer)
            and isinstance(node, ListConfig) != isinstance(others[0], ListConfig | list | tuple)
        ):
            above.__setitem__(key, others[0])
        else:
            plain(node, *others)

    BaseContainer._merge_with = merge  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        BaseContainer._merge_with = plain  # type: ignore[method-assign]


def _refused(fault: Exception) -> Refused:
    """Hydra's report in one line, its cause included: the cause is what names the key."""
    if isinstance(fault, MissingMandatoryValue):
        key = fault.full_key
        return Refused(
            f"{key}: left to you: {key}=VALUE on the command line, or a recipe of your own that starts from this one"
        )
    cause = fault.__cause__
    for one in (fault, cause):
        if isinstance(one, UnsupportedInterpolationType):
            return Refused(f"{one.full_key or 'defaults'}: {_first(one)}: {OUTSIDE}")
    key = getattr(fault, "full_key", None) or getattr(cause, "full_key", None)
    text = "\n".join([str(fault), *([str(cause)] if cause else [])])
    lines = dict.fromkeys(line.strip() for line in text.splitlines())
    kept = " ".join(line for line in lines if line and not line.startswith(_TOLD_ELSEWHERE))
    said = kept if not key or str(key) in kept else f"{key}: {kept}"
    meant = _ABSENT.search(text) if any(words in text for words in _NO_KEY) else None
    return Refused(re.sub(r" See https\S+.*$", "", said), absent=meant[1] if meant else "")


def _first(fault: Exception) -> str:
    return str(fault).splitlines()[0] if str(fault) else ""


def _line(text: str) -> str:
    return " ".join(text.split())

"""What others build from the checkout: an image, a citation, a workflow of a fork. None of them can be tried here whole."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import lingshu_train

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))


def test_an_image_is_built_from_what_its_builder_is_given_and_from_nothing_else(tmp_path: Path) -> None:
    copied = [
        word for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M) for word in line.split()[:-1]
    ]
    allowed = [
        line[1:]
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    ]
    assert sorted(copied) == sorted(allowed)
    for name in copied:
        place = ROOT / name
        (shutil.copytree if place.is_dir() else shutil.copyfile)(place, tmp_path / name)  # type: ignore[operator]
    command = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "--target",
        "wheel",
        "--directory",
        str(tmp_path / "dist"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "dist").glob("*.whl"))) == 1


def test_an_image_installs_every_package_from_the_lock_file() -> None:
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for name in [*re.findall(r"\^\((.+?)\)==", DOCKERFILE)[0].split("|"), "torch"]:
        assert re.search(rf"^{re.escape(name)}==", locked, re.M), name
    assert DOCKERFILE.count("pip install -r requirements.lock") == len(
        re.findall(r" AS (cpu|cuda)$", DOCKERFILE, re.M)
    )
    assert not re.search(r"(TOKEN|PASSWORD|SECRET)", DOCKERFILE)


def test_a_citation_names_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cited["version"], cited["license"]) == (lingshu_train.__version__, "Apache-2.0")


def test_a_forks_checks_are_ours_on_every_python_that_the_package_names() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    named = re.findall(r"Python :: (3\.\d+)\"", project)
    assert WORKFLOW["jobs"]["fast"]["strategy"]["matrix"]["python"] == named
    scripts = [
        step["run"].split() for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step
    ]
    assert len(scripts) == len(WORKFLOW["jobs"])
    for words in scripts:
        script = next(word for word in words if "/" in word)
        assert (ROOT / script).is_file(), script


@pytest.mark.parametrize("job", WORKFLOW["jobs"])
def test_a_forks_job_runs_pinned_actions_and_may_write_nothing(job: str) -> None:
    assert WORKFLOW["permissions"] == {} and WORKFLOW["jobs"][job]["permissions"] == {"contents": "read"}
    for step in WORKFLOW["jobs"][job]["steps"]:
        assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])

"""The built wheel, outside any checkout: it holds what git tracks, and its verbs find recipes and cards."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from layouts import once

ROOT = Path(__file__).parents[2]
SHIPPED = ("recipes", "data_cards", "launch/deepspeed", "launch/slurm.sh", "launch/k8s")


@pytest.fixture(scope="module")
def installed(shared: Path) -> Path:
    """The wheel, unpacked: the folder that site-packages would be."""

    def unpack(folder: Path) -> None:
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
        subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True)
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)

    return once(shared / "wheel", unpack)


def lingshu(installed: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A verb of the unpacked wheel, in a folder that is no checkout."""
    told = {**os.environ, "PYTHONPATH": str(installed), "LINGSHU_CARDS": ""}
    return subprocess.run(
        [sys.executable, "-m", "lingshu_train", *words],
        cwd=folder,
        env=told,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_wheel_holds_the_package_and_what_it_reads_and_nothing_that_git_ignores(
    installed: Path,
) -> None:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "lingshu_train", *SHIPPED]
    tracked = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    there = [name for name in tracked if (ROOT / name).is_file()]
    wanted = {
        name if name.startswith("lingshu_train/") else f"lingshu_train/_shipped/{name}" for name in there
    }
    packed = {
        path.relative_to(installed).as_posix()
        for path in (installed / "lingshu_train").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert packed == wanted


def test_in_an_empty_folder_the_verbs_of_a_wheel_find_recipes_and_cards(
    installed: Path, tmp_path: Path
) -> None:
    code = "import lingshu_train; print(lingshu_train.__file__)"
    told = {**os.environ, "PYTHONPATH": str(installed)}
    where = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=told, capture_output=True, text=True
    )
    assert where.stdout.strip() == str(installed / "lingshu_train" / "__init__.py")
    planned = lingshu(installed, tmp_path, "plan", "quickstart")
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout == lingshu(ROOT, tmp_path, "plan", "quickstart").stdout
    listed = lingshu(installed, tmp_path, "data", "list")
    assert listed.returncode == 0 and listed.stdout == lingshu(ROOT, tmp_path, "data", "list").stdout
    launch = lingshu(installed, tmp_path, "--where", "launch").stdout.strip()
    assert launch == str(installed / "lingshu_train" / "_shipped" / "launch")
    assert (Path(launch) / "slurm.sh").read_bytes() == (ROOT / "launch" / "slurm.sh").read_bytes()
    shown = lingshu(installed, tmp_path, "data", "show", "slake")
    assert shown.returncode == 0 and "format" in shown.stdout
    assert not list(tmp_path.iterdir())


def test_a_wheel_reads_every_setting_of_deepspeed_and_belongs_to_no_commit(
    installed: Path, tmp_path: Path
) -> None:
    # The folder of the installed package lies in a repository of the user's.
    code = (
        "from lingshu_train.runs import manifest; from lingshu_train.training.arguments import _DEEPSPEED as found\n"
        "ran = manifest.environment(device='cpu', processor='', world_size=1, threads=1)\n"
        "print(sorted(file.name for file in found.iterdir()), repr(ran.commit), ran.uncommitted_changes)"
    )
    subprocess.run(["git", "init", "-q", str(installed)], check=True)
    told = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=told, capture_output=True, text=True
    )
    assert done.stdout.strip() == "['zero1.json', 'zero2.json', 'zero3.json'] '' False", done.stderr

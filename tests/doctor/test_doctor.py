"""The doctor: what it finds wrong is named with what to do, what is secret is not shown, and its code says if a recipe can run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from lingshu_train import environment
from lingshu_train.doctor import compute, machine, recipes, software
from lingshu_train.doctor.compute import Compute, Device, Probed
from lingshu_train.doctor.finding import Finding
from lingshu_train.hub import account

ROOT = Path(__file__).parents[2]
SECRET = "hf_thisIsNoRealTokenAndMustNotBePrinted"
CPU = Probed(torch="2.13.0", built_for="cpu", devices=(), bfloat16=True, nccl="", flash_attn="")
EIGHT = tuple(Device(name="H100", bytes=80 * machine.GIB) for _ in range(8))


def doctor(*argv: str, **told: str) -> subprocess.CompletedProcess[str]:
    """The verb in a process of its own."""
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **told}
    command = [sys.executable, "-m", "lingshu_train", "doctor", *argv]
    return subprocess.run(
        command, env=surroundings, capture_output=True, text=True, timeout=300, cwd=told.get("PWD")
    )


def named(found: list[Finding], name: str) -> Finding:
    return next(one for one in found if one.name == name)


def with_gpus(*devices: Device) -> Compute:
    probed = CPU.model_copy(update={"devices": devices, "built_for": "12.8", "nccl": "2.27"})
    return Compute(probed=probed, fault="", driver="570.1")


@pytest.mark.slow
def test_a_recipe_that_can_run_here_is_said_to_and_no_token_is_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET, encoding="utf-8")
    told = {
        "HF_TOKEN": SECRET,
        "HF_TOKEN_PATH": str(tmp_path / "token"),
        "HTTPS_PROXY": f"http://someone:{SECRET}@proxy.example:8080",
        "PWD": str(tmp_path),
    }
    done = doctor("quickstart", **told)
    assert done.returncode == 0, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr and "someone" not in done.stdout
    lines = {line[9:32].strip(): line for line in done.stdout.splitlines()}
    assert lines["recipe quickstart"].startswith("ok")
    assert "there is one" in lines["hub login"]
    assert lines["HTTPS_PROXY"].endswith("http://proxy.example:8080")
    assert {
        "python",
        "packages",
        "torch",
        "gpu",
        "attention",
        "memory",
        "disk for runs",
        "open files",
    } <= set(lines)


@pytest.mark.slow
def test_a_broken_torch_is_one_line_and_the_code_of_something_missing(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libcudnn.so.9: cannot open')", encoding="utf-8")
    done = doctor("quickstart", "--json", PYTHONPATH=f"{tmp_path}:{ROOT}", PWD=str(tmp_path))
    assert done.returncode == 66 and done.stderr == ""
    found = json.loads(done.stdout)
    torch = next(one for one in found["machine"] if one["name"] == "torch")
    assert (torch["state"], torch["told"]) == ("missing", "ImportError: libcudnn.so.9: cannot open")
    assert found["can_run"] is False and found["recipes"][0]["told"] == "torch does not run"


@pytest.mark.slow
def test_a_folder_of_cards_that_is_not_there_is_found(tmp_path: Path) -> None:
    done = doctor("quickstart", LINGSHU_CARDS=str(tmp_path / "gone"), PWD=str(tmp_path))
    assert done.returncode == 66
    assert f"missing  LINGSHU_CARDS           {tmp_path / 'gone'}: no such folder" in done.stdout
    assert "missing  recipe quickstart" in done.stdout


def test_an_unknown_recipe_is_a_mistake_of_the_recipe() -> None:
    done = doctor("quickstarted")
    assert done.returncode == 78 and done.stderr.count("\n") == 1


def distribution(folder: Path, name: str, version: str, *lines: str) -> None:
    """What pip leaves of an installed package."""
    place = folder / f"{name}-{version}.dist-info"
    place.mkdir()
    head = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *lines]
    (place / "METADATA").write_text("\n".join(head) + "\n", encoding="utf-8")


class Installed(NamedTuple):
    version: str
    state: str
    told: str


@pytest.mark.parametrize(
    "case",
    [
        Installed("1.16.4", "ok", "trl 1.16.4"),
        Installed("1.17.0", "missing", "trl 1.17.0 is outside <1.17,>=1.16"),
        Installed("", "missing", "trl_that_is_nowhere is not installed"),
    ],
    ids=lambda case: case.told,
)
def test_a_required_package_is_held_against_its_range(
    case: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "trl" if case.version else "trl_that_is_nowhere"
    distribution(
        tmp_path, "lingshu_train", "9", f"Requires-Python: >=3.11\nRequires-Dist: {name}<1.17,>=1.16"
    )
    if case.version:
        distribution(tmp_path, "trl", case.version)
    monkeypatch.syspath_prepend(tmp_path)
    found = named(software.findings(), "packages")
    assert found.state == case.state and case.told in found.told


def test_an_extra_that_is_partly_there_says_which_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = 'Requires-Dist: aaa>=1; extra == "track"\nRequires-Dist: bbb>=2; extra == "track"'
    distribution(tmp_path, "lingshu_train", "9", f"Requires-Python: >=3.11\n{wanted}")
    distribution(tmp_path, "bbb", "1.5")
    monkeypatch.syspath_prepend(tmp_path)
    found = named(software.findings(), "extra track")
    assert found.state == "warn"
    assert found.told == "aaa –, bbb 1.5; bbb 1.5 is outside >=2"
    assert 'pip install "lingshu-train[track]"' in found.advice


def test_another_python_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path, "lingshu_train", "9", "Requires-Python: >=4")
    monkeypatch.syspath_prepend(tmp_path)
    assert named(software.findings(), "python").advice == "use a Python >=4"


class Room(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes every disk of this machine have so many bytes free."""

    def left(count: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Room(total=count, used=0, free=count))

    return left


def test_a_disk_that_is_nearly_full_is_a_warning(disk: Callable[[int], None], tmp_path: Path) -> None:
    disk(machine.GIB)
    found = named(machine.findings({"disk for runs": tmp_path / "not" / "yet"}), "disk for runs")
    assert found.state == "warn" and found.told.startswith("1.0 GiB free") and "(74)" in found.advice


def test_little_shared_memory_is_a_warning(disk: Callable[[int], None]) -> None:
    disk(64 << 20)
    found = named(machine.findings({}), "shared memory")
    assert found.state == "warn" and "--shm-size" in found.advice


def test_a_container_bounds_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text(f"{machine.GIB}\n", encoding="ascii")
    monkeypatch.setattr(machine, "_LIMITS", (tmp_path / "memory.max", tmp_path / "none"))
    assert machine.memory() == machine.GIB
    assert named(machine.findings({}), "memory").state == "warn"


@pytest.mark.parametrize(
    ("seen", "state", "told"),
    [
        (Compute(probed=CPU, fault="", driver=""), "warn", "none"),
        (Compute(probed=CPU, fault="", driver="570.1"), "warn", "torch is built for the CPU"),
        (
            Compute(probed=CPU.model_copy(update={"built_for": "12.8"}), fault="", driver="570.1"),
            "warn",
            "torch does not see it",
        ),
        (with_gpus(*EIGHT[:1]), "ok", "H100 (80.0 GiB), driver 570.1"),
    ],
)
def test_a_gpu_that_cannot_be_used_says_why(seen: Compute, state: str, told: str) -> None:
    found = named(compute.findings(seen), "gpu")
    assert found.state == state and told in found.told


def test_an_attention_package_that_does_not_load_is_a_warning() -> None:
    broken = CPU.model_copy(update={"flash_attn": "ImportError: undefined symbol"})
    found = named(compute.findings(Compute(probed=broken, fault="", driver="")), "attention")
    assert (
        found.state == "warn" and "undefined symbol" in found.told and "model.attention=sdpa" in found.advice
    )


def test_what_a_recipe_lacks_is_counted_and_told_how_to_get(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: Callable[[int], None]
) -> None:
    disk(100 * machine.GIB)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    told = recipes.lacks("lingshu_7b", with_gpus(*EIGHT[:2]))
    assert any("hf download Qwen/Qwen2.5-VL-7B-Instruct" in one for one in told)
    assert any(one.startswith("8 GPUs wanted, 2 here") and "cluster.processes=2" in one for one in told)
    assert any(one.startswith("data of 66 of 66 cards") for one in told)
    assert any(one.startswith("about ") and "100.0 GiB free" in one for one in told)


def test_memory_is_compared_with_what_a_process_keeps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    small = with_gpus(Device(name="T4", bytes=16 * machine.GIB))
    told = recipes.lacks("lingshu_7b", small, ["cluster.processes=1", "cluster.deepspeed=none"])
    # 8.29 billion parameters that all train: 16 bytes each, weights, gradients and two moments in float32.
    assert any(
        one.startswith("137.0 GiB a process") and "the smallest GPU has 16.0 GiB" in one for one in told
    )
    fit = recipes.lacks("lingshu_7b", with_gpus(*EIGHT))
    assert not [one for one in fit if "a process for weights" in one]


def test_a_login_is_seen_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "token"
    monkeypatch.setattr(account.constants, "HF_TOKEN_PATH", str(file))
    assert account.logged_in() is False
    file.write_text(SECRET, encoding="utf-8")
    file.chmod(0)
    assert account.logged_in() is True
    file.unlink()
    monkeypatch.setenv("HF_TOKEN", SECRET)
    assert account.logged_in() is True


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://name:secret@proxy:80", "http://proxy:80"),
        ("name:secret@proxy:80", "proxy:80"),
        ("http://proxy:80", "http://proxy:80"),
    ],
)
def test_the_login_of_a_proxy_is_not_shown(value: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    assert environment.switches()["HTTPS_PROXY"] == shown


def test_a_damaged_base_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").mkdir()
    told = recipes.lacks("lingshu_7b", with_gpus(*EIGHT), ["model.base=base"])
    assert any(one.startswith("model.base: base: no config.json") for one in told)

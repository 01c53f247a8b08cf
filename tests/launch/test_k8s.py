"""launch/k8s/train.yaml: a job that Kubernetes takes, whose numbers agree with each other and with the code's promises."""

from __future__ import annotations

import copy
import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lingshu_train.errors import LingshuError, RunAgain
from lingshu_train.running import machines
from lingshu_train.runs.cluster import Cluster

PATH = Path(__file__).parents[2] / "launch" / "k8s" / "train.yaml"
SERVICE, JOB = yaml.safe_load_all(PATH.read_text(encoding="utf-8"))
SPEC = JOB["spec"]
POD = SPEC["template"]["spec"]
CONTAINER: dict[str, Any] = POD["containers"][0]


def test_the_pods_find_each_other_under_the_names_that_the_service_gives() -> None:
    assert (SERVICE["kind"], SERVICE["apiVersion"]) == ("Service", "v1")
    assert (JOB["kind"], JOB["apiVersion"]) == ("Job", "batch/v1")
    name, service = JOB["metadata"]["name"], SERVICE["metadata"]["name"]
    assert SERVICE["spec"]["selector"] == {"job-name": name}
    assert SERVICE["spec"]["clusterIP"] == "None"
    assert POD["subdomain"] == service
    assert any(word.startswith(f"--meet={name}-0.{service}:") for word in CONTAINER["args"])


def test_its_counts_agree_and_its_command_line_is_ours() -> None:
    assert CONTAINER["command"][1:] == ["-m", "lingshu_train.running.machines"]
    args = [word.replace("$(JOB_COMPLETION_INDEX)", "0") for word in CONTAINER["args"]]
    read = machines._options({}).parse_args(args)
    assert SPEC["completions"] == SPEC["parallelism"] == read.machines
    assert int(CONTAINER["resources"]["limits"]["nvidia.com/gpu"]) == read.ranks
    assert read.recipe[0] == "lingshu_7b"
    place = next(word.removeprefix("output=") for word in read.recipe if word.startswith("output="))
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert Path(place).is_relative_to(mounts["shared"])
    assert {volume["name"] for volume in POD["volumes"]} == set(mounts)


def test_run_again_and_a_kill_start_it_again_and_whatever_is_a_persons_turn_ends_it() -> None:
    grace = Cluster(name="x").grace
    assert POD["terminationGracePeriodSeconds"] >= grace + machines.MARGIN_S
    assert POD["restartPolicy"] == "Never", "a pod failure policy takes no other"
    rules = SPEC["podFailurePolicy"]["rules"]
    codes = [(rule["action"], rule["onExitCodes"]) for rule in rules if "onExitCodes" in rule]
    assert all(each["containerName"] == CONTAINER["name"] for _, each in codes)
    again = next(
        set(each["values"]) for action, each in codes if (action, each["operator"]) == ("Ignore", "In")
    )
    ends = next(
        set(each["values"]) for action, each in codes if (action, each["operator"]) == ("FailJob", "NotIn")
    )
    assert again == ends == {RunAgain.exit_code, 137, 143}
    ours = {each.exit_code for each in itertools.chain([LingshuError], LingshuError.__subclasses__())}
    assert ours & again == {RunAgain.exit_code}


def test_two_pods_never_share_a_node() -> None:
    (term,) = POD["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"]["matchLabels"] == {"job-name": JOB["metadata"]["name"]}


@pytest.mark.parametrize("version", ["1.31", "1.37"])
def test_its_schema_is_kubernetes_own(version: str) -> None:
    """With the strict schemas of Kubernetes' own API description, as kubeconform takes them, and without a network."""
    schemas = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for document in (SERVICE, JOB):
        assert schemas.validate(document, version, strict=True) == version
    wrong = copy.deepcopy(JOB)
    wrong["spec"]["podFailurePolicy"]["rules"][0]["onPodCondition"] = []
    with pytest.raises(schemas.ValidationError, match="onPodCondition"):
        schemas.validate(wrong, version, strict=True)


@pytest.mark.parametrize("version", ["1.31", "1.37"])
def test_kubeconform_takes_it(version: str, tmp_path: Path) -> None:
    """By the same schemas, which name each other as files of one folder here: kubeconform's own come from the network."""
    if not shutil.which("kubeconform"):
        pytest.skip("kubeconform is not installed; the test above checks the same schemas")
    schemas = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    shipped = Path(schemas.__file__).parent / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    for name in ("_definitions.json", "job-batch-v1.json", "service-v1.json"):
        schema = json.loads((shipped / name).read_text(encoding="utf-8"))
        schema.pop("$id", None)
        text = json.dumps(schema).replace("/api/_definitions.json", "_definitions.json")
        (tmp_path / name).write_text(text, encoding="utf-8")
    places = f"{tmp_path}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    command = ["kubeconform", "-strict", "-summary", "-schema-location", places]
    done = subprocess.run([*command, str(PATH)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "Valid: 2, Invalid: 0, Errors: 0, Skipped: 0" in done.stdout
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        PATH.read_text(encoding="utf-8").replace("podFailurePolicy:", "podFailurePolicies:"), encoding="utf-8"
    )
    refused = subprocess.run([*command, str(wrong)], capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert "Valid: 1, Invalid: 1" in refused.stdout

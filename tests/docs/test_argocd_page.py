"""The hook of the guide to Argo CD is run in thought: its command line is one that the program takes."""

import re
from pathlib import Path
from typing import Any

import yaml

from compiler.cli.invocation import parser_of

PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/argocd.md").read_text("utf-8")


def example() -> tuple[dict[str, Any], dict[str, Any]]:
    (block,) = re.findall(r"^```yaml\n(# verify-job.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    job, kustomization = yaml.safe_load_all(block)
    return job, kustomization


def test_the_hook_runs_verify_on_the_file_that_it_mounts() -> None:
    job, kustomization = example()
    assert job["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "PreSync"
    spec = job["spec"]["template"]["spec"]
    (container,), (volume,), (made,) = spec["containers"], spec["volumes"], kustomization["configMapGenerator"]
    command, *words = container["args"]
    parsed = parser_of(command, command).parse(words)
    folder, _, file = parsed.values.rpartition("/")
    assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": folder, "readOnly": True}]
    assert (volume["configMap"]["name"], made["files"]) == (made["name"], [f"chart/{file}"])
    assert made["namespace"] == job["metadata"]["namespace"]
    # Before the Job, and under the name that it mounts.
    assert int(made["options"]["annotations"]["argocd.argoproj.io/sync-wave"]) < 0
    assert made["options"]["annotations"]["argocd.argoproj.io/hook"] == "PreSync"
    assert made["options"]["disableNameSuffixHash"] is True


def test_a_failure_is_final_and_soon() -> None:
    job, _ = example()
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["activeDeadlineSeconds"] <= 300
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_it_says_what_it_costs() -> None:
    text = PAGE[PAGE.index("## A hook that verifies") :]
    assert "rollback" in text
    assert "--strategy apply" in text

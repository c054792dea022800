"""What the workflows may do, and that they name no registry; tests/release runs the commands of the release's build."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / ".github/workflows/release.yml"
TEXT = FILE.read_text("utf-8")
WORKFLOW: Any = yaml.safe_load(TEXT)
JOBS: dict[str, Any] = WORKFLOW["jobs"]


def test_only_a_tag_of_a_version_starts_it() -> None:
    # YAML 1.1 takes the key `on` for true.
    assert WORKFLOW[True] == {"push": {"tags": ["v*"]}}


def test_every_action_is_pinned_by_its_commit_and_names_its_version() -> None:
    files = [*FILE.parent.glob("*.yml")]
    assert {file.name for file in files} == {"ci.yml", "nightly.yml", "release.yml"}
    used = [
        line.strip().removeprefix("- ")
        for file in files
        for line in file.read_text("utf-8").splitlines()
        # The repository's own action is that of the commit.
        if "uses:" in line and "uses: ./" not in line
    ]
    pinned = r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
    assert [line for line in used if not re.fullmatch(pinned, line)] == []
    # One commit an action: a later pin is made everywhere.
    assert len(set(used)) == len({line.partition("@")[0] for line in used})


def test_each_job_has_the_permissions_that_it_needs_and_no_more() -> None:
    assert WORKFLOW["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "build": {"contents": "read"},
        "index": {"id-token": "write"},
        "chart": {"packages": "write", "id-token": "write"},
        "image": {"contents": "read"},
        "registry": {"packages": "write", "id-token": "write"},
        "page": {"contents": "write", "id-token": "write"},
    }


def test_only_what_was_built_and_tried_is_published() -> None:
    assert [job for name, job in JOBS.items() if name != "build" and "build" not in job["needs"]] == []
    # Those that publish run no code of the repository.
    assert {name for name, job in JOBS.items() if "checkout" in str(job)} == {"build", "image"}
    checkouts = [step for job in JOBS.values() for step in job["steps"] if "checkout" in step.get("uses", "")]
    assert [step["with"] for step in checkouts] == [{"persist-credentials": False}] * 2


def test_registries_are_variables_and_nothing_reaches_a_shell_but_as_one() -> None:
    assert re.findall(r"https?:|\b[\w-]+\.(?:io|org|com|dev)\b", TEXT) == []
    assert {name: JOBS[name].get("if") for name in ("index", "chart", "registry")} == {
        "index": "vars.PACKAGE_INDEX_UPLOAD_URL != ''",
        "chart": "vars.CHART_REGISTRY != ''",
        "registry": "vars.IMAGE_REGISTRY != ''",
    }
    runs = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    assert [run for run in runs if "${{" in run] == []


CI: Any = yaml.safe_load((FILE.parent / "ci.yml").read_text("utf-8"))
NIGHTLY: Any = yaml.safe_load((FILE.parent / "nightly.yml").read_text("utf-8"))
TASKS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("workflow", [CI, NIGHTLY], ids=["ci", "nightly"])
def test_what_tests_gets_no_right_to_write_and_no_secret_and_calls_the_tasks_of_the_makefile(workflow: Any) -> None:  # noqa: ANN401 - YAML
    assert workflow["permissions"] == {}
    assert {str(job["permissions"]) for job in workflow["jobs"].values()} == {"{'contents': 'read'}"}
    assert "secrets." not in str(workflow)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    checkouts = [step["with"] for step in steps if "checkout" in step.get("uses", "")]
    assert checkouts == [{"persist-credentials": False}] * len(workflow["jobs"])
    runs = [step["run"].split() for step in steps if "run" in step]
    assert [words for words in runs if words[0] != "make" or not {*words[1:]} <= TASKS] == []


def test_a_pull_request_is_tested_on_each_python() -> None:
    assert CI[True] == {"pull_request": None, "push": {"branches": ["main"]}}
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["classifiers"]
    supported = [each[-4:] for each in classifiers if re.search(r"Python :: 3\.\d+$", each)]
    assert CI["jobs"]["test"]["strategy"]["matrix"]["python"] == supported


def test_every_night_runs_the_proofs_that_a_pull_request_does_not() -> None:
    assert set(NIGHTLY[True]) == {"schedule", "workflow_dispatch"}
    assert [step["run"] for step in NIGHTLY["jobs"]["proofs"]["steps"] if "run" in step] == ["make proofs"]

"""What the release's workflow may do, and that it names no registry; tests/release runs the commands of its build."""

import re
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parents[2] / ".github/workflows/release.yml"
TEXT = FILE.read_text("utf-8")
WORKFLOW: Any = yaml.safe_load(TEXT)
JOBS: dict[str, Any] = WORKFLOW["jobs"]


def test_only_a_tag_of_a_version_starts_it() -> None:
    # YAML 1.1 takes the key `on` for true.
    assert WORKFLOW[True] == {"push": {"tags": ["v*"]}}


def test_every_action_is_pinned_by_its_commit_and_names_its_version() -> None:
    used = [line.strip().removeprefix("- ") for line in TEXT.splitlines() if "uses:" in line]
    assert len(used) == sum("uses" in step for job in JOBS.values() for step in job["steps"])
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
        "page": {"contents": "write", "id-token": "write"},
    }


def test_only_what_was_built_and_tried_is_published() -> None:
    assert [job for name, job in JOBS.items() if name != "build" and "build" not in job["needs"]] == []
    # Those that publish run no code of the repository.
    assert {name for name, job in JOBS.items() if "checkout" in str(job)} == {"build"}
    (checkout,) = [step for step in JOBS["build"]["steps"] if "checkout" in step.get("uses", "")]
    assert checkout["with"] == {"persist-credentials": False}


def test_registries_are_variables_and_nothing_reaches_a_shell_but_as_one() -> None:
    assert re.findall(r"https?:|\b[\w-]+\.(?:io|org|com|dev)\b", TEXT) == []
    assert (JOBS["index"]["if"], JOBS["chart"]["if"]) == (
        "vars.PACKAGE_INDEX_UPLOAD_URL != ''",
        "vars.CHART_REGISTRY != ''",
    )
    runs = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    assert [run for run in runs if "${{" in run] == []

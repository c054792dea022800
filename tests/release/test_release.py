"""The release itself: alike from two clones at two times, with true checksums and the packages that it needs."""

import json
import os
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from scripts.dist import CHECKSUMS, version_in
from scripts.release_check import disagreements
from tests.release.conftest import DIST, ROOT

WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text("utf-8"))
BUILD = [step["run"] for step in WORKFLOW["jobs"]["build"]["steps"] if "run" in step]


def clone(folder: Path) -> Path:
    """A clone at HEAD, with this one's environments: make takes them for newer than what they are made from."""
    subprocess.run(["/usr/bin/git", "clone", "-q", "--shared", "--no-checkout", ROOT, folder], check=True)
    head = subprocess.run(
        ["/usr/bin/git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    subprocess.run(["/usr/bin/git", "checkout", "-q", head.strip()], cwd=folder, check=True)
    for name in (".venv", ".tools"):
        (folder / name).symlink_to(ROOT / name)
    for path in (folder / "pyproject.toml", *(folder / "requirements").iterdir(), *(folder / "scripts").glob("*")):
        os.utime(path, (0, 0))
    return folder


def in_shell(line: str, folder: Path, **variables: str) -> None:
    done = subprocess.run(
        ["/bin/bash", "-e", "-o", "pipefail", "-c", line],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_clones_at_two_times_build_the_same_bytes(tmp_path: Path) -> None:
    """One by the workflow's own commands, which here try the checksums alone; one as somebody else does it."""
    built = content(DIST)
    assert len(built) == 5
    first, second = clone(tmp_path / "first"), clone(tmp_path / "a/longer/way/to/second")
    assert BUILD
    for line in BUILD:
        in_shell(line, first, DIST_CHECK="-n 0 -k checksums", GITHUB_REF_TYPE="branch", GITHUB_REF_NAME="main")
    in_shell("umask 077; make dist", second, TZ="Asia/Tokyo", LANG="C")
    assert content(first / "dist") == built
    assert content(second / "dist") == built


def test_the_checksums_are_those_of_every_file() -> None:
    subprocess.run(["/usr/bin/sha256sum", "--check", "--strict", "--quiet", CHECKSUMS], cwd=DIST, check=True)
    named = {line.split()[1] for line in (DIST / CHECKSUMS).read_text("utf-8").splitlines()}
    assert named == {path.name for path in DIST.iterdir()} - {CHECKSUMS}


def test_what_was_built_is_of_one_version() -> None:
    assert disagreements(ROOT, DIST, None) == []


@pytest.fixture(scope="module")
def sbom() -> Any:  # noqa: ANN401 - JSON
    return json.loads((DIST / f"platform-secrets-{version_in(ROOT)}.cdx.json").read_text("utf-8"))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_list_of_packages_is_that_of_the_wheel_with_all_extras(sbom: dict[str, Any]) -> None:
    assert sbom["metadata"]["component"]["version"] == version_in(ROOT)
    listed = {(normal(each["name"]), each["version"]) for each in sbom["components"]}
    locked = (ROOT / "requirements/extras.txt").read_text("utf-8")
    assert listed == {
        (normal(name), version) for name, version in re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", locked, re.MULTILINE)
    }
    # The wheel itself names what it needs; each of it is in the list, below the program.
    (root,) = [each for each in sbom["dependencies"] if each["ref"] == sbom["metadata"]["component"]["bom-ref"]]
    needs = [each for each in metadata.requires("platform-secrets") or [] if not re.search(r"extra == .dev.", each)]
    direct = {normal(re.split(r"[\s<>=!~;\[]", each)[0]) for each in needs}
    assert {normal(ref.partition("==")[0]) for ref in root["dependsOn"]} == direct - {"platform-secrets"}


def test_the_list_of_packages_has_the_form_of_cyclonedx(sbom: dict[str, Any]) -> None:
    (schemas,) = (ROOT / ".tools/dist/lib").glob("python3*/site-packages/cyclonedx/schema/_res")
    pages = {path.name: json.loads(path.read_text("utf-8")) for path in schemas.glob("*.schema.json")}
    # They refer to each other by file name, from the address that their ids have.
    address = "http://cyclonedx.org/schema/"
    registry = Registry[Any]().with_resources(
        (f"{address}{name}", Resource.from_contents(page)) for name, page in pages.items()
    )
    form = pages[f"bom-{sbom['specVersion']}.SNAPSHOT.schema.json"]
    assert [error.message for error in Draft7Validator(form, registry=registry).iter_errors(sbom)] == []

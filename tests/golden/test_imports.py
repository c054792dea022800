"""Each case follows public manifests, in our words: its plan, its files, its values, and a reader of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from compiler.imports.forms import FORMS, STORE_NAMES
from compiler.model.values import outlines_of_values
from tests.commands import run_command
from tests.golden.cases import HERE
from tests.golden.conftest import Expectation

CASES = sorted(path for path in (HERE / "imports").iterdir() if path.is_dir())
SENTINEL = "sentinel-4711"
FEWEST = 3


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new project, with the case's own files over it."""
    case: Path = request.getfixturevalue("case")
    capsys: pytest.CaptureFixture[str] = request.getfixturevalue("capsys")
    monkeypatch.chdir(tmp_path)
    run_command(capsys, "new", "project", "platform", "--server", "https://vault.example.com")
    shutil.copytree(case, tmp_path / "platform", dirs_exist_ok=True, ignore=shutil.ignore_patterns("expected"))
    monkeypatch.chdir(tmp_path / "platform")
    return tmp_path / "platform"


def runs_of(case: Path) -> Iterator[list[str]]:
    for line in (case / "runs.txt").read_text("utf-8").splitlines():
        yield ["import", *line.split()]


def texts(project: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted((project / "environments").glob("*.yaml"))}


def stop_after_catalogue(project: Path, before: dict[str, str]) -> dict[str, str]:
    """Takes back all but the catalogue, which is written first, and returns what the files were."""
    after = texts(project)
    for name in after.keys() - {"catalogue.yaml"}:
        path = project / "environments" / name
        path.unlink()
        if name in before:
            path.write_text(before[name], "utf-8")
    return after


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_an_import_is_planned_written_compiled_and_proved(
    case: Path, project: Path, expectation: Expectation, capsys: pytest.CaptureFixture[str]
) -> None:
    new, said = texts(project), list[str]()
    for words in runs_of(case):
        before = texts(project)
        plan = run_command(capsys, *words)
        assert texts(project) == before, "a plan writes nothing"
        said += [f"$ platform-secrets {' '.join(words)}", plan.err, plan.out]
        applied = run_command(capsys, *words, "--apply")
        assert applied.code == plan.code
        assert SENTINEL not in plan.out + plan.err + applied.out + applied.err + "".join(texts(project).values())
        if plan.code == 0:
            again = run_command(capsys, *words)
            assert "nothing to write" in again.out
            assert texts(project).keys() >= before.keys()
            after = stop_after_catalogue(project, before)
            assert run_command(capsys, *words, "--apply").code == 0
            assert texts(project) == after, "a run that was killed between two files is run again"
        else:
            assert texts(project) == before
    expectation.holds(case / "expected/said.txt", "\n".join(each.rstrip("\n") for each in said) + "\n")
    changed = {name: text for name, text in texts(project).items() if text != new.get(name)}
    for name, text in changed.items():
        expectation.holds(case / "expected" / name, text)
    if changed:
        assert run_command(capsys, "compile").code == 0
        for path in sorted((project / "chart").glob("values-*.yaml")):
            expectation.holds(case / "expected" / path.name, path.read_text("utf-8"))


def references(case: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The `remoteRef` of each key that an ExternalSecret names by itself, by the Secret and the key."""
    texts = [path.read_text("utf-8") for path in sorted(case.glob("input*.yaml"))]
    documents = [each for text in texts for each in yaml.load_all(text, yaml.CSafeLoader)]
    objects = [item for each in documents for item in each.get("items", [each])]
    return {
        (each["spec"].get("target", {}).get("name", each["metadata"]["name"]), item["secretKey"]): item["remoteRef"]
        for each in objects
        if "secretStoreRef" in each.get("spec", {}) and "template" not in each["spec"].get("target", {})
        for item in each["spec"].get("data", ())
    }


ALIKE = [case for case in CASES if list((case / "expected").glob("values-*.yaml")) and references(case)]


@pytest.mark.parametrize("case", ALIKE, ids=[case.name for case in ALIKE])
def test_what_was_taken_is_found_by_a_reader_that_knows_no_import(case: Path) -> None:
    old, compared = references(case), 0
    if len(list(case.glob("input*.yaml"))) > 1:
        pytest.skip("a key has a place in each environment")
    for path in (case / "expected").glob("values-*.yaml"):
        for (_, name), outline in outlines_of_values(yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)).items():
            for key, (remote, found) in outline.keys.items():
                if (name, key) in old:
                    assert found == old[name, key].get("property")
                    assert old[name, key]["key"].endswith(remote)
                    compared += 1
    assert compared


# A store has no manifests.
@pytest.mark.parametrize("form", [form for form in FORMS if form != STORE_NAMES])
def test_each_form_has_samples_of_public_manifests(form: str) -> None:
    cases = [case for case in CASES if (case / "runs.txt").read_text("utf-8").startswith(form)]
    sources = {line for case in cases for line in inputs(case).splitlines() if line.startswith("# After ")}
    assert len(sources) >= FEWEST


def inputs(case: Path) -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted(case.glob("input*")))

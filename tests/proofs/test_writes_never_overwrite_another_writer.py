"""Whoever writes while a command does keeps what they wrote, or is named; what no plan names survives byte for byte."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compiler.change.apply import apply_plan
from compiler.change.plan import Outcome, Plan
from tests.proofs.conftest import World
from tests.proofs.writing import PEM, TOKEN, VALUES, VAULT, Writing

THEIRS = {"GITHUB_TOKEN": "theirs", "OTHER": "kept"}


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Do something after the plan is made and before it is applied."""

    def arrange(action: Callable[[], object]) -> None:
        def late(plan: Plan, *rest: Any, **options: Any) -> Outcome:  # noqa: ANN401 - passed on
            action()
            return apply_plan(plan, *rest, **options)

        monkeypatch.setattr("compiler.change.apply.apply_plan", late)

    return arrange


def results(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {result["name"]: result for result in report["results"]}


@pytest.mark.parametrize("is_there", [True, False])
def test_a_writer_after_the_plan_is_a_conflict_and_the_rest_goes_on(
    world: World,
    writing_into: Writing,
    between: Callable[[Callable[[], object]], None],
    is_there: bool,  # noqa: FBT001
) -> None:
    def write(document: dict[str, str]) -> None:
        if writing_into.to == "vault":
            world.put(VAULT, document)
        else:
            world.azure.seed(TOKEN, json.dumps(document))

    if is_there:
        write({"OTHER": "kept"})
    between(lambda: write(THEIRS))
    report = writing_into("--apply", "--format", "json").report
    name = VAULT if writing_into.to == "vault" else TOKEN
    (theirs,) = results(report)[name]["otherVersions"]
    assert (results(report)[name]["state"], report["exitCode"]) == ("conflict", 1)
    if writing_into.to == "vault":
        assert (world.get(VAULT), theirs) == (THEIRS, "2" if is_there else "1")
    else:
        assert (world.azure_object(TOKEN), theirs) == (THEIRS, world.azure.versions(TOKEN)[-1].id)
        assert results(report)[PEM]["state"] == "done"


def test_on_key_vault_a_writer_after_the_last_read_is_found_and_named(
    world: World, writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    from compiler.stores.azure_key_vault.client import SdkClient  # noqa: PLC0415 - imports the SDK

    put = SdkClient.set
    theirs: list[str] = []

    def slow(self: SdkClient, name: str, *rest: Any) -> Any:  # noqa: ANN401 - passed on
        if name == TOKEN:
            theirs.append(world.azure.seed(name, json.dumps(THEIRS)))
        return put(self, name, *rest)

    monkeypatch.setattr(SdkClient, "set", slow)
    report = writing("--apply", "--format", "json").report
    found = results(report)[TOKEN]
    assert (found["state"], found["otherVersions"]) == ("conflict", theirs)
    assert theirs[0] in found["reason"]
    assert report["exitCode"] == 1
    # What theirs was is still there, and the undo does not take it for what stood there before.
    assert writing.undo("--apply").code == 1
    assert world.azure.versions(TOKEN)[0].id == theirs[0]


def test_what_the_plan_does_not_name_survives_byte_for_byte(world: World, writing: Writing) -> None:
    text = '{\n  "OTHER" : [1.50, "\\u00e9"],\n  "GITHUB_TOKEN":"old" , "N": 9007199254740993\n}\n'
    world.azure.seed(TOKEN, text, content_type="application/json", tags={"owner": "them"})
    assert writing("--apply").code == 0
    assert world.azure.value(TOKEN) == text.replace('"old"', '"token-1"')
    assert world.azure.versions(TOKEN)[-1].tags == {"owner": "them"}


@pytest.mark.parametrize("name", ["migrate", "restore"])
def test_a_conflict_stops_the_plan_is_skipped_or_overwritten_as_asked(world: World, tmp_path: Path, name: str) -> None:
    writing = Writing(world, tmp_path, name)
    world.azure.seed(TOKEN, json.dumps(THEIRS))
    failed = world.run(*writing.words, "--apply")
    assert failed.code == 1
    assert "  conflict  github: GITHUB_TOKEN\n" in failed.out
    assert "--only github --on-conflict overwrite --apply\n" in failed.out
    assert world.azure.versions(PEM) == []

    assert world.run(*writing.words, "--apply", "--on-conflict", "skip").code == 1
    assert world.azure_object(TOKEN) == THEIRS
    assert world.azure.value(PEM) == VALUES["GITHUB_APP_KEY"]

    assert world.run(*writing.words, "--apply", "--on-conflict", "overwrite").code == 0
    assert world.azure_object(TOKEN) == {**THEIRS, "GITHUB_TOKEN": "token-1"}

"""`--undo` of each writing command puts back what stood there before its run, and takes nobody's later write away."""

import json
from pathlib import Path

import pytest

from tests.commands import Done
from tests.proofs.conftest import World
from tests.proofs.writing import COMMANDS, PEM, TOKEN, VALUES, VAULT, Writing

OLD = '{ "GITHUB_TOKEN" : "old", "N": 1.50 }'


def phase(world: World, name: str) -> str:
    stored = world.azure.state.find_secret(name)
    return stored.phase if stored is not None else "absent"


def said(done: Done) -> str:
    """The output, however its lines are broken."""
    return " ".join(done.out.split())


def test_an_update_gets_the_earlier_value_as_a_new_version_and_a_create_is_deleted_softly(
    world: World, writing: Writing
) -> None:
    world.azure.seed(TOKEN, OLD, tags={"owner": "them"})
    assert writing("--apply").code == 0
    world.azure.forget_requests()
    planned = writing.undo()
    assert planned.code == 0
    assert "plan: 1 key to update, 1 key to delete, in 2 remote secrets" in planned.out
    assert not any(request.writes for request in world.azure.requests())

    audit = world.root / "audit.jsonl"
    assert writing.undo("--apply", "--audit", str(audit)).code == 0
    versions = world.azure.versions(TOKEN)
    assert [version.value for version in versions[::2]] == [OLD, OLD]
    assert versions[-1].tags == {"owner": "them"}
    assert phase(world, PEM) == "deleted"
    lines = [json.loads(line) for line in audit.read_text("utf-8").splitlines()]
    assert {(line["name"], line["action"]) for line in lines} == {(TOKEN, "restore"), (PEM, "delete")}
    again = writing.undo("--apply")
    assert (again.code, len(world.azure.versions(TOKEN))) == (0, 3)
    assert "plan: 2 keys unchanged" in again.out


@pytest.mark.parametrize("name", COMMANDS)
def test_on_vault_an_undo_restores_and_deletes_too(world: World, tmp_path: Path, name: str) -> None:
    writing = Writing(world, tmp_path, name, "vault")
    assert writing("--apply").code == 0
    stays = writing.undo("--apply")
    assert (stays.code, 'it is in use again, read there by "prod/github"' in " ".join(stays.out.split())) == (1, True)
    assert world.get(VAULT) == VALUES
    world.serve_from("azure")
    assert writing.undo("--apply").code == 0
    (version,) = world.bao.call("GET", f"{world.mount}/metadata/{VAULT}")["data"]["versions"].values()
    assert version["deletion_time"]
    assert not version["destroyed"]

    world.put(VAULT, {"GITHUB_TOKEN": "old", "KEPT": "k"})
    assert writing("--apply").code == 0
    assert world.get(VAULT) == {**VALUES, "KEPT": "k"}
    assert writing.undo("--apply").code == 0
    assert world.get(VAULT) == {"GITHUB_TOKEN": "old", "KEPT": "k"}


def test_a_vaults_version_of_the_same_number_is_not_the_runs(world: World, tmp_path: Path) -> None:
    writing = Writing(world, tmp_path, "put", "vault")
    world.put(VAULT, {"GITHUB_TOKEN": "old"})
    world.serve_from("azure")
    assert writing("--apply").code == 0
    # Or another server behind the same address, as at the end of a tunnel.
    world.bao.call("DELETE", f"{world.mount}/metadata/{VAULT}")
    for value in ("theirs, earlier", "theirs"):
        world.put(VAULT, {"GITHUB_TOKEN": value})
    undone = writing.undo("--apply")
    assert (undone.code, "its version 2 is not the run's" in said(undone)) == (1, True)
    assert world.get(VAULT) == {"GITHUB_TOKEN": "theirs"}


def test_two_runs_on_the_same_secrets_are_undone_newest_first(world: World, writing: Writing) -> None:
    world.azure.seed(TOKEN, OLD)
    assert writing("--apply").code == 0
    (older,) = world.journals()
    # The newer run is of the next command, so that each pair is met once.
    newer = Writing(world, writing.folder, COMMANDS[(COMMANDS.index(writing.name) + 1) % len(COMMANDS)])
    newer.has({"GITHUB_TOKEN": "token-2", "GITHUB_APP_KEY": "pem-2"})
    assert newer("--apply").code == 0
    (later,) = set(world.journals()) - {older}

    early = world.run(writing.name, "prod", "--undo", older.stem, "--quiet", "--apply")
    line = f"undo that run first: platform-secrets --root {world.root} {newer.name} prod --undo {later.stem}"
    assert (early.code, line in said(early)) == (1, True), early
    assert world.azure_object(TOKEN)["GITHUB_TOKEN"] == "token-2"

    assert newer.undo("--apply").code == 0
    assert writing.standing() == {**VALUES, "N": 1.5}
    assert world.run(writing.name, "prod", "--undo", older.stem, "--quiet", "--apply").code == 0
    assert world.azure.value(TOKEN) == OLD
    assert phase(world, PEM) == "deleted"


def test_what_somebody_wrote_since_is_left_alone(world: World, writing: Writing) -> None:
    assert writing("--apply").code == 0
    (ours,) = world.azure_versions()[TOKEN]
    theirs = world.azure.seed(TOKEN, '{"GITHUB_TOKEN": "theirs"}')
    done = writing.undo("--apply")
    assert done.code == 1
    # A version is no credential, and is shown.
    assert f"the current version is {theirs}, the run wrote version {ours}: another writer changed it since" in said(
        done
    )
    assert world.azure_object(TOKEN) == {"GITHUB_TOKEN": "theirs"}
    assert phase(world, PEM) == "deleted"


@pytest.mark.parametrize("name", COMMANDS)
def test_an_earlier_version_that_is_evicted_is_refused_by_name(world: World, tmp_path: Path, name: str) -> None:
    writing = Writing(world, tmp_path, name, "vault")
    world.put(VAULT, {"GITHUB_TOKEN": "old"})
    assert writing("--apply").code == 0
    world.bao.call("PUT", f"{world.mount}/destroy/{VAULT}", {"versions": [1]})
    done = writing.undo("--apply")
    assert done.code == 1
    assert "plan: 2 keys refused" in done.out
    assert "the value before the run, version 1, cannot be read" in said(done)
    assert world.get(VAULT) == VALUES


def test_a_run_of_another_environment_or_command_or_of_none_is_refused(world: World, writing: Writing) -> None:
    assert writing("--apply").code == 0
    (world.root / "environments/dev.yaml").write_text("labels: {team: platform}\n", "utf-8")
    (journal,) = world.journals()
    line = f"platform-secrets --root {world.root} {writing.name} prod --undo {journal.stem}"
    for command in COMMANDS:
        for environment in ("prod", "dev"):
            if (command, environment) != (writing.name, "prod"):
                wrong = world.run(command, environment, "--undo", journal.stem, "--apply")
                assert (wrong.code, line in wrong.err) == (2, True), wrong
    for name in ("20250131-120000-4fa1c2", "../../etc/passwd"):
        unknown = world.run(writing.name, "prod", "--undo", name)
        assert (unknown.code, "there is no run" in unknown.err, journal.stem in unknown.err) == (2, True, True)
    # The line that was printed is the one that does it.
    assert world.run(*line.split()[1:], "--apply").code == 0


def test_a_run_into_a_vault_that_is_elsewhere_now_is_refused(world: World, writing: Writing) -> None:
    assert writing("--apply").code == 0
    base = world.root / "environments/base.yaml"
    base.write_text(base.read_text("utf-8").replace(world.azure.url, "https://other.vault.azure.net"), "utf-8")
    done = writing.undo()
    assert (done.code, "has another address than in the run" in done.err) == (2, True)

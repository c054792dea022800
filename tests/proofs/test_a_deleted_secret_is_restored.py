"""A deleted secret comes back by a backup, new values or a migration, with the command that its refusal prints."""

import json
import shlex

from tests.proofs.conftest import World
from tests.proofs.writing import PEM, TOKEN, VALUES, VAULT, Writing

OLD = {"GITHUB_TOKEN": "old", "OTHER": "kept"}


def lose(writing: Writing) -> None:
    """What a person does by mistake."""
    world = writing.world
    if writing.to == "vault":
        world.put(VAULT, OLD)
        world.bao.call("DELETE", f"{world.mount}/data/{VAULT}")
    else:
        world.azure.seed_deleted(TOKEN, json.dumps(OLD))
        world.azure.seed_deleted(PEM, "old pem")


def is_lost(writing: Writing) -> bool:
    world = writing.world
    if writing.to == "vault":
        return bool(world.bao.call("GET", f"{world.mount}/metadata/{VAULT}")["data"]["versions"]["1"]["deletion_time"])
    states = [world.azure.state.find_secret(name) for name in (TOKEN, PEM)]
    return all(state is not None and state.phase == "deleted" for state in states)


def test_the_refusal_prints_the_command_that_restores_it_and_its_undo_deletes_it_again(
    world: World, writing_into: Writing
) -> None:
    writing = writing_into
    lose(writing)
    refused = writing("--apply")
    assert (refused.code, is_lost(writing)) == (1, True), refused
    (printed,) = {line.strip() for line in refused.out.splitlines() if line.strip().startswith("platform-secrets ")}
    *words, last = shlex.split(printed)[1:]
    assert (words[-1], last) == ("--recover", "--apply")

    # Plan and consent: the command as it was printed, without its --apply, shows what it would do.
    planned = world.run(*words)
    assert (planned.code, "plan: 2 keys to recover, " in planned.out, is_lost(writing)) == (0, True, True), planned
    audit = world.root / "audit.jsonl"
    done = world.run(*words, "--apply", "--audit", str(audit))
    assert done.code == 0, done
    assert writing.standing() == {**VALUES, "OTHER": "kept"}
    assert set(writing.versions().values()) == {2}
    lines = [json.loads(line) for line in audit.read_text("utf-8").splitlines()]
    assert {line["action"] for line in lines} == {"recover", "update"}
    again = world.run(*words, "--apply")
    assert (again.code, "plan: 2 keys unchanged" in again.out) == (0, True)

    # Not from under those who read it.
    world.serve_from("vault" if writing.to == "azure" else "azure")
    assert writing.undo("--apply").code == 0
    if writing.to == "azure":
        assert is_lost(writing)
    else:
        versions = world.bao.call("GET", f"{world.mount}/metadata/{VAULT}")["data"]["versions"]
        assert versions["2"]["deletion_time"]


def test_a_value_that_is_there_again_as_it_was_meant_gets_no_version_of_its_own(world: World, writing: Writing) -> None:
    world.azure.seed_deleted(TOKEN, json.dumps({"GITHUB_TOKEN": VALUES["GITHUB_TOKEN"]}))
    world.azure.seed_deleted(PEM, VALUES["GITHUB_APP_KEY"])
    assert writing("--apply", "--recover").code == 0
    assert writing.standing() == VALUES
    assert writing.versions() == {TOKEN: 1, PEM: 1}

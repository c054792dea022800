"""Vault keeps a number of versions: a plan says which ones its writes drop, and an undo never guesses a lost one."""

import json
from datetime import datetime
from typing import Any

import pytest

from tests.commands import Done
from tests.proofs.conftest import World

NAME = "agents/jira"


def keep(world: World, versions: int, name: str = NAME) -> None:
    world.bao.call("POST", f"{world.mount}/metadata/{name}", {"max_versions": versions})


def age(world: World, versions: int, name: str = NAME) -> None:
    for number in range(1, versions + 1):
        world.put(name, {"JIRA_TOKEN": f"old-{number}", "JIRA_URL": "u"})


def there(world: World, name: str = NAME) -> list[int]:
    found = world.bao.call("GET", f"{world.mount}/metadata/{name}")["data"]["versions"]
    return sorted(map(int, found))


def put(world: World, *options: str) -> Done:
    path = world.private("values.json", json.dumps({"JIRA_TOKEN": "new"}))
    return world.run("put", "prod", "jira", "JIRA_TOKEN", "--input", "json", "--from-file", str(path), *options)


def notes(done: Done) -> list[dict[str, Any]]:
    return [note for note in done.report["notes"] if note["kind"].startswith("drops-")]


def named(done: Done) -> list[tuple[str, list[str], int]]:
    return [(note["kind"], note["versions"], note["keeps"]) for note in notes(done)]


def to_vault(world: World, *options: str) -> Done:
    return world.migrate("--from", "azure", "--only", "jira", "--on-conflict", "overwrite", *options, to="vault")


def undo(world: World, *options: str) -> Done:
    return world.run("migrate", "prod", "--undo", world.journals()[-1].stem, "--quiet", *options)


def test_a_put_says_which_version_goes_and_the_store_drops_that_one(world: World) -> None:
    age(world, 10)
    planned = put(world)
    assert (
        f"note: the store will permanently drop earlier versions: {NAME} (version 1; the store keeps 10 versions) "
        in " ".join(planned.out.split())
    )
    assert f"help: to keep them, first: bao kv metadata put -mount={world.mount} -max-versions=20 {NAME}\n" in (
        planned.out
    )
    assert there(world) == list(range(1, 11))
    assert named(put(world, "--apply", "--format", "json")) == [("drops-versions", ["1"], 10)]
    assert there(world) == list(range(2, 12))


@pytest.mark.parametrize(("own", "mount", "kept"), [(2, 0, 2), (0, 3, 3), (2, 4, 4), (5, 3, 5)])
def test_the_secrets_own_number_and_the_mounts_count_as_the_server_counts_them(
    world: World, own: int, mount: int, kept: int
) -> None:
    world.bao.call("POST", f"{world.mount}/config", {"max_versions": mount})
    keep(world, own)
    age(world, 7)
    before = there(world)
    found = named(put(world, "--apply", "--format", "json"))
    assert found == [("drops-versions", [str(8 - kept)], kept)]
    assert sorted(set(before) - set(there(world))) == [8 - kept]


def test_a_number_that_was_lowered_takes_several_and_none_that_was_gone_already(world: World) -> None:
    age(world, 6)
    keep(world, 3)
    world.bao.call("PUT", f"{world.mount}/destroy/{NAME}", {"versions": [2]})
    world.bao.call("POST", f"{world.mount}/delete/{NAME}", {"versions": [3]})
    assert named(put(world, "--apply", "--format", "json")) == [("drops-versions", ["1", "4"], 3)]
    assert there(world) == [5, 6, 7]


def test_a_migration_says_it_and_its_undo_too(world: World) -> None:
    age(world, 10)
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "azure", "JIRA_URL": "u"}')
    planned = to_vault(world)
    assert (
        f"note: the store will permanently drop earlier versions: {NAME} (version 1; the store keeps 10 versions) "
        in " ".join(planned.out.split())
    )
    (note,) = notes(to_vault(world, "--format", "json"))
    assert (note["secret"], note["place"]) == ("jira", {"store": "vault", "name": NAME})
    assert named(to_vault(world, "--apply", "--format", "json")) == [("drops-versions", ["1"], 10)]
    assert f"{NAME} (version 2; the store keeps 10 versions)" in " ".join(undo(world).out.split())
    assert named(undo(world, "--apply", "--format", "json")) == [("drops-versions", ["2"], 10)]
    assert there(world) == list(range(3, 13))
    assert world.get(NAME)["JIRA_TOKEN"] == "old-10"


def test_a_write_over_the_only_version_has_no_way_back_and_the_undo_is_refused_by_name(world: World) -> None:
    keep(world, 1)
    age(world, 1)
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "azure", "JIRA_URL": "u"}')
    planned = to_vault(world, "--apply")
    assert f"it cannot be restored: {NAME} (version 1; the store keeps 1 version) " in " ".join(planned.out.split())
    assert there(world) == [2]
    refused = undo(world, "--format", "json")
    assert refused.code == 1
    (step,) = refused.report["steps"]
    assert (step["destination"]["name"], step["kind"]) == (NAME, "refuse")
    assert "version 1, cannot be read: version 1 was evicted or never existed" in step["reason"]
    assert step["remedy"] == "restore it from a backup"
    assert undo(world, "--apply").code == 1
    assert world.get(NAME)["JIRA_TOKEN"] == "azure"
    assert there(world) == [2]


def test_a_recovery_counts_as_the_write_that_follows_it(world: World) -> None:
    keep(world, 2)
    age(world, 2)
    world.bao.call("DELETE", f"{world.mount}/data/{NAME}")
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "azure", "JIRA_URL": "u"}')
    assert named(to_vault(world, "--recover", "--format", "json")) == [("drops-versions", ["1"], 2)]


def policy(world: World, *paths: str) -> None:
    """Log in as somebody who may do what writers need, and read what is named."""
    name = f"writer-{world.mount}"
    rules = f'path "{world.mount}/data/*" {{ capabilities = ["create", "read", "update"] }}\n'
    rules += "".join(f'path "{world.mount}/{path}" {{ capabilities = ["read"] }}\n' for path in paths)
    world.bao.call("PUT", f"sys/policies/acl/{name}", {"policy": rules})
    made = world.bao.call("POST", "auth/token/create", {"policies": [name]})
    world.variables["VAULT_TOKEN"] = made["auth"]["client_token"]


def test_without_the_mounts_own_number_the_versions_that_went_show_it(world: World) -> None:
    world.bao.call("POST", f"{world.mount}/config", {"max_versions": 3})
    age(world, 5)
    policy(world, "metadata/*")
    assert named(put(world, "--format", "json")) == [("drops-versions", ["3"], 3)]


def test_a_caller_who_may_not_ask_is_told_that_it_is_not_known_and_may_write(world: World) -> None:
    age(world, 10)
    policy(world)
    done = put(world, "--apply")
    assert done.code == 0
    assert f"note: unknown whether the store will drop earlier versions: {NAME} " in " ".join(done.out.split())
    assert f'path "{world.mount}/metadata/{NAME}" {{ capabilities = ["read"] }}' in done.out


def test_the_command_of_the_help_keeps_the_version_and_what_lies_beside_it(world: World) -> None:
    world.bao.call("POST", f"{world.mount}/metadata/{NAME}", {"custom_metadata": {"owner": "us"}})
    age(world, 10)
    (note,) = notes(put(world, "--format", "json"))
    # As the command line client sends it.
    limit = int(note["remedy"].partition("-max-versions=")[2].split()[0])
    keep(world, limit)
    assert notes(put(world, "--apply", "--format", "json")) == []
    assert there(world) == list(range(1, 12))
    assert world.bao.call("GET", f"{world.mount}/metadata/{NAME}")["data"]["custom_metadata"] == {"owner": "us"}


@pytest.mark.parametrize(
    ("own", "mount", "lives", "setting"),
    [
        ("90s", "0s", "1m30s", "bao kv metadata put -mount={0} -delete-version-after=0s agents/jira"),
        ("0s", "2h", "2h", "bao write {0}/config delete_version_after=0s"),
    ],
)
@pytest.mark.parametrize("is_new", [True, False])
def test_a_put_says_when_what_it_writes_deletes_itself(
    world: World,
    own: str,
    mount: str,
    lives: str,
    setting: str,
    is_new: bool,  # noqa: FBT001
) -> None:
    if not is_new:
        age(world, 1)
    world.bao.call("POST", f"{world.mount}/metadata/{NAME}", {"delete_version_after": own})
    world.bao.call("POST", f"{world.mount}/config", {"delete_version_after": mount})
    shown = put(world)
    assert f"what is written will delete itself: {NAME} ({lives} after the write, on " in " ".join(shown.out.split())
    line = f"to have it stay, first: {setting.format(world.mount)}"
    assert line in shown.out
    # What is then written does end, and no longer once that line has run.
    done = put(world, "--apply", "--format", "json")
    (note,) = [note for note in done.report["notes"] if note["kind"] == "deletes-itself"]
    written = world.bao.call("GET", f"{world.mount}/data/{NAME}")["data"]["metadata"]
    said, ends = (datetime.fromisoformat(text) for text in (note["date"], written["deletion_time"]))
    assert abs((ends - said).total_seconds()) < 60
    ended = {"delete_version_after": "0s"}
    world.bao.call("POST", f"{world.mount}/{'metadata/' + NAME if mount == '0s' else 'config'}", ended)
    age(world, 1)
    last = put(world, "--apply")
    assert "1 key to update" in last.out
    assert "delete itself" not in last.out

"""Neither a move between the stores, nor a restore, nor an undo, nor a put beside it makes an overdue value young."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from pyrage import x25519  # type: ignore[import-untyped]

from compiler.live.ages import AgeState
from tests.commands import Done
from tests.proofs.conftest import World, on_stores

OLD = datetime.now(UTC).replace(microsecond=0) - timedelta(days=200)
TEXT = OLD.isoformat()
VAULT, AZURE = "agents/jira", "agents-jira"
VALUES = {"JIRA_TOKEN": "token-1", "JIRA_URL": "https://jira.example.com"}
IN_TIME, OVERDUE, NOT_KNOWN = AgeState.IN_TIME, AgeState.OVERDUE, AgeState.NOT_KNOWN


@pytest.fixture(autouse=True)
def limited(world: World) -> None:
    """The keys of `jira` are to be renewed every 90 days, and those of `github` never."""
    catalogue = world.root / "environments/catalogue.yaml"
    target = "    target: agent-jira-secrets\n"
    catalogue.write_text(catalogue.read_text("utf-8").replace(target, f"{target}    rotate: 90d\n"), "utf-8")
    reads(world, "vault")


def reads(world: World, store: str) -> None:
    (world.root / "environments/prod.yaml").write_text(
        f"store: {store}\nsecrets: {{github: {{enabled: false}}, jira: {{}}}}\n", "utf-8"
    )


def state(world: World, store: str, key: str = "JIRA_TOKEN") -> AgeState:
    reads(world, store)
    return world.ages()[key].state


def metadata(world: World) -> Mapping[str, str]:
    found = world.bao.call("GET", f"{world.mount}/metadata/{VAULT}")["data"]["custom_metadata"]
    return dict(found or {})


def tags(world: World) -> Mapping[str, str]:
    return world.azure.versions(AZURE)[-1].tags


def fill(world: World, store: str, values: Mapping[str, str] = VALUES) -> None:
    """Give the store an overdue secret: of a Vault that is one whose value came from elsewhere."""
    if store == "azure":
        world.azure.seed(AZURE, json.dumps(values), content_type="application/json", tags={"owner": "us"})
        version = world.azure.versions(AZURE)[-1]
        version.created = version.updated = int(OLD.timestamp())
    else:
        world.put(VAULT, dict(values))
        tagged = {"custom_metadata": {"owner": "us", "value-since": f"{TEXT} from version 1"}}
        world.bao.call("POST", f"{world.mount}/metadata/{VAULT}", tagged)


def lose(world: World, store: str) -> None:
    if store == "vault":
        world.bao.call("DELETE", f"{world.mount}/metadata/{VAULT}")
    else:
        del world.azure.state._secrets[AZURE]


def put(world: World, key: str, store: str) -> Done:
    path = world.private("values.json", json.dumps({key: "new-value"}))
    return world.run(
        "put", "prod", "jira", key, "--input", "json", "--from-file", str(path), "--store", store, "--apply"
    )


def test_migrated_to_the_other_store_and_back_it_is_still_overdue(world: World) -> None:
    fill(world, "vault")
    assert state(world, "vault") is OVERDUE
    assert world.migrate("--apply").code == 0
    assert tags(world) == {"owner": "us", "value-since": TEXT}
    assert state(world, "azure") is OVERDUE
    lose(world, "vault")
    assert world.migrate("--from", "azure", "--apply", to="vault").code == 0
    assert metadata(world) == {"owner": "us", "value-since": f"{TEXT} from version 1"}
    assert state(world, "vault") is OVERDUE


def test_the_date_of_a_version_is_carried_as_well_as_a_tag(world: World) -> None:
    fill(world, "azure")
    assert world.migrate("--from", "azure", "--apply", to="vault").code == 0
    assert metadata(world)["value-since"] == f"{TEXT} from version 1"
    assert state(world, "vault") is OVERDUE


@pytest.mark.parametrize("to", on_stores(["vault"], ["azure"]))
def test_restored_from_a_backup_it_is_still_overdue(world: World, to: str) -> None:
    fill(world, "vault")
    identity, path, key = x25519.Identity.generate(), world.root / "prod.age", world.root / "key"
    key.write_text(f"{identity}\n", "utf-8")
    assert world.run("backup", "prod", str(path), "--recipient", str(identity.to_public())).code == 0
    lose(world, "vault")
    done = world.run("restore", "prod", str(path), "--identity", str(key), "--to", to, "--apply")
    assert done.code == 0, done
    assert state(world, to) is OVERDUE
    assert (tags(world) if to == "azure" else metadata(world))["value-since"].startswith(TEXT)


@pytest.mark.parametrize("store", on_stores(["vault"], ["azure"]))
@pytest.mark.parametrize("command", ["migrate", "put"])
def test_undone_it_is_still_overdue(world: World, store: str, command: str) -> None:
    fill(world, store)
    other = "azure" if store == "vault" else "vault"
    if command == "put":
        assert put(world, "JIRA_TOKEN", store).code == 0
    else:
        new = {**VALUES, "JIRA_TOKEN": "token-2"}
        if other == "vault":
            world.put(VAULT, new)
        else:
            world.azure.seed(AZURE, json.dumps(new), content_type="application/json")
        done = world.migrate("--from", other, "--on-conflict", "overwrite", "--apply", to=store)
        assert done.code == 0, done
    # A date that stands for several values is that of the oldest, one that stays beside what is written among them.
    assert state(world, store) is (OVERDUE if (command, store) == ("migrate", "vault") else IN_TIME)
    assert state(world, store, "JIRA_URL") is OVERDUE
    undone = world.run(command, "prod", "--undo", world.journals()[-1].stem, "--apply", "--quiet")
    assert undone.code == 0, undone
    assert state(world, store) is OVERDUE
    assert world.ages()["JIRA_TOKEN"].changed == OLD
    others = tags(world) if store == "azure" else metadata(world)
    assert others["owner"] == "us"


def test_a_date_by_hand_outlives_a_rotation_that_is_undone(world: World) -> None:
    fill(world, "vault")
    world.bao.call("POST", f"{world.mount}/metadata/{VAULT}", {"custom_metadata": {"value-since": TEXT}})
    assert state(world, "vault") is OVERDUE
    path = world.private("values.json", '{"JIRA_TOKEN": "new-value"}')
    given = ("--input", "json", "--from-file", str(path), "--without-cluster", "--apply")
    assert world.run("rotate", "prod", "jira", "JIRA_TOKEN", *given).code == 0
    undone = world.run("rotate", "prod", "--undo", world.journals()[-1].stem, "--apply", "--quiet")
    assert undone.code == 0, undone
    changed = world.ages()["JIRA_URL"].changed
    assert changed is not None
    # The undo writes the date again, in whole seconds.
    assert (state(world, "vault"), abs(changed - OLD) <= timedelta(seconds=1)) == (OVERDUE, True)


@pytest.mark.parametrize("store", on_stores(["vault"], ["azure"]))
def test_a_put_is_new_and_what_it_leaves_is_as_old_as_before(world: World, store: str) -> None:
    fill(world, "vault")
    assert world.migrate("--apply").code == 0
    time.sleep(1.1)
    assert put(world, "JIRA_TOKEN", store).code == 0
    assert (state(world, store), state(world, store, "JIRA_URL")) == (IN_TIME, OVERDUE)


def test_where_tags_may_not_be_written_the_plan_says_that_the_age_is_lost(world: World) -> None:
    fill(world, "azure")
    world.azure.versions(AZURE)[-1].tags = {}
    rules = [
        f'path "{world.mount}/data/*" {{ capabilities = ["create", "read", "update"] }}',
        f'path "{world.mount}/metadata/*" {{ capabilities = ["read"] }}',
    ]
    world.bao.call("PUT", "sys/policies/acl/no-tags", {"policy": "\n".join(rules)})
    token = world.bao.call("POST", "auth/token/create", {"policies": ["no-tags"]})["auth"]["client_token"]
    world.variables["VAULT_TOKEN"] = str(token)
    planned = world.migrate("--from", "azure", to="vault")
    assert planned.code == 0, planned
    assert 'not copied to "vault": the age of jira\n' in planned.out
    assert f'help: to carry the age: add to a policy: path "{world.mount}/metadata/{VAULT}"' in planned.out
    report = world.report("--from", "azure", "--apply", to="vault")
    assert [note["kind"] for note in report["notes"]] == ["age-left-behind"]
    assert world.get(VAULT) == VALUES
    assert metadata(world) == {}
    assert state(world, "vault") is IN_TIME


def test_an_age_that_is_not_known_stays_so(world: World) -> None:
    fill(world, "azure")
    world.azure.seed(AZURE, json.dumps({**VALUES, "OTHER": "x"}), content_type="application/json")
    world.azure.versions(AZURE)[0].enabled = False
    assert state(world, "azure") is NOT_KNOWN
    assert world.migrate("--from", "azure", "--apply", to="vault").code == 0
    assert metadata(world)["value-since"] == "unknown from version 1"
    assert state(world, "vault") is NOT_KNOWN
    assert put(world, "JIRA_TOKEN", "vault").code == 0
    assert (state(world, "vault"), state(world, "vault", "JIRA_URL")) == (IN_TIME, NOT_KNOWN)


def test_nothing_is_added_where_no_key_has_a_limit(world: World) -> None:
    catalogue = world.root / "environments/catalogue.yaml"
    catalogue.write_text(catalogue.read_text("utf-8").replace("    rotate: 90d\n", ""), "utf-8")
    world.put(VAULT, VALUES)
    world.put(VAULT, {**VALUES, "JIRA_TOKEN": "token-2"})
    assert world.migrate("--apply").code == 0
    assert tags(world) == {}

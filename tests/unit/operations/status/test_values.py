from dataclasses import replace
from datetime import UTC, datetime

import pytest

from compiler.cluster.view import EVER
from compiler.live.read_many import Likeness
from compiler.model.environment import other_store, progress_of
from compiler.operations.status import Status, StoreFindings, from_files
from compiler.operations.status_live import with_values
from compiler.stores.errors import Action, Code, FailureSide, ForbiddenError, NotFoundError, StoreError, StoreLocation
from tests.unit.memory_store import secrets
from tests.unit.operations.status.conftest import World


class Read:
    """What the stores hold, by secret, and what they did not say."""

    def __init__(self, status: Status, world: World) -> None:
        asked, found = with_values(status, world.bench.live())
        self.remotes = found.read
        self.values = {row.secret.id: row.values for row in asked.rows}
        self.answered, self.closed, self.helps = not asked.silent, asked.closed, asked.helps


def read(world: World) -> Read:
    return Read(world.status(), world)


def test_what_is_held_alike_is_equal_and_each_remote_secret_is_read_once(world: World) -> None:
    found = read(world)
    assert {name: each.likeness for name, each in found.values.items()} == {
        "github": Likeness.EQUAL,
        "jira": Likeness.EQUAL,
    }
    assert all(each.known_since == EVER and not each.faults for each in found.values.values())
    assert sorted(world.bench.vault.reads) == ["agents/github", "agents/jira"]
    assert sorted(world.bench.azure.reads) == ["agents-github", "agents-jira"]
    assert found.answered
    assert len(found.remotes) == 4


def test_another_value_is_different_by_its_key(world: World) -> None:
    world.bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    jira = read(world).values["jira"]
    assert (jira.likeness, jira.different, jira.missing) == (Likeness.DIFFERENT, ("JIRA_TOKEN",), ())
    assert jira.versions is not None
    assert [(each.store, each.name, each.version) for each in jira.versions] == [
        ("vault", "agents/jira", "v1"),
        ("azure", "agents-jira", "v2"),
    ]
    assert jira.faults == ()


@pytest.mark.parametrize("blank", ["", "\t"])
def test_a_blank_value_is_no_other_value(world: World, blank: str) -> None:
    world.bench.azure.hold("agents-jira", secrets(JIRA_TOKEN=blank, JIRA_URL="https://jira"))
    jira = read(world).values["jira"]
    assert (jira.likeness, jira.missing, jira.different) == (Likeness.MISSING, ("JIRA_TOKEN",), ())
    world.bench.equal()
    world.bench.vault.hold("agents/jira", secrets(JIRA_TOKEN=blank, JIRA_URL="https://jira"))
    jira = read(world).values["jira"]
    assert (jira.likeness, jira.only_there, jira.versions) == (Likeness.ONLY_THERE, ("JIRA_TOKEN",), None)


def test_a_key_that_the_other_store_lacks_is_missing(world: World) -> None:
    world.bench.azure.hold("agents-jira", secrets(JIRA_URL="https://jira"))
    world.bench.azure.failures["read", "agents-github"] = NotFoundError(
        StoreLocation("https://azure", "agents-github"), Action.READ, "it is not there", "put it there"
    )
    found = read(world).values
    assert (found["jira"].likeness, found["jira"].missing) == (Likeness.MISSING, ("JIRA_TOKEN",))
    assert found["github"].likeness is Likeness.MISSING


@pytest.mark.parametrize("side", ["vault", "azure"])
def test_a_store_that_may_not_be_read_is_neither_missing_nor_different(world: World, side: str) -> None:
    store, name = (world.bench.vault, "agents/jira") if side == "vault" else (world.bench.azure, "agents-jira")
    store.failures["read", name] = ForbiddenError(
        StoreLocation(f"https://{side}", name),
        Action.READ,
        "you are not allowed to",
        "get a role",
        permission="get",
    )
    jira = read(world).values["jira"]
    assert jira.likeness is Likeness.NO_ACCESS
    assert (jira.known_since == EVER) is (side == "azure")
    why = f'cannot read "{name}" in https://{side}: you are not allowed to'
    assert jira.faults == ()
    assert [why in each for each in jira.closed] == ([True] if side == "vault" else [])
    assert [why in each for each in read(world).closed] == [True]


def test_of_another_store_that_is_silent_nothing_in_use_suffers(world: World) -> None:
    world.bench.silent.add("azurekv")
    found = read(world)
    assert found.answered
    assert {each.likeness for each in found.values.values()} == {Likeness.NO_ACCESS}
    assert not any(each.faults for each in found.values.values())


def test_a_store_in_use_that_is_silent_has_not_answered(world: World) -> None:
    world.bench.silent.add("vault")
    found = read(world)
    assert not found.answered
    # Once for both secrets, and with each one's own keys for it.
    assert len(found.closed) == 1
    assert found.closed[0].endswith("; 3 keys not checked")
    assert found.values["jira"].closed == (found.closed[0].replace("3 keys", "2 keys"),)
    assert found.values["github"].closed == (found.closed[0].replace("3 keys", "1 key"),)
    jira = found.values["jira"]
    assert (jira.helps, jira.other_holds, jira.is_sound) == (("check the address",), True, False)
    # A switch to it would be refused.
    world.bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="", JIRA_URL="https://jira"))
    assert not read(world).values["jira"].other_holds
    del world.bench.azure.versions["agents-jira"]
    assert not read(world).values["jira"].other_holds
    assert found.helps == {found.closed[0]: "check the address"}


FORWARDED = {"VAULT_ADDR": "http://127.0.0.1:8200"}


@pytest.mark.parametrize(
    ("code", "environ", "side"),
    [
        (Code.SEALED, {}, FailureSide.SERVER),
        (Code.UNREACHABLE, {}, FailureSide.CALLER),
        (Code.TLS_FAILURE, {}, FailureSide.CALLER),
        (Code.UNAVAILABLE, {}, FailureSide.UNCLEAR),
        (Code.OTHER_CLUSTER, {}, FailureSide.UNCLEAR),
        # It leads to what may be another server, or has ended.
        (Code.SEALED, FORWARDED, FailureSide.UNCLEAR),
        (Code.UNREACHABLE, FORWARDED, FailureSide.UNCLEAR),
        (Code.EXPIRED_TOKEN, FORWARDED, FailureSide.CALLER),
        (Code.SEALED, {"VAULT_ADDR": "https://vault.example.com:8200/"}, FailureSide.SERVER),
    ],
)
def test_whose_failure_it_is_that_the_store_in_use_did_not_say(
    world: World, code: Code, environ: dict[str, str], side: FailureSide
) -> None:
    failure = StoreError(StoreLocation("https://vault"), Action.READ, "it failed", "do this", code)
    world.bench.vault.failures.update({("read", name): failure for name in world.bench.vault.versions})
    asked, _ = with_values(world.status(), world.bench.live(environ))
    assert {(row.values.side, row.values.helps) for row in asked.rows} == {(side, ("do this",))}


def test_one_silent_store_in_use_is_enough_where_another_one_answers(world: World) -> None:
    world.bench.write("prod", "secrets: {github: {store: azure}}\n")
    assert read(world).answered
    world.bench.silent.add("vault")
    assert not read(world).answered


def test_of_values_from_several_places_the_newest_counts(world: World) -> None:
    catalogue = world.bench.text("catalogue").replace(
        "JIRA_TOKEN: {description: Token}", "JIRA_TOKEN: {from: github/GITHUB_TOKEN}"
    )
    world.bench.write("catalogue", catalogue)
    old, new = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    for name, date in (("agents/github", new), ("agents/jira", old)):
        held = world.bench.vault.versions[name]
        held[-1] = replace(held[-1], attributes=replace(held[-1].attributes, created=date))
    jira = read(world).values["jira"]
    assert (jira.written, jira.newest) == (old, new)


def test_a_value_that_the_store_in_use_lacks_is_a_fault(world: World) -> None:
    world.bench.vault.hold("agents/jira", secrets(JIRA_URL="https://jira"))
    jira = read(world).values["jira"]
    assert jira.faults == ('"JIRA_TOKEN" of "jira" is not in "agents/jira" of the store "vault"',)
    # Where one of the two holds none, there is no other value.
    assert (jira.likeness, jira.different, jira.only_there) == (Likeness.ONLY_THERE, (), ("JIRA_TOKEN",))
    assert jira.unset == ("JIRA_TOKEN",)


def test_what_is_deleted_in_the_store_in_use_is_not_compared(world: World) -> None:
    world.bench.vault.deleted.add("agents/jira")
    jira = read(world).values["jira"]
    assert (jira.likeness, jira.different, jira.only_there) == (
        Likeness.ONLY_THERE,
        (),
        ("JIRA_TOKEN", "JIRA_URL"),
    )


def test_keys_are_unset_only_where_nothing_else_is_wrong(world: World) -> None:
    world.bench.vault.hold("agents/jira", secrets(JIRA_URL=" "))
    assert len(read(world).values["jira"].faults) == 2
    assert read(world).values["jira"].unset == ()
    world.bench.vault.versions.clear()
    assert read(world).values["jira"].unset == ("JIRA_TOKEN", "JIRA_URL")


def test_without_another_store_nothing_is_asked(world: World) -> None:
    environment = world.bench.environment()
    status = from_files(environment, ["jira"])
    found = Read(replace(status, rows=(replace(status.rows[0], other=None),)), world)
    assert found.values["jira"].likeness is Likeness.NOT_ASKED
    assert found.values["jira"].known_since == EVER
    assert world.bench.azure.reads == []
    assert StoreFindings().likeness is Likeness.NOT_ASKED


def test_the_oldest_value_and_the_nearest_expiry_count(world: World) -> None:
    old, new = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    held = world.bench.vault.versions["agents/jira"]
    held[-1] = replace(held[-1], attributes=replace(held[-1].attributes, created=old, updated=new, expires=new))
    jira = read(world).values["jira"]
    assert (jira.written, jira.expires) == (old, new)
    held[-1] = replace(held[-1], attributes=replace(held[-1].attributes, created=None))
    assert read(world).values["jira"].written == new
    there = world.bench.azure.versions["agents-jira"]
    there[-1] = replace(there[-1], attributes=replace(there[-1].attributes, created=old))
    jira = read(world).values["jira"]
    assert (jira.newest, jira.other_newest, jira.helps) == (new, old, ())
    assert read(world).values["github"].written is None


def test_the_other_store_is_where_a_secret_goes_or_where_it_came_from(world: World) -> None:
    world.bench.write("prod", "moves: {to: azure, steps: [[github], [all]]}\nsecrets: {github: {store: azure}}\n")
    environment = world.bench.environment()
    progress = progress_of(environment)
    others = {name: other_store(secret, environment, progress) for name, secret in environment.secrets.items()}
    assert {name: store.id for name, store in others.items() if store is not None} == {
        "github": "vault",
        "jira": "azure",
    }


def test_of_more_than_two_stores_without_a_move_none_is_the_other_one(world: World) -> None:
    third = "stores: {third: {provider: vault, name: third, server: 'https://third.example.com', mount: secret}}\n"
    world.bench.write("prod", third)
    environment = world.bench.environment()
    assert other_store(environment.secrets["jira"], environment, None) is None


def test_no_access_is_not_said_of_a_store_that_nothing_lies_in(world: World) -> None:
    environment = world.bench.environment()
    vault, azure = environment.stores["vault"], environment.stores["azure"]
    bare = replace(environment, stores={"vault": vault, "azure": replace(azure, address=None)})
    assert other_store(environment.secrets["jira"], bare, None) is None
    assert other_store(environment.secrets["jira"], environment, None) is azure
    # The catalogue gives jira no place there, and the store in use does not answer.
    catalogue = world.bench.root / "environments/catalogue.yaml"
    catalogue.write_text(catalogue.read_text("utf-8").replace(", azurekv: agents-jira", ""), "utf-8")
    world.bench.silent.add("vault")
    found = read(world).values
    assert (found["jira"].likeness, found["github"].likeness) == (Likeness.MISSING, Likeness.NO_ACCESS)

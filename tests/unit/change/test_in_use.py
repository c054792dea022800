from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from compiler.change.journal import Run, RunEntry
from compiler.change.plan import Kind, Location, Plan, Step, Write
from compiler.change.undo import drop_foreign_writes, drop_writes_in_use, foreign_targets
from compiler.model.environment import Environment, Store
from compiler.model.store import Place
from compiler.refusal import Refusal
from tests.unit.changes import loss_of, plan_of
from tests.unit.conftest import Stores
from tests.unit.memory_store import MemoryStore

JIRA = ("JIRA_TOKEN", "JIRA_URL")


def deletion(store: MemoryStore, name: str, *keys: str, to: str = "azure") -> Write:
    steps = tuple(Step("jira", key, Kind.DELETE, None, Location(to, name, key)) for key in keys)
    return Write(to, name, steps, {}, base=store.versions[name][-1])


def reading(environment: Environment, store: str, name: str = "prod") -> Environment:
    """The environment with all secrets in `store`, under a name of its own."""
    chosen = environment.stores[store]
    places = {
        secret.id: tuple(
            key._replace(place=key.place._replace(remote_key=key.place.remote_key.replace("/", "-")))
            for key in secret.keys
            if key.place is not None
        )
        for secret in environment.secrets.values()
    }
    secrets = {
        each.id: replace(each, store=chosen, keys=places[each.id] if store == "azure" else each.keys)
        for each in environment.secrets.values()
    }
    return replace(environment, name=name, secrets=secrets)


@pytest.fixture
def azure(stores: Stores) -> MemoryStore:
    assert stores.azure is not None
    stores.azure.seed("agents-jira", JIRA_TOKEN="t", JIRA_URL="u")
    return stores.azure


@pytest.fixture
def spare(environment: Environment, stores: Stores) -> Callable[..., Plan]:
    def invoke(plan: Plan, *environments: Environment) -> Plan:
        return drop_writes_in_use(plan, environment.stores, lambda: environments, stores.live)

    return invoke


def test_what_nobody_reads_is_deleted(spare: Callable[..., Plan], azure: MemoryStore, environment: Environment) -> None:
    plan = plan_of(deletion(azure, "agents-jira", *JIRA))
    assert spare(plan, environment).writes == plan.writes
    assert spare(plan, environment).steps == plan.steps


def test_what_an_environment_reads_stays_and_the_rest_is_deleted(
    spare: Callable[..., Plan], azure: MemoryStore, environment: Environment
) -> None:
    azure.seed("github-app-key", PEM="p")
    theirs, free = deletion(azure, "agents-jira", *JIRA), deletion(azure, "github-app-key", "PEM")
    lost = tuple(
        loss_of(
            "azure",
            each.name,
            "v1",
            keeps=10,
            remedy="",
        )
        for each in (theirs, free)
    )
    found = spare(plan_of(theirs, free, losses=lost), environment, reading(environment, "azure", "staging"))
    assert found.writes == (free,)
    assert [loss.place.name for loss in found.losses] == ["github-app-key"]
    assert [step.kind for step in found.steps] == [Kind.REFUSE, Kind.REFUSE, Kind.DELETE]
    assert found.steps[0].reason == 'it is in use again, read there by "staging/jira"'
    assert found.steps[0].remedy == "let another store serve it first (`cutover`), or set the right value (`put`)"
    assert not found.is_clean


def test_what_is_read_whole_stays(spare: Callable[..., Plan], azure: MemoryStore, environment: Environment) -> None:
    azure.hold("github-app-key", {}, "pem")
    plan = plan_of(deletion(azure, "github-app-key", "GITHUB_APP_KEY"))
    store = environment.stores["azure"]
    whole = tuple(key._replace(place=Place("github-app-key", None)) for key in environment.secrets["jira"].keys)
    secrets = {"jira": replace(environment.secrets["jira"], store=store, keys=whole)}
    found = spare(plan, replace(environment, name="staging", secrets=secrets))
    assert (found.writes, found.steps[0].reason) == ((), 'it is in use again, read there by "staging/jira"')


def test_each_reader_is_named_once_and_capitals_of_a_key_vault_do_not_count(
    spare: Callable[..., Plan], azure: MemoryStore, environment: Environment
) -> None:
    azure.seed("Agents-Jira", JIRA_TOKEN="t")
    plan = plan_of(deletion(azure, "Agents-Jira", *JIRA))
    found = spare(plan, *(reading(environment, "azure", name) for name in ("prod", "prod", "staging")))
    assert found.steps[1].reason == 'it is in use again, read there by "prod/jira", "staging/jira"'


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, 'it is in use again, read there by "staging/jira"'),
        ({"address": "https://VAULT.example.com.:8200/"}, 'it is in use again, read there by "staging/jira"'),
        ({"address": "https://other.example.com"}, 'it may be read by "staging/jira", in what may be the same store'),
        ({"mount": "kv"}, None),
        # Its server was not asked whether it has namespaces.
        ({"vault_namespace": "team"}, 'it may be read by "staging/jira", in what may be the same store'),
        ({"cluster_id": "stale"}, 'it is in use again, read there by "staging/jira"'),
    ],
)
def test_a_vault_counts_unless_it_is_proven_or_said_to_be_another(
    spare: Callable[..., Plan], stores: Stores, environment: Environment, fields: dict[str, Any], reason: str | None
) -> None:
    vault = stores.vault
    assert vault is not None
    vault.seed("agents/jira", JIRA_TOKEN="t")
    plan = plan_of(deletion(vault, "agents/jira", "JIRA_TOKEN", to="vault"))
    store = replace(environment.stores["vault"], **fields)
    secrets = {name: replace(each, store=store) for name, each in environment.secrets.items()}
    other = replace(environment, name="staging", stores={**environment.stores, "vault": store}, secrets=secrets)
    found = spare(plan, other)
    assert [step.reason for step in found.steps] == ([reason] if reason else [step.reason for step in plan.steps])
    assert (found.writes == ()) is (reason is not None)
    if reason and "may be" in reason:
        assert found.steps[0].remedy.endswith('if "staging/vault" is another store, add --not-the-same staging/vault')
        said = drop_writes_in_use(plan, environment.stores, lambda: [other], stores.live, ["staging/vault"])
        assert said.writes == plan.writes
    elif reason:
        with pytest.raises(Refusal, match='the store "staging/vault" is on the same server'):
            drop_writes_in_use(plan, environment.stores, lambda: [other], stores.live, ["staging/vault"])


@pytest.mark.parametrize(
    ("earlier", "stays"),
    [({"JIRA_URL": "old"}, True), ({"JIRA_TOKEN": "old", "JIRA_URL": "old"}, False), ({"JIRA_TOKEN": "old"}, True)],
)
def test_an_earlier_version_comes_back_unless_it_lacks_a_key_in_use(
    spare: Callable[..., Plan], azure: MemoryStore, environment: Environment, *, earlier: dict[str, str], stays: bool
) -> None:
    azure.seed("old", **earlier)
    back = replace(deletion(azure, "agents-jira", *JIRA), earlier=azure.versions["old"][-1])
    found = spare(plan_of(back), reading(environment, "azure"))
    assert (found.writes == ()) is stays


def test_a_key_that_nobody_reads_may_go(
    spare: Callable[..., Plan], azure: MemoryStore, environment: Environment
) -> None:
    azure.seed("agents-jira", JIRA_TOKEN="t", JIRA_URL="u", OTHER="x")
    azure.seed("old", JIRA_TOKEN="old", JIRA_URL="old")
    back = replace(deletion(azure, "agents-jira", *JIRA), earlier=azure.versions["old"][-1])
    assert spare(plan_of(back), reading(environment, "azure")).writes == (back,)


def test_the_environments_are_read_only_where_something_would_go(
    environment: Environment, stores: Stores, azure: MemoryStore
) -> None:
    def unknown() -> Sequence[Environment]:
        raise Refusal("found", "not known")

    back = replace(deletion(azure, "agents-jira", *JIRA), earlier=azure.versions["agents-jira"][-1])
    recovered = replace(deletion(azure, "agents-jira", *JIRA), recover=True, versions=("v1",))
    plan = plan_of(back, recovered)
    assert drop_writes_in_use(plan, environment.stores, unknown, stores.live) is plan
    with pytest.raises(Refusal, match="not known"):
        drop_writes_in_use(plan_of(deletion(azure, "agents-jira", *JIRA)), environment.stores, unknown, stores.live)


def test_the_environments_are_looked_through_once_a_store_and_not_once_a_write(
    spare: Callable[..., Plan], azure: MemoryStore, environment: Environment
) -> None:
    looked: list[str] = []

    class Counted(type(environment)):  # type: ignore[misc] # a class that is chosen as the test runs
        def stores_in_use(self) -> tuple[Store, ...]:
            looked.append(self.name)
            return tuple(super().stores_in_use())

    counted = Counted(**{field.name: getattr(environment, field.name) for field in fields(environment)})
    names = [f"free-{number}" for number in range(5)]
    for name in names:
        azure.seed(name, A="x")
    spare(plan_of(*(deletion(azure, name, "A") for name in names)), counted)
    assert looked == ["prod"]


def foreign(name: str, to: str = "azure") -> Write:
    store = MemoryStore()
    store.seed(name, JIRA_TOKEN="t")
    step = Step("jira", "JIRA_TOKEN", Kind.DELETE, None, Location(to, name, "JIRA_TOKEN"))
    return Write(to, name, (step,), {}, base=store.read(name))


def kept(plan: Plan, environment: Environment) -> Plan:
    entries = {write.target: RunEntry(write.kind, None, recover=False) for write in plan.writes}
    run = Run("r", Path("r"), "migrate", "prod", {}, {}, entries)
    return drop_foreign_writes(plan, foreign_targets(run, environment, environment.stores))


@pytest.mark.parametrize(
    ("to", "name"),
    [("azure", "agents-jira"), ("azure", "Agents-JIRA"), ("vault", "agents/jira"), ("azure", "agents-github")],
)
def test_what_has_a_place_in_the_catalogue_is_undone_in_use_or_not(
    environment: Environment, to: str, name: str
) -> None:
    plan = plan_of(foreign(name, to))
    found = kept(plan, environment)
    assert (found.steps, found.writes) == (plan.steps, plan.writes)


@pytest.mark.parametrize(
    ("to", "name"), [("azure", "agents-jira-2"), ("vault", "Agents/jira"), ("vault", "agents-jira")]
)
def test_what_has_none_stays_and_is_told(environment: Environment, to: str, name: str) -> None:
    own, theirs = foreign("agents-jira"), foreign(name, to)
    found = kept(plan_of(own, theirs), environment)
    assert found.writes == (own,)
    assert [step.kind for step in found.steps] == [Kind.DELETE, Kind.REFUSE]
    assert found.steps[1].reason == "the catalogue has no key there: the run or its journal is of something else"
    assert "remove the journal" in found.steps[1].remedy


def test_neither_the_audit_file_nor_the_losses_tell_of_it(environment: Environment) -> None:
    names = ("agents-jira", "of-others")
    stored = {("azure", name): "1" for name in names}
    losses = tuple(
        loss_of(
            "azure",
            name,
            "1",
            keeps=1,
            remedy="keep it",
        )
        for name in names
    )
    found = kept(plan_of(*map(foreign, names), stored=stored, losses=losses), environment)
    assert list(found.stored) == [("azure", "agents-jira")]
    assert [each.place.name for each in found.losses] == ["agents-jira"]

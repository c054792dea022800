from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.change.journal import Run, RunEntry
from compiler.change.plan import Kind, Location, OnConflict, Options, Plan
from compiler.live.stores import LiveStores
from compiler.model.environment import Environment, KeyRemote
from compiler.model.store import StoreAddress
from compiler.operations.migrate import Migration, migration
from compiler.refusal import Refusal
from compiler.stores.secret_value import SecretValue
from tests.memory_store import MemoryStore
from tests.unit.changes import keys_of, puts
from tests.unit.conftest import Stores, taking


class Ends:
    """Both stores of the environment, in memory."""

    def __init__(self) -> None:
        self.vault, self.azure = MemoryStore("https://vault"), MemoryStore("https://azure")
        self.live = LiveStores({}, self._open)

    def _open(self, address: StoreAddress, environ: Mapping[str, str]) -> MemoryStore:
        del environ
        return self.vault if "vault.example.com" in address.url else self.azure


@pytest.fixture
def ends() -> Ends:
    made = Ends()
    made.vault.seed("agents/github", GITHUB_TOKEN="t")
    made.vault.seed("agents/jira", JIRA_TOKEN="t", JIRA_URL="u")
    return made


def plan(
    environment: Environment, ends: Ends, run: Run | None = None, to: str = "azure", origin: str = "", **options: object
) -> Plan:
    source = environment.stores[origin] if origin else None
    chosen = replace(Options(stores=ends.live), **options)  # type: ignore[arg-type]
    return Migration(environment, environment.stores[to], source, chosen).plan(run)


def kinds(found: Plan) -> dict[str, Kind]:
    return {step.key: step.kind for step in found.steps}


def test_a_plan_reads_each_end_once_and_writes_nothing(environment: Environment, ends: Ends) -> None:
    found = plan(environment, ends)
    assert kinds(found) == dict.fromkeys(("GITHUB_TOKEN", "JIRA_TOKEN", "JIRA_URL"), Kind.CREATE)
    assert [write.name for write in found.writes] == ["agents-github", "agents-jira"]
    assert {method for store in (ends.vault, ends.azure) for method, _ in store.calls} == {"read"}
    assert len(ends.vault.calls) == 2
    assert len(ends.azure.calls) == 3
    assert (found.destinations, found.sources) == ({"azure": "https://azure"}, {"vault": "https://vault"})


def test_what_the_source_lacks_comes_with_the_line_that_sets_it_there(environment: Environment, ends: Ends) -> None:
    ends.vault.versions.clear()
    found = plan(environment, ends)
    told = {step.key: (step.kind, step.reason, step.remedy) for step in found.steps}
    missing = Kind.MISSING, "the source has no such secret"
    line = "set it in the source: platform-secrets put prod {} --store vault"
    assert told["JIRA_TOKEN"] == told["JIRA_URL"] == (*missing, line.format("jira"))
    assert told["GITHUB_TOKEN"] == (*missing, "choose variants without it, or " + line.format("github"))


def test_properties_beside_the_keys_are_listed_and_copied_when_asked(environment: Environment, ends: Ends) -> None:
    ends.vault.seed("agents/jira", JIRA_TOKEN="t", JIRA_URL="u", EXTRA="x")
    found = plan(environment, ends)
    assert [str(place) for place in found.extras] == ["vault:agents/jira#EXTRA"]
    assert "EXTRA" not in kinds(found)
    assert kinds(plan(environment, ends, all_properties=True))["EXTRA"] is Kind.CREATE


def test_keys_of_other_secrets_in_the_same_remote_are_no_extras(sharing: Environment, ends: Ends) -> None:
    names = ("GITHUB_TOKEN", "GITHUB_APP_ID", "JIRA_TOKEN", "JIRA_URL", "ONLY", "NOTES")
    ends.vault.seed("agents/shared", **{name: name for name in names})
    found = plan(sharing, ends, only=("jira",), all_properties=True)
    assert [str(place) for place in found.extras] == ["vault:agents/shared#NOTES"]
    assert set(kinds(found)) == {"JIRA_TOKEN", "JIRA_URL", "NOTES"}


def test_a_property_does_not_take_the_place_of_another_secrets_key(environment: Environment, ends: Ends) -> None:
    # Two paths of Vault, one secret of Key Vault: the property of the one is named as the key of the other.
    entries = {
        name: replace(entry, remote={**entry.remote, "azurekv": "agents-one"})
        for name, entry in environment.catalogue.entries.items()
    }
    secrets = {name: replace(secret, entry=entries[name]) for name, secret in environment.secrets.items()}
    one = replace(environment, catalogue=replace(environment.catalogue, entries=entries), secrets=secrets)
    ends.vault.seed("agents/jira", JIRA_TOKEN="t", JIRA_URL="u", GITHUB_TOKEN="not GitHub's", NOTES="x")
    for only in ((), ("jira",)):
        found = plan(one, ends, only=only, all_properties=True)
        (refused,) = [step for step in found.steps if step.secret == "jira" and step.kind is Kind.REFUSE]
        assert (refused.key, refused.reason) == (
            "GITHUB_TOKEN",
            "a key of the catalogue already has that place in the destination",
        )
        assert found.is_blocked
        (write,) = puts(found)
        assert not isinstance(write.content, SecretValue)
        assert [
            key for key, value in write.content.items() if value is not None and value.reveal() == "not GitHub's"
        ] == []
        assert "NOTES" in write.content


def test_a_whole_value_has_no_properties_beside_keys(sharing: Environment, ends: Ends) -> None:
    entry = sharing.catalogue.entries["vaultonly"]
    only = replace(entry.keys["ONLY"], remote={"azurekv": KeyRemote(None, None, whole=True)})
    entries = {**sharing.catalogue.entries, "vaultonly": replace(entry, keys={"ONLY": only})}
    lone = replace(sharing, catalogue=replace(sharing.catalogue, entries=entries))
    ends.azure.seed("agents-shared", JIRA_TOKEN="t", JIRA_URL="u", PART="x")
    assert plan(lone, ends, to="vault", origin="azure", only=("jira",)).extras == ()


def test_nothing_beside_keys_that_cannot_be_read(environment: Environment, ends: Ends) -> None:
    del ends.vault.versions["agents/jira"]
    found = plan(environment, ends)
    assert (found.extras, kinds(found)["JIRA_TOKEN"]) == ((), Kind.MISSING)


def test_a_key_without_a_place_is_refused_where_there_is_something_to_move(
    environment: Environment, ends: Ends
) -> None:
    secret, entry = environment.secrets["jira"], environment.catalogue.entries["vaultonly"]
    keys = (secret.keys[0]._replace(key=entry.keys["ONLY"]),)
    lone = replace(environment, secrets={"vaultonly": replace(secret, id="vaultonly", entry=entry, keys=keys)})
    ends.vault.seed("agents/vaultonly", ONLY="x")
    (step,) = plan(lone, ends).steps
    assert (step.kind, step.reason) == (Kind.REFUSE, 'the catalogue gives the key no place in "azure"')
    assert step.remedy == 'add `azurekv: NAME` under `remote` of "vaultonly" in environments/catalogue.yaml'
    back = plan(lone, ends, to="vault", origin="azure")
    assert [(step.kind, step.source) for step in back.steps] == [(Kind.REFUSE, None)]
    unused = replace(lone, secrets={"vaultonly": replace(lone.secrets["vaultonly"], keys=())})
    assert plan(unused, ends, to="vault", origin="azure").steps == ()


def test_two_stores_that_are_one_place_are_refused(environment: Environment, ends: Ends) -> None:
    other = replace(environment.stores["vault"], id="other")
    both = replace(environment, stores={**environment.stores, "other": other})
    found = plan(both, ends, to="other", origin="vault")
    assert {step.kind for step in found.steps} == {Kind.REFUSE}
    assert "the same place" in found.steps[0].reason


def test_nothing_to_move_asks_nobody(environment: Environment, ends: Ends) -> None:
    found = plan(environment, ends, to="vault")
    assert (found.steps, found.writes, len(found.skipped)) == ((), (), 2)
    assert ends.vault.calls == []


def test_a_run_narrows_the_plan_and_takes_up_what_it_had_stored(
    environment: Environment, ends: Ends, tmp_path: Path
) -> None:
    ends.azure.seed("agents-jira", JIRA_TOKEN="t", JIRA_URL="u")
    run = Run("id", tmp_path, "migrate", "prod", {"azure": "https://azure"}, {}, is_planned=True)
    run.entries["azure", "agents-jira"] = RunEntry(Kind.CREATE, None, recover=False, state="started", maybe_stored=True)
    found = plan(environment, ends, run)
    assert (found.writes, found.left_out) == ((), (("azure", "agents-github"),))
    assert found.stored == {("azure", "agents-jira"): "v1"}


def test_a_recovery_that_was_cut_off_goes_on_over_the_value_that_was_deleted(
    environment: Environment, ends: Ends, tmp_path: Path
) -> None:
    deleted = ends.azure.seed("agents-jira", JIRA_TOKEN="deleted before")
    run = Run("id", tmp_path, "migrate", "prod", {"azure": "https://azure"}, {}, is_planned=True)
    entry = RunEntry(Kind.RECOVER, None, recover=True, state="started", deleted=deleted, recovered=True)
    run.entries["azure", "agents-jira"] = entry
    assert kinds(plan(environment, ends, run, recover=True))["JIRA_TOKEN"] is Kind.UPDATE
    # Announced and not answered, somebody else may have recovered it.
    unanswered = replace(run, entries={("azure", "agents-jira"): replace(entry, recovered=False)})
    found = plan(environment, ends, unanswered, recover=True)
    assert (kinds(found)["JIRA_TOKEN"], found.writes) == (Kind.CONFLICT, ())
    assert kinds(plan(environment, ends, run))["JIRA_TOKEN"] is Kind.CONFLICT
    assert kinds(plan(environment, ends))["JIRA_TOKEN"] is Kind.CONFLICT
    assert kinds(plan(environment, ends, on_conflict=OnConflict.OVERWRITE))["JIRA_TOKEN"] is Kind.UPDATE


def test_every_key_of_the_catalogue_is_moved_and_those_in_use_are_missed(environment: Environment, ends: Ends) -> None:
    ends.vault.seed("agents/github", GITHUB_TOKEN="t", GITHUB_APP_ID="1", GITHUB_APP_KEY="k", NOTES="n")
    planned = plan(environment, ends, all_properties=True)
    found = {step.key: step for step in planned.steps}
    assert list(found) == ["GITHUB_TOKEN", "GITHUB_APP_ID", "GITHUB_APP_KEY", "JIRA_TOKEN", "JIRA_URL", "NOTES"]
    whole = found["GITHUB_APP_KEY"]
    assert (str(whole.source), str(whole.destination)) == (
        "vault:agents/github#GITHUB_APP_KEY",
        "azure:github-app-key",
    )
    assert (str(found["NOTES"].source), str(found["NOTES"].destination)) == (
        "vault:agents/github#NOTES",
        "azure:agents-github#NOTES",
    )
    ends.vault.versions.clear()
    assert kinds(plan(environment, ends)) == dict.fromkeys(("GITHUB_TOKEN", "JIRA_TOKEN", "JIRA_URL"), Kind.MISSING)


def test_what_reads_the_destination_already_is_skipped_and_from_turns_the_way_round(
    environment: Environment, ends: Ends
) -> None:
    skipped = plan(environment, ends, to="vault")
    assert skipped.steps == ()
    assert skipped.skipped == (("github", 'it already reads from "vault"'), ("jira", 'it already reads from "vault"'))
    back = plan(environment, ends, to="vault", origin="azure", only=("jira",)).steps[0]
    assert str(back.source) == "azure:agents-jira#JIRA_TOKEN"


def test_a_secret_without_a_place_in_the_destination_has_no_destination(environment: Environment, ends: Ends) -> None:
    secret = environment.secrets["jira"]
    entry = environment.catalogue.entries["vaultonly"]
    only = replace(secret, id="vaultonly", entry=entry, keys=())
    lone = replace(environment, secrets={"vaultonly": only, "nowhere": replace(secret, store=None)})
    ends.vault.seed("agents/vaultonly", ONLY="x", NOTES="n")
    planned = plan(lone, ends)
    assert [(step.key, step.destination) for step in planned.steps] == [("ONLY", None)]
    assert planned.extras == ()


def test_what_lies_in_the_same_remote_secret_and_is_not_on_the_way_is_known(sharing: Environment, ends: Ends) -> None:
    others = dict.fromkeys(("GITHUB_TOKEN", "GITHUB_APP_ID", "GITHUB_APP_KEY", "ONLY"), "x")
    ends.vault.seed("agents/shared", JIRA_TOKEN="t", JIRA_URL="u", NOTES="n", **others)
    assert plan(sharing, ends, only=("jira",)).extras == (Location("vault", "agents/shared", "NOTES"),)


def test_a_value_that_several_secrets_have_goes_one_way(tmp_path: Path, ends: Ends) -> None:
    environment = taking(tmp_path)
    ends.vault.seed("agents/github", GITHUB_TOKEN="t", GITHUB_APP_ID="1")
    assert [step.key for step in plan(environment, ends).steps if step.secret in {"jira", "board", "report"}] == [
        "JIRA_TOKEN",
        "JIRA_URL",
        "OWN",
    ]
    (token, app) = plan(environment, ends, only=("report",)).steps
    assert (token.secret, token.key) == ("jira", "JIRA_TOKEN")
    assert (str(token.source), str(token.destination)) == (
        "vault:agents/jira#JIRA_TOKEN",
        "azure:agents-jira#JIRA_TOKEN",
    )
    # In no variant that the environment uses of the secret that has it.
    assert app.key == "GITHUB_APP_ID"
    ends.vault.versions.clear()
    assert [step.key for step in plan(environment, ends, only=("report",)).steps] == ["JIRA_TOKEN"]


def test_the_same_run_is_told_by_where_what_and_how(environment: Environment, stores: Stores, tmp_path: Path) -> None:
    def identity(to: str = "azure", source: str | None = None, **options: object) -> object:
        chosen = Options(root=tmp_path, stores=stores.live, **options)  # type: ignore[arg-type]
        return migration(environment, to, source, chosen).identity

    first = identity()
    assert first == identity(words=("whatever",))
    others = [
        identity(source="vault"),
        identity("vault"),
        identity(only=("jira",)),
        identity(all_properties=True),
        identity(on_conflict=OnConflict.SKIP),
        identity(recover=True),
        identity(stringify=True),
    ]
    assert first not in others
    assert identity(only=("a", "jira")[1:]) == identity(only=("jira",))


def test_a_store_is_not_copied_into_itself_and_an_unknown_one_is_named(
    environment: Environment, stores: Stores, tmp_path: Path
) -> None:
    options = Options(root=tmp_path, stores=stores.live)
    with pytest.raises(Refusal, match='both name the store "azure"') as same:
        migration(environment, "azure", environment.stores["azure"].name, options)
    assert same.value.help == "name another one with --from"
    with pytest.raises(Refusal):
        migration(environment, "azur", None, options)


def extracting(environment: Environment, *names: str) -> Environment:
    """The environment with entries, jira's by default, whose Secrets have every property of their remote secrets."""
    entries, secrets = dict(environment.catalogue.entries), dict(environment.secrets)
    for name in names or ("jira",):
        entries[name] = replace(entries[name], extract=True)
        secrets[name] = replace(secrets[name], entry=entries[name], fetch="extract")
    return replace(environment, catalogue=replace(environment.catalogue, entries=entries), secrets=secrets)


def test_of_what_is_extracted_every_property_is_moved(environment: Environment, ends: Ends) -> None:
    ends.vault.seed("agents/jira", JIRA_TOKEN="t", JIRA_URL="u", MORE="x", EMPTY="")
    ends.vault.seed("agents/github", GITHUB_TOKEN="t", NOTES="n")
    found = plan(extracting(environment), ends)
    steps = {step.key: step for step in found.steps}
    assert (steps["MORE"].kind, steps["EMPTY"].kind) == (Kind.CREATE, Kind.REFUSE)
    assert steps["EMPTY"].remedy == "remove it from the source, or give it a value there"
    assert "NOTES" not in steps
    ends.vault.seed("agents/jira", JIRA_TOKEN="t", JIRA_URL="u", MORE="x")
    (write,) = [each for each in puts(plan(extracting(environment), ends)) if each.name == "agents-jira"]
    assert not isinstance(write.content, SecretValue)
    assert set(write.content) == {"JIRA_TOKEN", "JIRA_URL", "MORE"}


def test_a_text_that_goes_through_all_keys_brings_every_property(environment: Environment, ends: Ends) -> None:
    ends.vault.seed("agents/jira", JIRA_TOKEN="t", JIRA_URL="u", MORE="x")
    for text, is_moved in (("{{ range . }}{{ . }}{{ end }}", True), ("{{ .JIRA_URL }}", False)):
        made = extracting(environment)
        jira = made.secrets["jira"]
        templated = replace(jira, entry=replace(jira.entry, template={"all": text}))
        found = plan(replace(made, secrets={**made.secrets, "jira": templated}), ends)
        assert ("MORE" in {step.key for step in found.steps}) is is_moved


SHARED = {name: name.lower() for name in ("GITHUB_TOKEN", "JIRA_TOKEN", "JIRA_URL", "NOTES")}


def test_one_of_several_secrets_that_share_what_is_extracted_brings_the_keys_of_the_others_too(
    sharing: Environment, ends: Ends
) -> None:
    ends.vault.seed("agents/shared", **SHARED)
    for names in (("jira",), ("jira", "github")):
        found = plan(extracting(sharing, *names), ends, only=("jira",))
        assert {step.key: (step.secret, step.kind) for step in found.steps} == dict.fromkeys(
            SHARED, ("jira", Kind.CREATE)
        )
        (write,) = puts(found)
        assert set(keys_of(write)) == {*SHARED}
    # Without that, the keys of the others are left to them.
    assert set(kinds(plan(sharing, ends, only=("jira",), all_properties=True))) == {"JIRA_TOKEN", "JIRA_URL", "NOTES"}
    # So it does beside one that is before it and names its keys.
    (write,) = puts(plan(extracting(sharing, "jira"), ends))
    assert set(keys_of(write)) == {*SHARED}
    # All of them bring each key once.
    found = plan(extracting(sharing, "jira", "github"), ends)
    assert sorted(step.key for step in found.steps) == sorted(SHARED)


def test_each_remote_secret_that_replaces_a_shared_one_gets_all_of_it(sharing: Environment, ends: Ends) -> None:
    ends.vault.seed("agents/shared", **SHARED)
    apart = extracting(sharing, "jira", "github")
    entries = {
        name: replace(entry, remote={**entry.remote, "azurekv": f"agents-{name}"})
        for name, entry in apart.catalogue.entries.items()
    }
    secrets = {name: replace(secret, entry=entries[name]) for name, secret in apart.secrets.items()}
    apart = replace(apart, catalogue=replace(apart.catalogue, entries=entries), secrets=secrets)
    assert {write.name: set(keys_of(write)) for write in puts(plan(apart, ends))} == {
        "agents-github": {*SHARED},
        "agents-jira": {*SHARED},
    }


def test_what_is_extracted_takes_no_place_of_another_value(environment: Environment, ends: Ends) -> None:
    entries = {
        name: replace(entry, remote={**entry.remote, "azurekv": "agents-one"})
        for name, entry in environment.catalogue.entries.items()
    }
    secrets = {name: replace(secret, entry=entries[name]) for name, secret in environment.secrets.items()}
    one = replace(environment, catalogue=replace(environment.catalogue, entries=entries), secrets=secrets)
    ends.vault.seed("agents/jira", JIRA_TOKEN="t", JIRA_URL="u", GITHUB_TOKEN="not GitHub's")
    found = plan(extracting(one, "jira"), ends, only=("jira",))
    assert kinds(found)["GITHUB_TOKEN"] is Kind.REFUSE

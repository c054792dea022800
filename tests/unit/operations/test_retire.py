from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from compiler.change.apply import apply_plan
from compiler.change.operations import DeleteVersions
from compiler.change.plan import Kind, Options, Plan, State
from compiler.change.run_log import RunLog
from compiler.cluster.view import ClusterView
from compiler.live.readers import ReadIndex
from compiler.live.stores import AddressError, LiveStores
from compiler.model.provider import Provider
from compiler.model.store import StoreAddress, remote_places
from compiler.operations.retire import Retirement, retire
from compiler.refusal import Refusal
from compiler.stages.resolve import Outside
from compiler.stores.errors import Action, Code, ForbiddenError, StoreError, StoreLocation, VersionGoneError
from compiler.stores.interface import Attributes, Cluster, Problem, Use
from compiler.stores.secret_value import JsonKind, SecretValue
from tests import providers
from tests.memory_store import MemoryStore, secrets
from tests.refusals import is_refused
from tests.unit.changes import begin_journal
from tests.unit.conftest import TAKERS
from tests.unit.live.test_readers import Cluster as LiveCluster
from tests.unit.live.test_readers import external_secret
from tests.unit.operations.retire_bench import Bench, bench

__all__ = ["bench"]


def test_names_that_the_environment_does_not_have_are_refused(bench: Bench) -> None:
    with pytest.raises(Refusal, match="has no store"):
        bench.change(store="nowhere")
    with pytest.raises(Refusal, match="has no secret"):
        bench.change("jria")
    bench.base('vault-store, server: "https://vault.example.com:8200", mount: secret', "vault-store")
    with pytest.raises(AddressError):
        bench.change()


def test_what_the_cluster_reads_stays(bench: Bench) -> None:
    store = {"kind": "ClusterSecretStore", "name": "vault-store"}
    cluster = LiveCluster(
        externalsecrets=[
            external_secret(
                "agents",
                "jira",
                {"secretStoreRef": store, "data": [{"remoteRef": {"key": "agents/jira", "property": "JIRA_URL"}}]},
            )
        ]
    )
    plan = bench.plan(cluster=ClusterView(cluster))
    (jira,) = bench.candidates[-1].read
    assert [each.name for each in jira.readers] == ["ExternalSecret agents/jira"]
    assert {step.key for step in plan.steps if step.kind is Kind.DELETE} == {"GITHUB_TOKEN"}


def test_who_reads_is_found_out_when_it_is_planned(bench: Bench) -> None:
    change = bench.change("jira")
    # A switch of another terminal, between the command's start and its turn at the lock.
    bench.write("prod", "store: azure\nsecrets: {jira: {store: vault}}\n")
    plan = change.plan()
    assert (plan.writes, {step.kind for step in plan.steps}) == ((), {Kind.REFUSE})
    assert plan.steps[0].reason == 'still read by "prod/jira"'


def test_a_store_that_nothing_uses_any_more_has_its_address_from_outside(bench: Bench) -> None:
    bench.base('name: azure-store, vaultUrl: "https://agents.vault.azure.net"', "name: azure-store")
    bench.write("prod", "store: vault\n")
    bench.outside = Outside(addresses={providers.KEY_VAULT: "agents"})
    assert Kind.DELETE in {step.kind for step in bench.plan(store="azure").steps}
    change = bench.change(store="azure")
    bench.write("prod", "store: nowhere\n")
    with pytest.raises(Refusal, match="cannot tell which secrets are in use"):
        change.plan()


def test_a_written_cluster_id_hides_no_reader_at_the_same_address(bench: Bench) -> None:
    """One of the two ids is stale, and the address means one server wherever one is."""
    bench.write("prod", 'store: azure\nstores: {vault: {clusterId: "a"}}\n')
    for written in ('{clusterId: "b"}', '{clusterId: "a"}', "{}"):
        bench.write("staging", f"store: vault\nstores: {{vault: {written}}}\n")
        plan = bench.plan("jira")
        assert (plan.writes, plan.steps[0].reason) == ((), 'still read by "staging/jira"')


@pytest.mark.parametrize("server", ["http://vault.vault.svc:8200", "https://vault.vault:8200", "http://127.0.0.1:8200"])
def test_the_vault_of_each_cluster_by_one_name_is_asked_or_named_by_a_person(bench: Bench, server: str) -> None:
    """Written ids that differ prove nothing; what the other environment's own server says does."""
    bench.base('server: "https://vault.example.com:8200"', f'server: "{server}"')
    bench.vault.seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    bench.write("prod", 'store: azure\nstores: {vault: {clusterId: "a", reachableAt: "https://prod.example.com"}}\n')
    bench.write("qa", "store: vault\nstores: {vault: {clusterId: b}}\n")
    servers = {"https://prod.example.com": "a"}

    def opened(address: StoreAddress, environ: Mapping[str, str]) -> MemoryStore:
        found = bench._open(address, environ)
        found.server = Cluster(servers[address.contact], "") if address.contact in servers else None
        return found

    def plan(*not_the_same: str) -> Plan:
        setting = Options(root=bench.root, stores=LiveStores({}, opened), not_the_same=not_the_same)
        return retire(bench.environment(), "vault", ("jira",), None, setting, bench.outside).plan()

    step = plan().steps[0]
    assert step.reason == 'it may be read by "qa/jira", in what may be the same store'
    assert step.remedy.endswith('if "qa/vault" is another store, add --not-the-same qa/vault')
    # The line that is printed is enough.
    assert {each.kind for each in plan("qa/vault").steps} == {Kind.DELETE}
    bench.write("qa", 'store: vault\nstores: {vault: {clusterId: b, reachableAt: "https://qa.example.com"}}\n')
    # It does not say who it is.
    assert plan().steps[0].reason.startswith("it may be read by")
    servers["https://qa.example.com"] = "b"
    assert {each.kind for each in plan().steps} == {Kind.DELETE}
    # The written id is stale: it is the same server.
    servers["https://qa.example.com"] = "a"
    assert plan().steps[0].reason == 'still read by "qa/jira"'
    # Without a written id nothing says that it is another one, but for its server.
    bench.write("qa", 'store: vault\nstores: {vault: {reachableAt: "https://qa.example.com"}}\n')
    assert plan().steps[0].reason == 'still read by "qa/jira"'
    servers["https://qa.example.com"] = "b"
    assert {each.kind for each in plan().steps} == {Kind.DELETE}


def test_an_accepted_server_is_read_by_whoever_names_it_by_its_former_id(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a rebuild the files have the former id, that of each environment the same."""
    former = 'stores: {vault: {clusterId: "former"}}\n'
    bench.write("prod", f"store: azure\n{former}")
    bench.write("staging", f"store: vault\n{former}")
    monkeypatch.setattr(MemoryStore, "cluster", lambda _self: Cluster("rebuilt", ""))
    stores = bench.live()
    stores.accept("rebuilt")
    setting = Options(root=bench.root, stores=stores)
    plan = retire(bench.environment(), "vault", ("jira",), None, setting, bench.outside).plan()
    assert (plan.writes, plan.steps[0].reason) == ((), 'still read by "staging/jira"')


def test_a_store_that_moved_meanwhile_ends_the_command(bench: Bench) -> None:
    change = bench.change()
    bench.base("https://vault.example.com:8200", "https://vault-2.example.com:8200")
    with pytest.raises(Refusal, match="the address of vault changed meanwhile"):
        change.plan()


def test_a_store_that_may_be_the_same_keeps_what_it_reads_until_a_person_says_that_it_is_not(bench: Bench) -> None:
    bench.write("staging", 'store: vault\nstores: {vault: {server: "https://vault-2.example.com:8200"}}\n')
    step = bench.plan("jira").steps[0]
    assert step.reason == 'it may be read by "staging/jira", in what may be the same store'
    assert step.remedy.endswith('if "staging/vault" is another store, add --not-the-same staging/vault')
    plan = bench.plan("jira", not_the_same=("staging/vault",))
    assert {step.kind for step in plan.steps} == {Kind.DELETE}
    with pytest.raises(Refusal, match='nobody is seen to read a store "staging/volt"') as unknown:
        bench.plan(not_the_same=("staging/volt",))
    assert unknown.value.help == 'did you mean "staging/vault"?'
    bench.write("staging", "store: vault\n")
    with pytest.raises(Refusal, match='the store "staging/vault" is on the same server'):
        bench.plan(not_the_same=("staging/vault",))


def found(bench: Bench, *only: str, read: str = "", store: str = "vault") -> Retirement:
    environment = bench.environment()
    identity = environment.stores[store].identity
    readers = ReadIndex((identity,))
    if read:
        assert readers.register_store("staging/vault", identity)
        readers.add(remote_places(identity, read), "staging/jira", "staging/vault")
    return Retirement(environment, environment.stores[store], only, readers)


def test_a_remote_secret_of_two_secrets_comes_with_both_when_one_is_named(bench: Bench) -> None:
    path = bench.root / "environments/catalogue.yaml"
    path.write_text(path.read_text("utf-8").replace("vault: agents/jira", "vault: agents/github"), "utf-8")
    (both,) = found(bench, "jira").free
    assert (both.name, both.secrets) == ("agents/github", ("github", "jira"))
    assert [secret for secret, _ in both.owners] == ["github", "jira"]


def test_a_secret_without_a_place_in_the_store_is_passed_over(bench: Bench) -> None:
    path = bench.root / "environments/catalogue.yaml"
    path.write_text(path.read_text("utf-8").replace("{vault: agents/jira, ", "{"), "utf-8")
    assert found(bench).skipped == (("jira", 'the catalogue gives it no place in "vault"'),)
    assert found(bench, "github").skipped == ()


def test_a_value_that_several_secrets_have_is_looked_at_once_with_any_of_them(bench: Bench) -> None:
    text = (bench.root / "environments/catalogue.yaml").read_text("utf-8")
    bench.write("catalogue", text + TAKERS)
    bench.base("secrets: {github: {}, ", "secrets: {report: {}, board: {}, github: {}, ")
    (remote,) = [each for each in found(bench, "report").free if each.name == "agents/jira"]
    assert remote.secrets == ("report", "board", "jira")
    assert [(key.secret, key.key) for key in remote.keys] == [("jira", "JIRA_TOKEN"), ("jira", "JIRA_URL")]
    assert found(bench).skipped == ()


ID = "20250131-120000-4fa1c2"
PLACE = StoreLocation("vault", "agents/jira")
DENIED = ForbiddenError(PLACE, Action.DESCRIBE, "no policy", "add one", permission="p")


def test_what_the_serving_store_holds_too_is_deleted_with_every_version(bench: Bench) -> None:
    bench.vault.seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    bench.vault.gone["agents/jira"] = {"v1"}
    bench.vault.seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    plan = bench.plan()
    deletions = [write for write in plan.writes if isinstance(write, DeleteVersions)]
    assert [(write.name, write.versions, write.others) for write in deletions] == [
        ("agents/github", ("v1",), ()),
        ("agents/jira", ("v2", "v3"), ("v1",)),
    ]
    assert {step.kind for step in plan.steps} == {Kind.DELETE}
    assert plan.steps[-1].reason == 'versions v2, v3; "azure" holds the same'
    assert (plan.sources, plan.destinations) == (
        {"azure": bench.azure.address.absolute},
        {"vault": bench.vault.address.absolute},
    )
    assert plan.who == {"vault": "tester"}
    assert str(plan.steps[0].source) == "azure:agents-github#GITHUB_TOKEN"


def test_a_deletion_that_the_store_would_deny_is_refused(bench: Bench) -> None:
    bench.vault.denied = (Problem("forbidden", "agents/jira", "no policy grants it", "add one"),)
    plan = bench.plan()
    assert [write.name for write in plan.writes] == ["agents/github"]
    assert {step.kind for step in plan.steps if step.secret == "jira"} == {Kind.REFUSE}
    assert bench.vault.expected["agents/jira"] == {Use.DELETE_VERSIONS}


def test_of_a_key_vault_all_versions_go_together(bench: Bench) -> None:
    bench.write("prod", "store: vault\n")
    steps = bench.steps(store="azure")
    assert steps["JIRA_URL"].reason == 'all versions; "vault" holds the same'
    assert steps["GITHUB_APP_KEY"].kind is Kind.KEEP


def test_a_named_secret_that_is_read_is_refused_and_an_unnamed_one_left_out(bench: Bench) -> None:
    bench.write("staging", "store: vault\nsecrets: {github: null}\n")
    assert set(bench.steps()) == {"GITHUB_TOKEN"}
    step = bench.steps("jira")["JIRA_URL"]
    assert (step.kind, step.reason) == (Kind.REFUSE, 'still read by "staging/jira"')
    assert ("read", "agents/jira") not in bench.vault.calls


@pytest.mark.parametrize("provider", [providers.VAULT, providers.KEY_VAULT])
def test_what_is_planned_is_deleted_and_nothing_in_the_serving_store_is_touched(
    bench: Bench, provider: Provider
) -> None:
    left, serving = ("vault", "azure") if provider is providers.VAULT else ("azure", "vault")
    bench.write("prod", f"store: {serving}\n")
    planned = bench.change(store=left).plan()
    journal = begin_journal(bench.root, ID, planned, {})
    outcome = apply_plan(planned, RunLog(journal.run))
    journal.close()
    assert [result.state for result in outcome.results] == [State.DONE] * 2
    assert bench.store(left).held == {}
    assert len(bench.store(serving).held) == 2


def test_the_store_that_serves_a_secret_is_named_though_it_has_no_place_for_what_is_looked_at(bench: Bench) -> None:
    path = bench.root / "environments/catalogue.yaml"
    text = path.read_text("utf-8").replace(", remote: {azurekv: {name: github-app-key, whole: true}}", "")
    text = text.replace("vault: agents/github, azurekv: agents-github", "vault: agents/github")
    text = text.replace("Token, variants: [pat]", "Token, remote: {azurekv: agents-github}, variants: [pat]")
    text = text.replace("App id,", "App id, remote: {vault: {name: agents/app, property: ID}},")
    path.write_text(text, "utf-8")
    # So that this is all that nobody reads.
    bench.write("staging", "store: vault\nsecrets: {jira: null}\n")
    bench.vault.seed("agents/app", ID="1")
    plan = bench.plan("github")
    assert [(step.key, step.kind) for step in plan.steps][-1] == ("GITHUB_APP_ID", Kind.REFUSE)
    assert plan.sources == {"azure": bench.azure.address.absolute}


def test_a_key_that_differs_or_is_lacking_keeps_its_whole_remote_secret(bench: Bench) -> None:
    bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="rotated"))
    plan = bench.plan("jira")
    assert plan.writes == ()
    token, url = plan.steps
    assert (token.kind, token.reason) == (Kind.CONFLICT, '"azure", which serves it, holds another value')
    assert token.remedy.endswith("migrate prod --to vault --from azure --only jira --on-conflict overwrite --apply")
    assert (url.kind, url.reason) == (Kind.REFUSE, '"azure", which serves it, does not hold it')
    assert url.remedy == "platform-secrets migrate prod --to azure --from vault --only jira --apply"
    bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="t-2"))
    token, _ = bench.plan("jira").steps
    assert (token.kind, token.reason) == (Kind.KEEP, "the same, but not all of this remote secret is, so it stays")
    assert plan.who == {}


def test_a_blank_where_it_is_served_is_never_written_over_the_value_that_is_left(bench: Bench) -> None:
    bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="", JIRA_URL="https://jira"))
    step = bench.steps("jira")["JIRA_TOKEN"]
    assert (step.kind, step.reason) == (Kind.REFUSE, '"azure", which serves it, does not hold it')
    assert step.remedy == "platform-secrets migrate prod --to azure --from vault --only jira --apply"
    bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="t-2", JIRA_URL="https://jira"))
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN=" ", JIRA_URL="https://jira"))
    assert bench.steps("jira")["JIRA_TOKEN"].kind is Kind.CONFLICT


def test_a_serving_store_that_has_it_deleted_or_does_not_say_keeps_it(bench: Bench) -> None:
    bench.azure.deleted.add("agents-jira")
    step = bench.steps("jira")["JIRA_URL"]
    assert (step.kind, step.reason) == (Kind.REFUSE, '"azure", which serves it, does not hold it: it is soft-deleted')
    bench.azure.failures["read", "agents-jira"] = DENIED
    bench.vault.failures["read", "agents/github"] = DENIED
    steps = bench.steps()
    assert steps["JIRA_URL"].reason == 'it cannot be compared with "azure": no policy'
    assert (steps["GITHUB_TOKEN"].reason, steps["GITHUB_TOKEN"].remedy) == ("it cannot be read: no policy", "add one")
    bench.azure.silence("read", "agents-jira")
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        bench.plan("jira")


def test_the_text_that_stringify_made_of_a_number_is_the_same(bench: Bench) -> None:
    bench.vault.hold("agents/github", {"GITHUB_TOKEN": SecretValue("17", JsonKind.NUMBER)})
    bench.azure.hold("agents-github", secrets(GITHUB_TOKEN="17"))
    assert bench.steps("github")["GITHUB_TOKEN"].kind is Kind.DELETE
    bench.azure.hold("agents-github", {"GITHUB_TOKEN": SecretValue("17", JsonKind.NUMBER)})
    bench.vault.hold("agents/github", secrets(GITHUB_TOKEN="17"))
    assert bench.steps("github")["GITHUB_TOKEN"].kind is Kind.CONFLICT


def test_a_property_that_no_key_names_has_to_be_served_too(bench: Bench) -> None:
    more = secrets(JIRA_TOKEN="t-2", JIRA_URL="https://jira", EXTRA="e")
    bench.vault.hold("agents/jira", more)
    step = bench.steps("jira")["EXTRA"]
    assert (step.kind, "--only jira --all-properties --apply" in step.remedy) == (Kind.REFUSE, True)
    bench.azure.hold("agents-jira", more)
    assert {step.kind for step in bench.steps("jira").values()} == {Kind.DELETE}


def test_a_property_of_a_remote_secret_that_is_no_secrets_own_cannot_be_compared(bench: Bench) -> None:
    bench.write("prod", "store: vault\n")
    bench.vault.hold("agents/github", secrets(GITHUB_TOKEN="t-1", GITHUB_APP_KEY="pem"))
    path = bench.root / "environments/catalogue.yaml"
    text = path.read_text("utf-8")
    text = text.replace("{name: github-app-key, whole: true}", "{name: github-app-key, property: PEM}")
    path.write_text(text, "utf-8")
    bench.azure.seed("github-app-key", PEM="pem", OTHER="x")
    step = bench.steps("github", store="azure")["OTHER"]
    reason = "no key of the environment names it, so that it cannot be compared"
    assert (step.kind, step.reason) == (Kind.REFUSE, reason)


def test_a_whole_value_is_compared_as_one(bench: Bench) -> None:
    bench.write("prod", "store: vault\n")
    bench.vault.hold("agents/github", secrets(GITHUB_TOKEN="t-1", GITHUB_APP_KEY="pem"))
    bench.azure.seed_whole("github-app-key", "pem")
    assert bench.steps("github", store="azure")["GITHUB_APP_KEY"].kind is Kind.DELETE
    bench.azure.seed_whole("github-app-key", "other")
    assert bench.steps("github", store="azure")["GITHUB_APP_KEY"].kind is Kind.CONFLICT


def test_what_is_no_object_or_holds_no_key_is_left_to_a_person(bench: Bench) -> None:
    bench.write("prod", "store: vault\n")
    bench.azure.seed_whole("agents-jira", "text")
    bench.azure.hold("agents-github", {})
    steps = bench.steps(store="azure")
    assert "its value is not a JSON object" in steps["JIRA_URL"].reason
    assert steps["GITHUB_TOKEN"].reason == "what it holds cannot be compared: no key of the catalogue is in it"
    assert {steps[key].kind for key in ("JIRA_URL", "GITHUB_TOKEN")} == {Kind.REFUSE}


def test_a_key_without_a_place_where_it_is_served_is_refused(bench: Bench) -> None:
    path = bench.root / "environments/catalogue.yaml"
    text = path.read_text("utf-8").replace(", remote: {azurekv: {name: github-app-key, whole: true}}", "")
    text = text.replace("vault: agents/github, azurekv: agents-github", "vault: agents/github")
    text = text.replace("Token, variants: [pat]", "Token, remote: {azurekv: agents-github}, variants: [pat]")
    path.write_text(text, "utf-8")
    bench.vault.hold("agents/github", secrets(GITHUB_TOKEN="t-1", GITHUB_APP_ID="1"))
    step = bench.steps("github")["GITHUB_APP_ID"]
    assert (step.kind, step.source) == (Kind.REFUSE, None)
    assert step.reason == 'the catalogue gives it no place in "azure", which serves it'


def test_what_is_not_there_or_deleted_already_is_left(bench: Bench) -> None:
    bench.vault.delete_versions("agents/jira", ("v1",))
    del bench.vault.versions["agents/github"]
    steps = bench.steps()
    assert (steps["JIRA_URL"].kind, steps["JIRA_URL"].reason) == (Kind.KEEP, "it is deleted already")
    assert (steps["GITHUB_TOKEN"].kind, steps["GITHUB_TOKEN"].reason) == (Kind.KEEP, "it is not there")


def test_an_earlier_version_below_a_deleted_one_is_not_passed_over(bench: Bench) -> None:
    bench.vault.seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    bench.vault.soft_delete("agents/jira", "v2")
    step = bench.steps("jira")["JIRA_URL"]
    assert step.kind is Kind.REFUSE
    assert step.reason == "it is soft-deleted, but version v1 can still be read, so that it cannot be compared"
    bench.vault.failures["read", "agents/jira"] = VersionGoneError(
        PLACE, Action.READ, "it is destroyed", "write", version="v2"
    )
    assert "it is destroyed, but version v1 can still be read" in bench.steps("jira")["JIRA_URL"].reason


def test_versions_that_are_not_told_or_change_meanwhile_keep_it(bench: Bench) -> None:
    bench.vault.failures["version_states", "agents/jira"] = DENIED
    step = bench.steps("jira")["JIRA_URL"]
    assert (step.kind, step.remedy) == (Kind.REFUSE, "add one")
    assert step.reason == "which versions of it can be read is not known: no policy"
    bench.vault.failures.clear()

    def before(method: str, name: str) -> None:
        if method == "version_states" and len(bench.vault.versions[name]) == 1:
            bench.vault.hold(name, secrets(JIRA_TOKEN="theirs"))

    bench.vault.before = before
    step = bench.steps("jira")["JIRA_URL"]
    assert (step.kind, step.reason) == (Kind.REFUSE, "it changed while it was looked at")


def test_what_the_store_would_destroy_is_refused_before_anything_is_sent(bench: Bench) -> None:
    bench.vault.problems = (Problem("forbidden", "agents/jira", "a delete would be final", "turn it on"),)
    step = bench.steps("jira")["JIRA_URL"]
    assert (step.kind, step.reason, step.remedy) == (Kind.REFUSE, "a delete would be final", "turn it on")


def test_one_store_under_two_addresses_is_not_compared_with_itself(bench: Bench) -> None:
    bench.base("  azure:", '  again: {provider: vault, name: a, server: "https://again.example.com"}\n  azure:')
    bench.write("prod", "store: again\n")
    bench.store("again").seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    # Two stores that hold the same.
    assert bench.steps("jira")["JIRA_URL"].kind is Kind.DELETE
    made = Attributes(created=datetime(2026, 1, 1, tzinfo=UTC))
    for store in (bench.vault, bench.store("again")):
        (version,) = store.versions["agents/jira"]
        store.versions["agents/jira"] = [replace(version, attributes=made)]
    step = bench.steps("jira")["JIRA_URL"]
    assert (step.kind, step.remedy) == (Kind.REFUSE, "check the addresses of the stores, and VAULT_ADDR")
    assert step.reason == 'it is the same remote secret in "again", seen from this machine'


def test_vault_addr_that_stands_for_both_stores_is_found(bench: Bench) -> None:
    bench.base("  azure:", '  again: {provider: vault, name: a, server: "https://again.example.com"}\n  azure:')
    bench.write("prod", "store: again\n")
    bench.environ["VAULT_ADDR"] = "http://127.0.0.1:8200"
    bench.vault.seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    step = bench.steps("jira")["JIRA_URL"]
    assert (step.kind, "the same remote secret" in step.reason) == (Kind.REFUSE, True)


EARLY, LATE = (Attributes(expires=datetime(2030, 1, day, tzinfo=UTC)) for day in (1, 2))


def dated(store: MemoryStore, name: str, attributes: Attributes) -> None:
    *earlier, newest = store.versions[name]
    store.versions[name] = [*earlier, replace(newest, attributes=attributes)]


@pytest.mark.parametrize(
    ("left", "serving", "kind"),
    [
        (Attributes(), EARLY, Kind.REFUSE),
        (LATE, EARLY, Kind.REFUSE),
        (EARLY, EARLY, Kind.DELETE),
        (EARLY, LATE, Kind.DELETE),
        (EARLY, Attributes(), Kind.DELETE),
    ],
)
def test_what_deletes_itself_before_the_other_does_not_serve_it(
    bench: Bench, left: Attributes, serving: Attributes, kind: Kind
) -> None:
    bench.base("  azure:", '  again: {provider: vault, name: a, server: "https://again.example.com"}\n  azure:')
    bench.write("prod", "store: again\n")
    bench.store("again").seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
    dated(bench.vault, "agents/jira", left)
    dated(bench.store("again"), "agents/jira", serving)
    step = bench.steps("jira")["JIRA_URL"]
    assert step.kind is kind
    if kind is Kind.REFUSE:
        assert step.reason.startswith('in "again", which serves it, version ')
        assert step.reason.endswith(" deletes itself on 2030-01-01")
        assert step.remedy.startswith("to have it stay: bao kv undelete -mount=secret -versions=")


def test_the_expiry_of_a_key_vault_deletes_nothing(bench: Bench) -> None:
    dated(bench.azure, "agents-jira", EARLY)
    assert bench.steps("jira")["JIRA_URL"].kind is Kind.DELETE
    bench.write("prod", "store: vault\n")
    dated(bench.vault, "agents/jira", LATE)
    assert bench.steps("jira", store="azure")["JIRA_URL"].kind is Kind.REFUSE

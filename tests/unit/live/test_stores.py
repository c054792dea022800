from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from compiler.live.stores import AddressError, LiveStores, address_of, secret_named, store_named
from compiler.model.document import Node, Source, extent
from compiler.model.environment import Environment, Store
from compiler.model.store import Sameness, StoreAddress, compare_stores
from compiler.refusal import Refusal
from compiler.stages.load import load_text
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.interface import Cluster, SecretWriter
from compiler.stores.vault.store import VaultStore
from tests import providers
from tests.memory_store import MemoryStore
from tests.refusals import is_refused
from tests.unit.stores.scripted_vault import HEALTH, TOKEN, ScriptedVault, health, refused

WRITTEN = "https://vault.example.com:8200"
FORWARDED = "http://127.0.0.1:8200"
KEY_VAULT = "https://agents.vault.azure.net"


class Adapter:
    """Remembers that it was closed."""

    def __init__(self, address: StoreAddress, environ: Mapping[str, str]) -> None:
        self.address = address
        self.environ = environ
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class Opener:
    def __init__(self) -> None:
        self.made: list[Adapter] = []

    def __call__(self, address: StoreAddress, environ: Mapping[str, str]) -> SecretWriter:
        self.made.append(Adapter(address, environ))
        return cast("SecretWriter", self.made[-1])


@pytest.fixture
def vault(environment: Environment) -> Store:
    return environment.stores["vault"]


@pytest.fixture
def azure(environment: Environment) -> Store:
    return environment.stores["azure"]


def test_a_store_is_where_the_environment_says_with_all_that_tells_it_from_another(vault: Store, azure: Store) -> None:
    own = replace(vault, mount="kv", vault_namespace="team", prefix="prod/")
    assert address_of(own, {}) == StoreAddress(providers.VAULT, WRITTEN, "kv", "team", "prod/")
    assert address_of(vault, {}) == StoreAddress(providers.VAULT, WRITTEN, "secret")
    found = address_of(replace(azure, prefix="prod-"), {})
    assert (found.provider, found.url, found.prefix) == (providers.KEY_VAULT, KEY_VAULT, "prod-")
    assert found.absolute == KEY_VAULT
    document, _ = load_text("base.yaml", "caBundle: LS0t\n")
    assert document is not None
    assert address_of(replace(vault, node=document.root), {}).ca_bundle == "LS0t"


@pytest.mark.parametrize(
    ("written", "variable", "expected"),
    [
        (WRITTEN, FORWARDED, FORWARDED),
        (None, FORWARDED, FORWARDED),
        (WRITTEN, "", WRITTEN),
        (WRITTEN, None, WRITTEN),
    ],
)
def test_a_port_forward_replaces_the_clusters_own_address_of_vault(
    vault: Store, written: str | None, variable: str | None, expected: str
) -> None:
    environ = {} if variable is None else {"VAULT_ADDR": variable}
    assert address_of(replace(vault, address=written), environ).url == expected


def test_a_written_namespace_of_vault_stands_and_the_variable_fills_its_place(vault: Store) -> None:
    outside = {"VAULT_NAMESPACE": "outside"}
    assert address_of(replace(vault, vault_namespace="team"), outside).vault_namespace == "team"
    assert address_of(vault, outside).vault_namespace == "outside"
    assert address_of(vault, {"VAULT_NAMESPACE": ""}).vault_namespace is None


def test_vaults_variables_say_nothing_about_key_vault(azure: Store) -> None:
    environ = {"VAULT_ADDR": FORWARDED, "VAULT_NAMESPACE": "outside"}
    assert address_of(azure, environ) == address_of(azure, {})
    assert address_of(azure, environ).vault_namespace is None
    with pytest.raises(AddressError):
        address_of(replace(azure, address=None), environ)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("vault", "add its server, or set VAULT_ADDR"), ("azure", "add its vaultUrl, or set AZURE_KEYVAULT_NAME")],
)
@pytest.mark.parametrize("address", [None, ""])
def test_a_store_without_an_address_says_what_to_write_or_to_set(
    environment: Environment, name: str, remedy: str, address: str | None
) -> None:
    with pytest.raises(AddressError) as caught:
        address_of(replace(environment.stores[name], address=address), {})
    assert (str(caught.value), caught.value.help) == (f'the store "{name}" has no address', remedy)


def test_a_key_vault_other_than_the_one_that_the_variable_names_is_not_opened(azure: Store, vault: Store) -> None:
    environ = {"AZURE_KEYVAULT_NAME": "Agents"}
    assert address_of(azure, environ) == address_of(azure, {})
    assert address_of(replace(azure, address="https://agents.vault.azure.cn/"), environ).url.endswith("azure.cn/")
    assert address_of(vault, environ) == address_of(vault, {})
    for written in (KEY_VAULT, "https://agents2.vault.azure.net", "https://localhost:8443"):
        with pytest.raises(AddressError) as caught:
            address_of(replace(azure, address=written), {"AZURE_KEYVAULT_NAME": "gents"})
        assert str(caught.value) == 'AZURE_KEYVAULT_NAME names another vault than the vaultUrl of the store "azure"'
        assert caught.value.help == "unset AZURE_KEYVAULT_NAME, or correct vaultUrl"
    assert address_of(azure, {"AZURE_KEYVAULT_NAME": ""}) == address_of(azure, {})


def test_a_store_is_opened_once_and_only_when_it_is_asked_for(vault: Store, azure: Store) -> None:
    opener, environ = Opener(), {"VAULT_TOKEN": "t"}
    with LiveStores(environ, opener) as stores:
        assert opener.made == []
        first = stores.open(vault)
        assert stores.open(vault) is first
        assert stores.open(azure) is not first
    assert [each.address for each in opener.made] == [address_of(vault, {}), address_of(azure, {})]
    assert all(each.environ is environ for each in opener.made)


@pytest.mark.parametrize(
    ("environ", "is_told"),
    [
        ({}, True),
        ({"PLATFORM_SECRETS_VAULT_AUTH": "token"}, True),
        ({"VAULT_TOKEN": "t"}, False),
        ({"VAULT_TOKEN": ""}, False),
        ({"VAULT_TOKEN_FILE": "t"}, False),
        ({"PLATFORM_SECRETS_VAULT_AUTH": "approle"}, False),
    ],
)
def test_a_token_that_lies_in_the_home_folder_is_told_once(
    vault: Store, azure: Store, environ: dict[str, str], tmp_path: Path, *, is_told: bool
) -> None:
    told: list[str] = []
    (tmp_path / ".vault-token").write_text("t")
    environ = {**environ, "HOME": str(tmp_path)}
    with LiveStores(environ, Opener()) as stores:
        stores.on_note(told.append)
        stores.open(azure)
        assert told == []
        stores.open(vault)
        stores.open(replace(vault, mount="other"))
    address = address_of(vault, environ).absolute
    note = f"VAULT_TOKEN is not set: logging in to {address} with the token of ~/.vault-token"
    assert told == ([note] if is_told else [])


def test_two_names_of_one_address_share_an_adapter_and_its_limits(vault: Store) -> None:
    opener = Opener()
    with LiveStores({}, opener) as stores:
        same = stores.open(vault)
        assert stores.open(replace(vault, id="other", name="other-store", kind="SecretStore")) is same
        for other in (
            replace(vault, mount="kv"),
            replace(vault, vault_namespace="team"),
            replace(vault, prefix="prod/"),
            replace(vault, address="https://other.example.com"),
        ):
            assert stores.open(other) is not same
    assert len(opener.made) == 5


def test_all_are_closed_once_at_the_end_whatever_ended_it(vault: Store, azure: Store) -> None:
    opener = Opener()
    stores = LiveStores({}, opener)

    def run() -> None:
        with stores:
            stores.open(vault)
            stores.open(azure)
            assert [each.closed for each in opener.made] == [0, 0]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert [each.closed for each in opener.made] == [1, 1]
    with stores:
        stores.open(vault)
    assert [each.closed for each in opener.made] == [1, 1, 1]


def test_a_store_that_cannot_be_opened_is_tried_again_and_never_handed_out(vault: Store) -> None:
    error = StoreError(
        StoreLocation(WRITTEN), Action.CONNECT, "the authority is unknown", "name its file", Code.TLS_FAILURE
    )
    opener, tries = Opener(), 0

    def failing_once(address: StoreAddress, environ: Mapping[str, str]) -> SecretWriter:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise error
        return opener(address, environ)

    with LiveStores({}, failing_once) as stores:
        with pytest.raises(StoreError, check=is_refused(Code.TLS_FAILURE)) as caught:
            stores.open(vault)
        assert caught.value is error
        assert stores.open(vault).address.url == WRITTEN
    assert [each.closed for each in opener.made] == [1]


def test_without_another_opener_it_is_the_providers_own_adapter(vault: Store) -> None:
    with LiveStores({"VAULT_TOKEN": "t"}) as stores:
        opened = stores.open(vault)
        assert isinstance(opened, VaultStore)
        assert opened.address == address_of(vault, {})


def test_a_store_is_known_by_its_own_address_and_as_it_is_reached_from_here(vault: Store) -> None:
    written = vault.identity
    forwarded = LiveStores({"VAULT_ADDR": "http://127.0.0.1:8200"})
    here = written._replace(server="localhost:8200")
    assert LiveStores({}).identities(vault) == (written,)
    assert forwarded.identities(vault) == (here, written)
    nowhere = replace(vault, address=None)
    assert forwarded.identities(nowhere) == (here,)
    with pytest.raises(AddressError):
        LiveStores({}).identities(nowhere)


CLUSTER = Cluster("c1", "vault-1")


@pytest.fixture
def told() -> list[str]:
    return []


def live(scripted: ScriptedVault, told: list[str], **environ: str) -> LiveStores:
    stores = LiveStores({"VAULT_TOKEN": TOKEN, "VAULT_ADDR": scripted.url, **environ})
    stores.on_note(told.append)
    return stores


@pytest.fixture
def scripted() -> Iterator[ScriptedVault]:
    with ScriptedVault() as server:
        server.on("GET", HEALTH, health("c1", cluster_name="vault-1"))
        yield server


def test_a_variable_that_replaces_a_written_address_is_said_once_with_the_server_behind_it(
    scripted: ScriptedVault, vault: Store, told: list[str]
) -> None:
    with live(scripted, told) as stores:
        for store in (vault, replace(vault, id="copy"), replace(vault, mount="other")):
            with suppress(StoreError):
                stores.open(store).cluster()
        assert told == [f'VAULT_ADDR replaces {WRITTEN} of prod; this Vault is "vault-1" (c1)']
        # One connection for two environments: the second one's is said too.
        stores.open(replace(vault, environment="staging"))
        assert told[1:] == [f'VAULT_ADDR replaces {WRITTEN} of staging; this Vault is "vault-1" (c1)']
        served = stores.servers("prod")["vault"]
        assert (served.cluster, served.replaces, served.said, served.is_accepted) == (CLUSTER, WRITTEN, told[0], False)
        assert list(stores.servers("staging")) == ["vault"]
    assert scripted.paths("GET").count(HEALTH) == 2


@pytest.mark.parametrize(
    ("written", "name", "said"),
    [
        ("{url}", "prod", None),
        ("{url}/", "prod", None),
        (
            None,
            "prod",
            f'"vault" of prod has no server, so VAULT_ADDR gives it; this Vault is {CLUSTER}',
        ),
        # A values file has no address of a store that it does not render.
        (None, "", None),
    ],
)
def test_only_a_variable_that_decides_the_place_is_said(
    scripted: ScriptedVault, vault: Store, told: list[str], written: str | None, name: str, said: str | None
) -> None:
    address = written.format(url=scripted.url) if written is not None else None
    with live(scripted, told) as stores:
        stores.open(replace(vault, address=address, environment=name)).cluster()
        assert told == ([] if said is None else [said])
        assert stores.servers(name)["vault"].said == (said or "")


def test_a_server_that_does_not_say_who_it_is_is_said(scripted: ScriptedVault, vault: Store, told: list[str]) -> None:
    scripted.on("GET", HEALTH, refused(403, "permission denied"))
    with live(scripted, told) as stores:
        stores.open(replace(vault, cluster_id="c1")).cluster()
        assert stores.servers("prod")["vault"].cluster is None
    assert told == [
        f"VAULT_ADDR replaces {WRITTEN} of prod; this Vault does not say which one it is",
        'the server of "vault" of prod does not say which Vault it is, so it may not be c1',
    ]


def test_a_key_vaults_name_in_a_variable_is_said(azure: Store, told: list[str]) -> None:
    url = Node(KEY_VAULT, Source("AZURE_KEYVAULT_NAME", KEY_VAULT), extent(0, len(KEY_VAULT)))
    filled = replace(azure, node=Node({**azure.node.children, "vaultUrl": url}, azure.node.source, azure.node.extent))
    said = '"azure" of {} has no vaultUrl, so AZURE_KEYVAULT_NAME gives it, as for every environment without one'
    with LiveStores({"AZURE_KEYVAULT_NAME": "agents", "AZURE_KEYVAULT_TOKEN": "t"}) as stores:
        stores.on_note(told.append)
        stores.open(azure)
        assert stores.servers("prod")["azure"].said == ""
        stores.open(filled)
        # The compiler has told it already.
        assert (stores.servers("prod")["azure"].said, told) == (f"{said.format('prod')}: {KEY_VAULT}", [])


def test_a_store_names_its_vault_and_a_run_the_one_that_it_was_on(vault: Store) -> None:
    named = replace(vault, cluster_id="c1")
    stores = LiveStores({}, Opener())
    assert (stores.address(vault).cluster_ids, stores.address(named).cluster_ids) == ((), ("c1",))
    stores.expect("prod", {"vault": "c2"}, "the run r")
    assert stores.address(vault).cluster_ids == ("c2",)
    assert stores.address(replace(vault, environment="staging")).cluster_ids == ()
    message = 'the run r was on the Vault c2, and the clusterId of "vault" is c1'
    with pytest.raises(AddressError, match=message) as caught:
        stores.address(named)
    assert caught.value.help == "if it was rebuilt or has failed over since, add --accept-cluster c1"
    stores.accept("c3")
    assert stores.address(vault).cluster_ids == ("c2", "c3")
    # Neither of the two alone is what both mean.
    assert stores.address(named).cluster_ids == ("c3",)
    stores.accept(None)
    assert stores.address(vault).cluster_ids == ("c2",)


def test_an_id_is_accepted_where_it_is_not_the_one_that_is_meant(
    scripted: ScriptedVault, vault: Store, told: list[str]
) -> None:
    for meant, is_accepted in (("c1", False), ("c2", True)):
        with live(scripted, told) as stores:
            stores.accept("c1")
            stores.open(replace(vault, cluster_id=meant)).cluster()
            assert stores.servers("prod")["vault"].is_accepted is is_accepted


def test_a_variable_that_would_skip_the_check_of_a_certificate_is_ignored_with_a_note(
    scripted: ScriptedVault, vault: Store, told: list[str]
) -> None:
    for name in ("VAULT_SKIP_VERIFY", "BAO_SKIP_VERIFY"):
        with live(scripted, told, **{name: "true"}) as stores:
            stores.open(vault)
            stores.open(vault)
        why = "a Vault's certificate is always checked; VAULT_CACERT names the file of a private authority"
        assert [each for each in told if "ignored" in each] == [f"{name} is ignored: {why}"]
        told.clear()
        for off in ("", "0", "false", "FALSE"):
            with live(scripted, told, **{name: off}) as stores:
                stores.open(vault)
        assert not any("ignored" in each for each in told)


def test_a_reachable_at_is_asked_and_is_not_what_the_store_is(
    scripted: ScriptedVault, vault: Store, told: list[str]
) -> None:
    own = replace(vault, reachable_at=scripted.url)
    with live(scripted, told, VAULT_ADDR="http://127.0.0.1:1") as stores:
        stores.open(own).cluster()
        assert told == ['VAULT_ADDR is ignored for "vault" of prod, which has a reachableAt of its own']
        assert stores.address(own).absolute == address_of(vault, {}).absolute
        assert stores.servers("prod")["vault"].replaces is None
    assert scripted.paths("GET") == [HEALTH]
    assert address_of(replace(own, address=None), {}).url == scripted.url


def test_what_a_store_is_known_as_has_what_its_server_says(scripted: ScriptedVault, vault: Store) -> None:
    scripted.on("GET", HEALTH, health(version="2.7.2"))
    with live(scripted, []) as stores:
        here, written = stores.identities(vault)
        # What is reached stands for what is written.
        assert (here.server_id, written.server_id) == ("c1", "c1")
        assert (here.has_namespaces, written.has_namespaces) == (True, True)
        elsewhere = replace(vault, address="http://vault.vault.svc:8200").identity
        assert compare_stores(here, elsewhere._replace(server_id="c2")) is Sameness.ANOTHER
        for ids in ("c1", "c2"):
            assert compare_stores(here, elsewhere._replace(ids=frozenset({ids}))) is Sameness.UNPROVEN
    with live(scripted, []) as stores:
        (own,) = stores.identities(replace(vault, address=scripted.url))
        assert (own.server_id, own.ids) == ("c1", frozenset({"c1"}))
    with live(scripted, [], VAULT_ADDR="") as stores:
        (own,) = stores.identities(replace(vault, reachable_at=scripted.url))
        assert own == vault.identity._replace(server_id="c1", ids=frozenset({"c1"}), has_namespaces=True)
    with LiveStores({"VAULT_TOKEN": TOKEN, "VAULT_ADDR": "http://127.0.0.1:1"}) as stores:
        here, written = stores.identities(replace(vault, cluster_id="c9"))
        assert (here.ids, here.server_id) == (frozenset(), None)
        assert (written.ids, written.server_id) == (frozenset({"c9"}), None)


def test_the_server_of_another_environment_is_asked_where_its_files_lead_there(
    scripted: ScriptedVault, vault: Store
) -> None:
    opener, service = Opener(), "http://vault.vault.svc:8200"
    unreached = [
        replace(vault, address=service, cluster_id="c9"),
        replace(vault, address=FORWARDED, cluster_id="c9"),
        # Nothing is claimed that could be proven.
        vault,
    ]
    stores = LiveStores({"VAULT_ADDR": "http://127.0.0.1:1"}, opener)
    assert [stores.identity_of_other(each) for each in unreached] == [each.identity for each in unreached]
    assert opener.made == []
    with live(scripted, [], VAULT_ADDR="http://127.0.0.1:1") as stores:
        qa = replace(vault, address=service, cluster_id="c1", reachable_at=scripted.url)
        for environment in ("qa", "qa-2"):
            found = stores.identity_of_other(replace(qa, environment=environment))
            # A written id does not keep the server from being asked.
            assert found == qa.identity._replace(server_id="c1")
        # What answers at the port-forward is not the Vault that is written.
        stale = replace(qa, cluster_id="c9")
        assert stores.identity_of_other(stale) == stale.identity
        assert stores.identity_of_other(replace(qa, reachable_at="http://127.0.0.1:1")) == qa.identity
    # It is asked once, and sent no token.
    assert [(each.path, each.token) for each in scripted.asked] == [(HEALTH, None)]


def test_an_address_that_is_one_everywhere_is_asked_for_the_id_that_is_claimed(vault: Store) -> None:
    asked: list[StoreAddress] = []

    def opened(address: StoreAddress, _environ: Mapping[str, str]) -> SecretWriter:
        asked.append(address)
        found = MemoryStore(address)
        found.server = Cluster("c2", "", has_namespaces=True)
        return cast("SecretWriter", found)

    with LiveStores({"VAULT_ADDR": FORWARDED}, opened) as stores:
        found = stores.identity_of_other(replace(vault, cluster_id="c9"))
    assert (found.server_id, found.has_namespaces) == ("c2", True)
    # By no variable, and whatever id is written.
    assert [(each.url, each.cluster_ids) for each in asked] == [(WRITTEN, ())]


def test_openbaos_set_of_variables_is_named_where_it_counts(scripted: ScriptedVault, vault: Store) -> None:
    told: list[str] = []
    with LiveStores({"BAO_ADDR": scripted.url, "BAO_TOKEN": TOKEN, "BAO_NAMESPACE": "team"}) as stores:
        stores.on_note(told.append)
        store = stores.open(vault)
        store.whoami()
        assert store.address.vault_namespace == "team"
    theirs = 'BAO_NAMESPACE is used, because "vault" of prod has no vaultNamespace'
    assert told == [f'BAO_ADDR replaces {WRITTEN} of prod; this Vault is "vault-1" (c1); {theirs}']
    assert [asked.token for asked in scripted.asked] == [None, TOKEN, TOKEN]
    mixed = {"BAO_ADDR": scripted.url, "VAULT_TOKEN": TOKEN, "BAO_NAMESPACE": "team"}
    assert address_of(vault, mixed) == address_of(vault, {})


def test_what_is_waited_for_is_said_too(vault: Store, told: list[str]) -> None:
    with LiveStores({"VAULT_TOKEN": TOKEN}) as stores:
        stores._wait("waiting")
        stores.on_note(told.append)
        stores._wait("waiting")
        stores._wait("waiting")
    assert told == ["waiting"] * 2


def test_a_namespace_that_only_this_machine_has_is_said(scripted: ScriptedVault, vault: Store, told: list[str]) -> None:
    """The operator reads without it: what is compared in it may not be there."""
    environ = {"VAULT_NAMESPACE": "team", "VAULT_ADDR": ""}
    with live(scripted, told, **environ) as stores:
        stores.open(replace(vault, reachable_at=scripted.url)).cluster()
        assert stores.servers("prod")["vault"].said == told[0]
    assert told == ['VAULT_NAMESPACE is used, because "vault" of prod has no vaultNamespace']
    with live(scripted, told, **environ) as stores:
        stores.open(replace(vault, reachable_at=scripted.url, vault_namespace="own")).cluster()
    assert len(told) == 1


def test_a_store_is_found_by_its_id_then_by_its_kubernetes_name(environment: Environment) -> None:
    vault = environment.stores["vault"]
    assert store_named(environment, "vault") is vault
    assert store_named(environment, vault.name) is vault
    taken = replace(environment.stores["azure"], name="vault")
    assert store_named(replace(environment, stores={"vault": vault, "azure": taken}), "vault") is vault


def test_an_unknown_store_is_told_the_nearest(environment: Environment) -> None:
    with pytest.raises(Refusal) as caught:
        store_named(environment, "azur")
    assert (caught.value.kind, caught.value.message) == ("usage", 'the environment "prod" has no store "azur"')
    assert caught.value.help == 'did you mean "azure"?'


def test_a_secret_is_found_by_its_id(environment: Environment) -> None:
    name = next(iter(environment.secrets))
    assert secret_named(environment, name) is environment.secrets[name]
    with pytest.raises(Refusal) as caught:
        secret_named(environment, f"{name}x")
    assert (caught.value.kind, caught.value.help) == ("usage", f'did you mean "{name}"?')
    assert caught.value.message == f'the environment "prod" has no secret "{name}x"'


def test_without_any_secret_the_way_out_makes_the_first(environment: Environment) -> None:
    with pytest.raises(Refusal) as caught:
        secret_named(replace(environment, secrets={}), "github")
    line = "platform-secrets new secret NAME --key KEY --into prod"
    assert (caught.value.message, caught.value.help) == (
        'the environment "prod" has no secret "github"',
        f"add one: {line}",
    )


def test_a_store_in_a_secrets_place_is_said_to_be_one(environment: Environment) -> None:
    with pytest.raises(Refusal) as caught:
        secret_named(environment, "vault")
    assert caught.value.help == '"vault" is a store'


def test_a_disabled_secret_is_not_said_to_be_unknown(environment: Environment) -> None:
    with pytest.raises(Refusal) as caught:
        secret_named(replace(environment, disabled=("jira",)), "jira")
    assert caught.value.message == 'the secret "jira" is disabled in "prod"'
    assert (caught.value.help or "").startswith("remove `enabled: false` from it, at environments/")

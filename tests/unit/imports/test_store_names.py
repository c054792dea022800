from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.imports.plan import plan_import
from compiler.imports.proof import prove
from compiler.imports.sources import open_target
from compiler.imports.store_names import StoreContents, contents_lines, read_contents
from compiler.live.readers import ReadIndex
from compiler.model.store import StoreAddress, remote_places
from compiler.refusal import Refusal
from compiler.stores.errors import Action, Code, ForbiddenError, StoreError, StoreLocation
from compiler.stores.interface import Attributes, Listing
from tests.memory_store import MemoryStore
from tests.providers import VAULT
from tests.unit.operations.cutover_bench import Bench

SENTINEL = "s3ntinel-4711"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    found = Bench(tmp_path)
    found.vault = MemoryStore(StoreAddress(VAULT, "https://vault"))
    found.equal()
    for name in ("team-a/db", "team-a/api", "team-b/db"):
        found.vault.seed(name, DB_USER=SENTINEL, DB_PASSWORD=SENTINEL)
    return found


def contents(bench: Bench, store: str = "vault", patterns: Sequence[str] = ()) -> StoreContents:
    environment = bench.environment()
    reader = bench.vault if store == "vault" else bench.azure
    return read_contents(open_target(bench.root, "prod"), environment, environment.stores[store], reader, patterns)


def test_what_no_entry_covers_is_found_by_names_alone(bench: Bench) -> None:
    found = contents(bench)
    assert (found.seen, found.covered) == (5, 2)
    assert {each.name: [key.name for key in each.secrets[0].keys] for each in found.objects} == {
        name: ["DB_USER", "DB_PASSWORD"] for name in ("team-a/db", "team-a/api", "team-b/db")
    }
    assert {method for method, _ in bench.vault.calls} == {"list_names", "property_names"}
    assert SENTINEL not in repr(found) + "".join(contents_lines(found))


def test_entries_are_planned_that_read_them_where_they_are(bench: Bench) -> None:
    found = contents(bench)
    plan = plan_import(open_target(bench.root, "prod"), found.objects)
    assert prove(plan)["taken"].keys == 6
    assert {each.id: each.found.name for each in plan.secrets} == {
        "a-api": "team-a-api",
        "a-db": "team-a-db",
        "b-db": "team-b-db",
    }
    (catalogue,) = [each.text for each in plan.outputs if each.shown.endswith("catalogue.yaml")]
    assert "remote: {vault: team-a/db}" in catalogue


def test_a_pattern_lists_its_folder_alone(bench: Bench) -> None:
    found = contents(bench, patterns=["team-a/*"])
    assert sorted(each.name for each in found.objects) == ["team-a/api", "team-a/db"]
    assert [name for method, name in bench.vault.calls if method == "list_names"] == ["team-a/"]
    assert [each.name for each in contents(bench, patterns=["*/db"]).objects] == ["team-a/db", "team-b/db"]


def test_a_text_of_a_key_vault_is_one_key_and_its_json_every_property(bench: Bench) -> None:
    bench.azure.seed_whole("smtp-password", SENTINEL)
    bench.azure.seed_whole("shop", f'{{"A": "{SENTINEL}"}}')
    newest = bench.azure.versions["shop"][-1]
    bench.azure.versions["shop"][-1] = replace(newest, attributes=Attributes(content_type="application/json"))
    bench.azure.seed_whole("tls", SENTINEL)
    newest = bench.azure.versions["tls"][-1]
    bench.azure.versions["tls"][-1] = replace(newest, attributes=Attributes(managed=True))
    found = contents(bench, "azure")
    smtp, shop = sorted(found.objects, key=lambda each: each.name, reverse=True)
    assert [(key.name, key.property) for key in smtp.secrets[0].keys] == [("SMTP_PASSWORD", None)]
    (secret,) = shop.secrets
    assert (shop.reasons, secret.extract, secret.names_keys, secret.keys[0].remote_key) == ((), True, False, "shop")
    plan = plan_import(open_target(bench.root, "prod"), found.objects)
    (catalogue,) = [each.text for each in plan.outputs if each.shown.endswith("catalogue.yaml")]
    assert "  shop:\n    target: shop\n    remote: {azurekv: shop}\n    extract: true\n" in catalogue
    assert found.managed == 1
    assert "  1 of certificates: passed over" in [*contents_lines(found)]
    assert SENTINEL not in repr(found)


def test_names_that_another_provider_would_change_or_merge_are_said(bench: Bench) -> None:
    bench.vault.seed("team_c/db", KEY="v")
    bench.vault.seed("Team-A/db", KEY="v")
    lines = [*contents_lines(contents(bench))]
    assert 'in "azure" 1 name would change beyond the separator, such as "team_c/db" to "team-c-db"' in lines
    assert 'in "azure" these would have one name: "team-a/db", "Team-A/db"' in lines


def test_what_nothing_in_the_cluster_reads_is_said(bench: Bench) -> None:
    environment = bench.environment()
    store = environment.stores["vault"]
    readers = ReadIndex((store.identity,))
    readers.register_store("cluster", store.identity)
    readers.add(remote_places(store.identity, "team-a/db"), "agents/db", "cluster")
    found = read_contents(open_target(bench.root, "prod"), environment, store, bench.vault, (), readers)
    assert found.unread == ("team-a/api", "team-b/db")
    assert 'nothing in the cluster reads "team-a/api", "team-b/db"' in [*contents_lines(found)]
    # Where it was not asked nothing is said.
    assert not [each for each in contents_lines(contents(bench)) if "cluster" in each]


def test_a_deleted_name_is_passed_over_and_a_refused_one_refused(bench: Bench) -> None:
    bench.vault.deleted.add("team-b/db")
    place = StoreLocation("https://vault", "team-a/api")
    denied = ForbiddenError(
        place, Action.LIST, '"read on secret/subkeys/team-a/api" is denied', "add a rule", permission=""
    )
    bench.vault.failures["property_names", "team-a/api"] = denied
    found = contents(bench)
    assert (found.gone, [each.name for each in found.objects if not each.reasons]) == (1, ["team-a/db"])
    assert [each.reasons[0].help for each in found.objects if each.reasons] == ["add a rule"]
    bench.vault.failures["list_names", ""] = StoreError(
        StoreLocation("https://vault"), Action.LIST, "it is sealed", "unseal it", Code.SEALED
    )
    with pytest.raises(StoreError, match="it is sealed"):
        contents(bench)


def test_a_list_that_leads_to_itself_or_has_no_end_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"": Listing({"a": Attributes()}, ("x/",)), "x/": Listing({}, ("x/", ""))}
    monkeypatch.setattr(MemoryStore, "list_names", lambda _self, at="": pages[at])
    monkeypatch.setattr(MemoryStore, "property_names", lambda _self, _name: ("KEY",))
    assert [each.name for each in contents(bench).objects] == ["a"]
    endless = Listing({f"n{number}": Attributes() for number in range(60_000)})
    monkeypatch.setattr(MemoryStore, "list_names", lambda _self, _at="": endless)
    with pytest.raises(Refusal, match='the store "vault" holds more than 50000 remote secrets'):
        contents(bench)

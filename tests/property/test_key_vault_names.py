"""Two places of Vault never become one of Key Vault unnoticed, whatever names, prefixes and stores come together."""

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from compiler.model.document import Document
from compiler.model.environment import Environment, Project
from compiler.pipeline import Checker
from compiler.stages.load import load_text
from compiler.stages.resolve import Resolver, catalogue_of, merge
from compiler.stages.validate import validate

Data = dict[str, Any]
Fields = dict[str, st.SearchStrategy[Any]]
# A vault and a name as Key Vault takes it, a property or the whole; and where the value lies in Vault.
Use = tuple[str, str, str | None, tuple[str, str] | None]

PATHS = ["a/b-c", "a-b/c", "a/b/c", "A/b-c"]
NAMES = ["a-b-c", "A-B-c", "b-c", "c", "C", "d"]
PREFIXES = ["", "a-", "A-", "a-b-"]
VAULTS = {"one": "https://one.vault.azure.net", "two": "https://ONE.vault.azure.net/", "far": "https://far.example"}
SHARED_PLACE, COLLISION = "shared-place", "key-vault-name-collision"


def keys() -> st.SearchStrategy[Data]:
    name, property_ = {"name": st.sampled_from(NAMES)}, {"property": st.sampled_from("AB")}
    forms: list[Fields] = [name, property_, {**name, **property_}, {**name, "whole": st.just(value=True)}]
    place = st.one_of([st.fixed_dictionaries(form) for form in forms])
    remote = st.fixed_dictionaries({}, optional={"remote": st.fixed_dictionaries({"azurekv": place})})
    return st.dictionaries(st.sampled_from("AB"), remote, min_size=1)


def remotes() -> st.SearchStrategy[Data]:
    return st.fixed_dictionaries({"vault": st.sampled_from(PATHS), "azurekv": st.sampled_from(NAMES)})


def catalogues() -> st.SearchStrategy[Data]:
    entry = st.fixed_dictionaries({"remote": remotes(), "keys": keys()})
    return st.dictionaries(st.sampled_from(["e1", "e2", "e3"]), entry, min_size=1)


def environments() -> st.SearchStrategy[Data]:
    url = st.sampled_from(list(VAULTS.values()))
    store = st.fixed_dictionaries({"vaultUrl": url, "prefix": st.sampled_from(PREFIXES)})
    azure, vault = {"azurekv": st.sampled_from(NAMES)}, {"vault": st.sampled_from(PATHS)}
    override = st.one_of([st.fixed_dictionaries(form) for form in (azure, vault, {**azure, **vault})])
    secret = st.fixed_dictionaries({"store": st.sampled_from(["k1", "k2", "v"])}, optional={"remote": override})
    return st.fixed_dictionaries(
        {
            "stores": st.fixed_dictionaries({"k1": store, "k2": store}),
            "secrets": st.fixed_dictionaries(dict.fromkeys(("e1", "e2", "e3"), secret)),
        }
    )


def uses(entry: Data, remote: Data, address: str, prefix: str) -> Iterator[Use]:
    yield address, prefix + remote["azurekv"], None, None
    for key, says in entry["keys"].items():
        own = says.get("remote", {}).get("azurekv", {})
        property_ = None if own.get("whole") else own.get("property", key)
        yield address, prefix + own.get("name", remote["azurekv"]), property_, (remote["vault"], key)


def meets(found: Iterable[Use]) -> bool:
    """Whether two of these are one secret or one value of Key Vault and not of Vault."""
    for (at, name, one, vault), (other_at, other, two, other_vault) in itertools.combinations(found, 2):
        if at != other_at or name.lower() != other.lower():
            continue
        if name != other or (vault and other_vault and vault != other_vault and one == two):
            return True
    return False


def mixed(found: Iterable[tuple[str, Use]]) -> bool:
    """Whether an entry has the whole of a secret of which another has a property."""
    return any(
        entry != other and use[:2] == its[:2] and use[3] and its[3] and (use[2] is None) != (its[2] is None)
        for (entry, use), (other, its) in itertools.combinations(found, 2)
    )


def collides(catalogue: Data, environment: Data) -> bool:
    groups: dict[str, list[tuple[str, Use]]] = {}
    for name, entry in catalogue.items():
        groups.setdefault("catalogue", []).extend((name, use) for use in uses(entry, entry["remote"], "", ""))
        secret = environment["secrets"][name]
        remote = {**entry["remote"], **secret.get("remote", {})}
        for store, data in environment["stores"].items():
            if secret["store"] not in (store, "v"):
                continue
            address = data["vaultUrl"].rstrip("/").lower()
            found = [(name, use) for use in uses(entry, remote, address, data["prefix"])]
            groups.setdefault(f"filled {store}", []).extend(found)
            if secret["store"] == store:
                groups.setdefault("read", []).extend(found)
    return any(meets(use for _, use in group) or mixed(group) for group in groups.values())


def document(path: str, data: Data, schema: str) -> Document:
    loaded, refused = load_text(path, json.dumps(data, indent=1))
    assert loaded is not None, refused
    checked, wrong = validate(loaded, schema)
    assert not wrong
    return checked


def project(catalogue: Data, **environments: Data) -> Project:
    entries = {name: {"target": name, "syncWave": 0, **entry} for name, entry in catalogue.items()}
    secrets = catalogue_of(document("environments/catalogue.yaml", {"secrets": entries}, "catalogue"))
    made: list[Environment] = []
    for name, data in environments.items():
        stores = {
            store: {"provider": "azurekv", "name": store, **{name: text for name, text in more.items() if text}}
            for store, more in data["stores"].items()
        }
        stores["v"] = {"provider": "vault", "name": "v", "server": f"https://{name}.example.com"}
        chosen = {secret: says for secret, says in data["secrets"].items() if secret in catalogue}
        layer = document(f"environments/{name}.yaml", {"stores": stores, "secrets": chosen}, "environment")
        root, _ = merge([layer])
        made.append(Resolver(secrets).environment(name, root, [layer]))
    return Project(secrets, tuple(made), tuple(environments), {})


def reads(catalogue: Data, environment: Data) -> set[tuple[str, str]]:
    """The remote secrets of Key Vault that the environment's keys lie in."""
    found = set()
    for name, entry in catalogue.items():
        secret = environment["secrets"][name]
        if secret["store"] != "v":
            store = environment["stores"][secret["store"]]
            remote = {**entry["remote"], **secret.get("remote", {})}
            address = store["vaultUrl"].rstrip("/").lower()
            found |= {
                (at, at_name.lower())
                for at, at_name, _, vault in uses(entry, remote, address, store["prefix"])
                if vault
            }
    return found


DERIVED = {
    "e1": {"remote": {"vault": "a/b-c", "azurekv": "a-b-c"}, "keys": {"A": {}}},
    "e2": {"remote": {"vault": "a-b/c", "azurekv": "a-b-c"}, "keys": {"A": {}}},
}
PLAIN = {
    "stores": {"k1": {"vaultUrl": VAULTS["one"], "prefix": ""}, "k2": {"vaultUrl": VAULTS["far"], "prefix": ""}},
    "secrets": {name: {"store": "v"} for name in ("e1", "e2", "e3")},
}


@given(catalogues(), environments())
@example(DERIVED, PLAIN)
def test_places_that_meet_in_one_vault_are_an_error_and_others_are_none(catalogue: Data, environment: Data) -> None:
    made, checker = project(catalogue, prod=environment), Checker()
    found = (*checker.catalogue(made.catalogue), *checker.environment(made.environments[0]))
    assert any(each.rule == COLLISION for each in found) is collides(catalogue, environment)


@given(catalogues(), environments(), environments())
def test_environments_that_meet_in_one_vault_are_told(catalogue: Data, first: Data, second: Data) -> None:
    found = Checker().project(project(catalogue, dev=first, prod=second))
    meeting = bool(reads(catalogue, first) & reads(catalogue, second))
    assert any(each.rule == SHARED_PLACE for each in found) is meeting

import json

import pytest

from compiler.model.catalogue import UNLIMITED, CatalogueKey, Entry, KeyRemote
from compiler.model.document import Node, Source, extent
from compiler.model.store import Place, place_of, remote_of, way_to_place
from compiler.stages.load import load_text
from tests import providers


def key(own: KeyRemote | None) -> CatalogueKey:
    remote = {"azurekv": own} if own else {}
    return CatalogueKey("TOKEN", "A token", (), UNLIMITED, remote, Node(None, Source("c.yaml"), extent(0, 0)))


def entry(remote: dict[str, str]) -> Entry:
    node = Node(None, Source("c.yaml"), extent(0, 0))
    return Entry("github", "", "github", remote, 0, None, (), {}, (), node)


@pytest.mark.parametrize(
    ("own", "remote", "expected"),
    [
        (None, "github", Place("dev-github", "TOKEN")),
        (None, None, None),
        (KeyRemote(), "github", Place("dev-github", "TOKEN")),
        (KeyRemote(property="token"), "github", Place("dev-github", "token")),
        (KeyRemote(property="token"), None, None),
        (KeyRemote(name="app-key"), "github", Place("dev-app-key", "TOKEN")),
        (KeyRemote(name="app-key"), None, Place("dev-app-key", "TOKEN")),
        (KeyRemote(name="app-key", property="pem"), None, Place("dev-app-key", "pem")),
        (KeyRemote(name="app-key", whole=True), "github", Place("dev-app-key", None)),
        (KeyRemote(whole=True), "github", Place("dev-github", None)),
    ],
)
def test_what_a_key_leaves_out_comes_from_its_secret(
    own: KeyRemote | None, remote: str | None, expected: Place | None
) -> None:
    assert place_of(key(own), "azurekv", remote, "dev-") == expected


def test_what_a_key_says_for_one_provider_is_nothing_to_another() -> None:
    assert place_of(key(KeyRemote(name="app-key", whole=True)), "vault", "a/github", "") == Place("a/github", "TOKEN")


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        (None, "catalogue"),
        ({}, "catalogue"),
        ({"vault": "own"}, "own"),
        ({"azurekv": "own"}, "catalogue"),
    ],
)
def test_an_environments_own_remote_name_goes_before_the_catalogues(
    remote: dict[str, str] | None, expected: str
) -> None:
    document, _ = load_text("e.yaml", json.dumps({} if remote is None else {"remote": remote}))
    assert document is not None
    assert remote_of(entry({"vault": "catalogue"}), "vault", document.root) == expected


def test_without_an_environment_the_catalogue_alone_says_the_remote_name() -> None:
    assert remote_of(entry({"vault": "catalogue"}), "vault") == "catalogue"
    assert remote_of(entry({"vault": "catalogue"}), "azurekv") is None


def test_what_to_add_names_the_secret_and_the_file() -> None:
    assert (
        way_to_place("github", providers.VAULT)
        == 'add `vault: NAME` under `remote` of "github" in environments/catalogue.yaml'
    )

from __future__ import annotations

import pytest

from compiler.model.catalogue import AZURE_KEY_VAULT, VAULT, CatalogueKey, KeyRemote
from compiler.model.document import Node, extent
from compiler.model.place import Place, place_of
from compiler.model.source import Source


def key(own: KeyRemote | None) -> CatalogueKey:
    remote = {AZURE_KEY_VAULT: own} if own else {}
    return CatalogueKey("TOKEN", "A token", (), None, remote, Node(None, Source("c.yaml"), extent(0, 0)))


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
    assert place_of(key(own), AZURE_KEY_VAULT, remote, "dev-") == expected


def test_what_a_key_says_for_one_provider_is_nothing_to_another() -> None:
    assert place_of(key(KeyRemote(name="app-key", whole=True)), VAULT, "a/github", "") == Place("a/github", "TOKEN")

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.edit.new_secret import names_of
from compiler.refusal import Refusal
from compiler.stages.load import load_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.model.document import Document

NAMING = (
    'naming: {name: shop, target: "{name}-{secret}", vault: "{namespace}/{secret}", azurekv: "{namespace}-{secret}"}'
)


def catalogue(text: str) -> Document:
    document, found = load_text("environments/catalogue.yaml", text)
    assert document is not None, found
    return document


def named(text: str, namespace: str | None = "shop-ns", said: Mapping[str, str | None] | None = None) -> dict[str, str]:
    names, found = names_of(catalogue(text), namespace, "db", said or {})
    assert names is not None, found
    return dict(names.texts)


def test_patterns_name_what_is_not_said() -> None:
    assert named(NAMING) == {"target": "shop-db", "vault": "shop-ns/db", "azurekv": "shop-ns-db"}
    assert named(NAMING.replace("name: shop, ", ""))["target"] == "shop-ns-db"


def test_what_is_said_goes_first_and_has_its_own_place() -> None:
    names, _ = names_of(catalogue(NAMING), "shop-ns", "db", {"target": "mine", "vault": None, "azurekv": "theirs"})
    assert names is not None
    assert dict(names.texts) == {"target": "mine", "vault": "shop-ns/db", "azurekv": "theirs"}
    assert {name: span.path for name, span in names.origins.items()} == {
        "target": "--target",
        "vault": "environments/catalogue.yaml",
        "azurekv": "--azurekv",
    }


def test_a_provider_that_nothing_names_is_left_out() -> None:
    assert named('naming: {target: "{secret}", vault: "v/{secret}"}') == {"target": "db", "vault": "v/db"}


@pytest.mark.parametrize(
    ("text", "said", "message", "way_out"),
    [
        ("", {}, "nothing names the Kubernetes Secret", "give --target, or add `naming: {target: "),
        (
            'naming: {target: "{secret}"}',
            {},
            "nothing names the secret in a store",
            "give --vault or --azurekv, or its pattern in `naming`",
        ),
    ],
)
def test_no_name_is_made_up(text: str, said: Mapping[str, str], message: str, way_out: str) -> None:
    with pytest.raises(Refusal) as caught:
        names_of(catalogue(text), "shop", "db", said)
    assert (caught.value.kind, caught.value.message) == ("usage", message)
    assert (caught.value.help or "").startswith(way_out)


def test_what_is_wrong_with_a_pattern_is_found_where_it_stands() -> None:
    document = catalogue(NAMING.replace("{name}", "{nam}"))
    names, (found,) = names_of(document, "shop", "db", {})
    assert names is None
    assert (found.rule, found.message) == ("invalid-naming-pattern", '"nam" is not a placeholder')
    assert document.source.text[found.span.start : found.span.end] == "{nam}"
    # A pattern that is not needed is not in the way.
    assert names_of(document, "shop", "db", {"target": "mine"})[0] is not None


def test_a_placeholder_without_a_meaning_is_found() -> None:
    names, found = names_of(catalogue(NAMING), None, "db", {})
    assert names is None
    assert [each.message for each in found] == [
        "{namespace} stands for nothing: environments/base.yaml has no namespace"
    ] * 2
    assert all(each.help for each in found)

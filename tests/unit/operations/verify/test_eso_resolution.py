import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.model.provider import InvalidReferenceError, Provider, UnprovenReferenceError
from compiler.operations.verify import extracted, resolve
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.secret_value import NotAnObjectError, SecretValue, read_object
from tests import providers

BOTH = pytest.mark.parametrize("provider", [providers.VAULT, providers.KEY_VAULT])
# Dots as names and as nesting, special characters in names.
TEXT = """{
  "PLAIN": "plain", "b.c": "literal", "b": {"c": "nested", "d.e": "half"}, "only.dots": "dots", "deep": {"er": "in"},
  "a|b": "pipe", "back\\\\slash": "back", "n": 1, "list": [{"k": "x"}], "a*b": "star", "#x": "hash x",
  "@this": "named this", "none": null, "ünï": "code", "sp ace": "space", "{x}": "braces", "a:b": "colon"
}"""
UNPROVEN = "not evaluated"


def stored(provider: Provider, text: str = TEXT) -> RemoteSecret:
    whole = SecretValue(text) if provider == providers.KEY_VAULT else None
    return RemoteSecret("x", "1", read_object(text), Attributes(), whole)


def text_of(found: SecretValue | None) -> str:
    assert isinstance(found, SecretValue)
    return found.reveal()


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("team/github", "team/github"),
        ("secret/team/github", "team/github"),
        ("secret/data/team/github", "team/github"),
        # Only right after the mount is `data` an addition; elsewhere it is part of the name.
        ("data/team", "data/team"),
        ("team/data/github", "team/data/github"),
        ("secrets/team", "secrets/team"),
        ("secret", "secret"),
    ],
)
def test_vault_cuts_the_mount_and_data_from_the_front(key: str, name: str) -> None:
    assert providers.VAULT.asked_name("secret", key) == name


def test_a_mount_of_several_parts_is_cut_as_one() -> None:
    assert providers.VAULT.asked_name("kv/team", "kv/team/github") == "github"
    assert providers.VAULT.asked_name("kv/team", "kv/github") == "kv/github"


@pytest.mark.parametrize(
    ("key", "name"), [("github", "github"), ("secret/github", "github"), ("secret/github/TOKEN/x", "github")]
)
def test_key_vault_takes_the_second_part_and_drops_the_rest(key: str, name: str) -> None:
    assert providers.KEY_VAULT.asked_name("", key) == name


def test_key_vault_has_other_objects_and_refuses_other_words() -> None:
    for key in ("cert/tls", "key/tls"):
        with pytest.raises(UnprovenReferenceError, match="of Key Vault"):
            providers.KEY_VAULT.asked_name("", key)
    with pytest.raises(InvalidReferenceError, match="first part"):
        providers.KEY_VAULT.asked_name("", "dev/github")


@pytest.mark.parametrize(
    ("wanted", "vault", "key_vault"),
    [
        ("PLAIN", "plain", "plain"),
        ("b.c", "literal", "nested"),
        ("only.dots", "dots", "dots"),
        ("deep.er", "in", "in"),
        ("b\\.c", "literal", "literal"),
        ("b.d\\.e", "half", "half"),
        ("b.d.e", None, None),
        ("deep.er.x", None, None),
        ("n.x", None, None),
        ("none.x", None, None),
        ("a|b", "pipe", UNPROVEN),
        ("a\\|b", "pipe", "pipe"),
        ("back\\slash", "back", None),
        ("back\\\\slash", "back", "back"),
        ("a\\*b", "star", "star"),
        ("\\#x", "hash x", "hash x"),
        ("\\@this", "named this", "named this"),
        ("\\{x}", "braces", "braces"),
        ("ünï", "code", "code"),
        ("sp ace", "space", "space"),
        ("a:b", "colon", "colon"),
        ("a\\:b", "colon", "colon"),
        ("mis\\sing", None, None),
        ("MISSING", None, None),
        ("no.such", None, None),
        ("no\\.such", None, None),
        ("n", "1", "1"),
        ("none", "null", "null"),
        *(
            (path, UNPROVEN, UNPROVEN)
            for path in ("*_TOKEN", "deep.?r", "b|c", "list.0", "list.0.k", "list.#", "b.", ".b")
        ),
        *((path, UNPROVEN, UNPROVEN) for path in ("..0", "b..c", "@pretty", "deep.@reverse", "b.{c}", "[n]", '!"x"')),
        *((path, UNPROVEN, UNPROVEN) for path in ("n\\", "deep.er\\", "no.such|x", 'list.#(k=="x")')),
    ],
)
def test_a_property_is_what_each_provider_makes_of_it(wanted: str, vault: str | None, key_vault: str | None) -> None:
    for provider, expected in ((providers.VAULT, vault), (providers.KEY_VAULT, key_vault)):
        if expected is UNPROVEN:
            with pytest.raises(UnprovenReferenceError, match="does not evaluate"):
                resolve(provider, stored(provider), wanted)
            continue
        found = resolve(provider, stored(provider), wanted)
        if expected is None:
            assert found is None
        else:
            assert text_of(found) == expected


@given(st.dictionaries(st.text(max_size=6), st.text(max_size=6), min_size=1), st.data())
def test_every_name_is_found_by_its_escaped_path(document: dict[str, str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(document)))
    remote = stored(providers.KEY_VAULT, json.dumps(document))
    if name:
        found = resolve(providers.KEY_VAULT, remote, "".join("\\" + character for character in name))
        assert text_of(found) == document[name]


@BOTH
@given(path=st.text(max_size=20))
def test_no_path_breaks_it(provider: Provider, path: str) -> None:
    try:
        found = resolve(provider, stored(provider), path)
    except UnprovenReferenceError:
        return
    assert found is None or isinstance(found, SecretValue)


@BOTH
def test_a_template_knows_names_and_no_paths(provider: Provider) -> None:
    assert text_of(resolve(provider, stored(provider), "b.c", by_name=True)) == "literal"
    assert resolve(provider, stored(provider), "deep.er", by_name=True) is None


def test_the_whole_is_the_text_of_key_vault_and_the_document_of_vault() -> None:
    assert text_of(resolve(providers.KEY_VAULT, stored(providers.KEY_VAULT), None)) == TEXT
    assert (
        text_of(resolve(providers.VAULT, stored(providers.VAULT, '{"b": "1", "a": 2}'), None)) == '{"a": 2, "b": "1"}'
    )


def test_what_is_no_object_has_no_properties_but_a_whole() -> None:
    remote = RemoteSecret("x", "1", {}, Attributes(), SecretValue("bare"), is_object=False)
    with pytest.raises(NotAnObjectError):
        resolve(providers.KEY_VAULT, remote, "PLAIN")
    assert text_of(resolve(providers.KEY_VAULT, remote, None)) == "bare"


# What `ConvertKeys` and `ValidateKeys` of the operator make of names.
@BOTH
@pytest.mark.parametrize(
    ("name", "key"), [("MY KEY", "MY_KEY"), ("a/b", "a_b"), ("ü.1-²", "ü.1-²"), ("e\u0301", "e_"), ("", "")]
)
def test_a_bundle_has_the_names_that_keys_can_have(provider: Provider, name: str, key: str) -> None:
    remote = extracted(stored(provider, f'{{"{name}": "found", "OTHER": "x"}}'))
    assert text_of(resolve(provider, remote, key, by_name=True)) == "found"


@BOTH
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"A B": "1", "A_B": "2", "C": "3"}', 'its properties "A B" and "A_B" become one key'),
        (f'{{"C": "3", "{"ü" * 127}": "4"}}', "the name of a property is longer than 253 bytes"),
    ],
)
def test_a_bundle_is_refused_for_a_property_that_nobody_asks_for(provider: Provider, text: str, why: str) -> None:
    with pytest.raises(InvalidReferenceError, match=f"^{why}$"):
        extracted(stored(provider, text))

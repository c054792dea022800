import pytest

from compiler.stores.secret_value import JsonKind, SecretValue, Trait, traits


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {Trait.EMPTY}),
        (" \n\t", {Trait.EMPTY}),
        ("good", set()),
        ("two words", set()),
        ("good\n", {Trait.SPACE_AT_END}),
        (" good", {Trait.SPACE_AT_END}),
        ("a\0b", {Trait.NUL}),
        ('"good"', {Trait.QUOTED}),
        ("'good'\n", {Trait.QUOTED, Trait.SPACE_AT_END}),
        ("`good`", {Trait.QUOTED}),
        ('"good', set()),
        ('"', set()),
        ("'a' or 'b'", set()),
        ("a\ud800", {Trait.LONE_SURROGATE}),
        ("😀", set()),
        ("todo-list-service", set()),
        ("xx", set()),
        ("a<b>c", set()),
        *(
            (text, {Trait.PLACEHOLDER})
            for text in (
                "changeme",
                "CHANGE_ME",
                "change-me",
                "<token>",
                "TODO",
                "xxxx",
                "${TOKEN}",
                "{{ x }}",
                "your-api-key",
                "...",
                "null",
                "Undefined",
                "REPLACE_ME",
                "********",
                "••••••••",
                "sk_test_...",
                "ghp_xxxxxxxxxxxx",
                "xoxb-****",
                "sk-proj-…",
                "<your-token>",
                "…",
            )
        ),
        ("changeme\n", {Trait.PLACEHOLDER, Trait.SPACE_AT_END}),
        *(
            (text, set[Trait]())
            for text in (
                # Each is legal, and only looks alike.
                "nullable",
                "a null in it",
                "undefined behaviour",
                "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",
                "eyJhbGciOiJkaXIifQ..iv.text.tag",
                "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
                "sk_test_...4eC39HqLyjWDarjtT1zdp7dc",
                "correct horse ...",
                "hunter2...",
                "pass****word",
                "**",
                "team-xxx",
                "replace me with care",
            )
        ),
    ],
)
def test_traits_name_what_is_wrong_and_nothing_else(text: str, found: set[Trait]) -> None:
    assert traits(SecretValue(text)) == found


def test_another_kind_than_a_string_is_only_that() -> None:
    assert traits(SecretValue("null", JsonKind.NULL)) == {Trait.NOT_A_STRING}


MANIFEST = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {TOKEN: aHVudGVyMg==}\n"


@pytest.mark.parametrize(
    "text",
    [
        MANIFEST,
        MANIFEST.replace("\n", "\r\n"),
        f"---\n# from kubectl\n{MANIFEST}",
        MANIFEST.replace("Secret", '"Secret"  # one'),
        MANIFEST.replace("Secret", "List"),
        MANIFEST.replace("Secret", "SecretList"),
        '{"apiVersion": "v1", "kind": "Secret", "data": {}}',
        '{"items": [], "kind": "List", "apiVersion": "v1"}',
    ],
)
def test_a_manifest_with_secrets_is_no_value(text: str) -> None:
    assert Trait.MANIFEST in traits(SecretValue(text))


@pytest.mark.parametrize(
    "text",
    [
        MANIFEST.replace("Secret", "Config"),
        MANIFEST.replace("Secret", "SecretStore"),
        MANIFEST.replace("kind", "  kind"),
        "kind: Secret\nof: a novel\n",
        "the line\napiVersion: v1\nis not kind: Secret\n",
        '{"apiVersion": "v1", "kind": "Config", "users": [{"kind": "Secret"}]}',
        '{"apiVersion": "v1", "kind": "Secret", "kind": "Secret"',
        '{"kind": "Secret", "about": "apiVersion"}',
    ],
)
def test_what_only_looks_like_a_manifest_is_a_value(text: str) -> None:
    assert Trait.MANIFEST not in traits(SecretValue(text))

import pytest

from compiler.rules.incomplete_type import check
from tests.unit.rules.conftest import CATALOGUE, Judge

OWN = "    target: agent-github-secrets\n"


def typed(kind: str, *made: str) -> str:
    texts = ", ".join(f"{key}: x" for key in made)
    template = f"    template: {{data: {{{texts}}}}}\n" if made else ""
    return CATALOGUE.replace(OWN, f"{OWN}    type: {kind}\n{template}")


@pytest.mark.parametrize(
    ("kind", "made", "lacking"),
    [
        ("kubernetes.io/tls", ("tls.crt",), '"tls.key"'),
        ("kubernetes.io/tls", (), '"tls.crt", "tls.key"'),
        ("kubernetes.io/dockerconfigjson", (".dockercfg",), '".dockerconfigjson"'),
        ("kubernetes.io/dockercfg", (".dockerconfigjson",), '".dockercfg"'),
        ("kubernetes.io/ssh-auth", ("ssh-key",), '"ssh-privatekey"'),
        ("kubernetes.io/basic-auth", ("user",), '"username", "password"'),
    ],
)
def test_finds_the_keys_that_a_type_needs(judge: Judge, kind: str, made: tuple[str, ...], lacking: str) -> None:
    found = judge(check, catalogue=typed(kind, *made))
    assert found.messages == [f'the Secret of "github" lacks {lacking}, which the type "{kind}" needs']
    assert found.marked == [kind]


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("kubernetes.io/tls", ("tls.crt", "tls.key", "ca.crt")),
        ("kubernetes.io/dockerconfigjson", (".dockerconfigjson",)),
        ("kubernetes.io/basic-auth", ("password",)),
        ("kubernetes.io/basic-auth", ("username",)),
        ("kubernetes.io/ssh-auth", ("ssh-privatekey",)),
        ("Opaque", ("x",)),
        ("example.com/own", ("x",)),
    ],
)
def test_leaves_what_is_complete_alone(judge: Judge, kind: str, made: tuple[str, ...]) -> None:
    assert not judge(check, catalogue=typed(kind, *made))


def test_a_key_of_a_variant_must_be_in_use(judge: Judge) -> None:
    catalogue = typed("kubernetes.io/ssh-auth").replace("GITHUB_APP_ID: {v", "ssh-privatekey: {v")
    found = judge(check, catalogue=catalogue)
    assert found.messages == [
        'the Secret of "github" lacks "ssh-privatekey" in prod, which the type "kubernetes.io/ssh-auth" needs'
    ]
    assert not judge(check, "secrets: {github: {use: [app]}}", catalogue=catalogue)


@pytest.mark.parametrize("kind", ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"])
def test_finds_a_type_that_the_operator_refuses(judge: Judge, kind: str) -> None:
    found = judge(check, catalogue=typed(kind, "token-id", "token-secret", "token"))
    assert found.messages == [f'External Secrets Operator makes no Secret of the type "{kind}"']

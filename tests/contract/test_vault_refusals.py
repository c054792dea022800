"""Each cause for which a real server refuses has an error, a code and a message of its own."""

import uuid
from collections.abc import Callable

import pytest

from compiler.demo.local_openbao import LocalOpenBao
from compiler.stores.errors import (
    Action,
    Code,
    ConflictError,
    DisabledError,
    ForbiddenError,
    NotFoundError,
    StoreError,
    StoreLocation,
    VersionGoneError,
)
from compiler.stores.interface import Attributes, SecretWriter, StoreState
from compiler.stores.secret_value import JsonKind, SecretValue
from tests.faulty_gateway import FaultyGateway
from tests.openbao_servers import skip_without_namespaces
from tests.refusals import is_refused

OpenVault = Callable[..., SecretWriter]


def token_with(openbao: LocalOpenBao, policy: str, **options: object) -> str:
    name = f"p-{uuid.uuid4().hex}"
    openbao.call("PUT", f"sys/policies/acl/{name}", {"policy": policy})
    made = openbao.call("POST", "auth/token/create", {"policies": [name], **options})
    return str(made["auth"]["client_token"])


def read_error(store: SecretWriter, name: str) -> StoreError:
    with pytest.raises(StoreError) as caught:
        store.read(name)
    return caught.value


def test_each_403_has_a_message_of_its_own_and_none_says_not_found(
    openbao: LocalOpenBao, open_vault: OpenVault
) -> None:
    openbao.call("POST", "secret/data/matrix/a", {"data": {"A": "1"}})
    reader = token_with(openbao, 'path "secret/data/matrix/*" { capabilities = ["read"] }')
    nobody = token_with(openbao, 'path "cubbyhole/*" { capabilities = ["read"] }')
    bound = token_with(
        openbao,
        'path "secret/data/matrix/*" { capabilities = ["create", "update", "read"] '
        'denied_parameters = { "options" = [] } }',
    )
    dead = token_with(openbao, 'path "secret/data/matrix/*" { capabilities = ["read"] }')
    openbao.call("POST", "auth/token/revoke", {"token": dead})

    errors = {
        "policy gap": read_error(open_vault(openbao.url, {"VAULT_TOKEN": reader}), "elsewhere/a"),
        "unknown mount": read_error(open_vault(openbao.url, {"VAULT_TOKEN": reader}, mount="nope"), "a"),
        "unknown mount, root": read_error(open_vault(openbao.url, {"VAULT_TOKEN": openbao.token}, mount="nope"), "a"),
        "dead token": read_error(open_vault(openbao.url, {"VAULT_TOKEN": dead}), "matrix/a"),
        "no token": read_error(open_vault(openbao.url, {"VAULT_TOKEN": "hvs.madeup"}), "matrix/a"),
        "mount out of reach": read_error(open_vault(openbao.url, {"VAULT_TOKEN": nobody}), "matrix/a"),
    }
    with pytest.raises(ForbiddenError) as refused:
        open_vault(openbao.url, {"VAULT_TOKEN": bound}).write("matrix/b", {"A": SecretValue("1")}, None)
    errors["parameters"] = refused.value

    assert {name: error.code for name, error in errors.items()} == {
        "policy gap": "forbidden",
        "unknown mount": "forbidden",
        "unknown mount, root": "wrong-mount",
        "dead token": "expired-token",
        "no token": "expired-token",
        "mount out of reach": "forbidden",
        "parameters": "forbidden",
    }
    of_store = {name: error.is_of_store for name, error in errors.items() if isinstance(error, ForbiddenError)}
    assert of_store == {"policy gap": False, "unknown mount": True, "mount out of reach": True, "parameters": False}
    assert "something else denies it" in errors["parameters"].reason
    gap = errors["policy gap"]
    assert isinstance(gap, ForbiddenError)
    assert gap.permission == "read on secret/data/elsewhere/a"
    assert 'path "secret/data/elsewhere/a" { capabilities = ["read"] }' in gap.remedy
    told = {str(error) for error in errors.values()}
    assert len(told) >= 6
    assert not any("not found" in text or "no such" in text for text in told)


def test_tags_that_may_not_be_written_leave_nothing_behind(openbao: LocalOpenBao, open_vault: OpenVault) -> None:
    values = 'path "secret/data/tagged/*" { capabilities = ["create", "read", "update"] }'
    tags = 'path "secret/metadata/tagged/*" { capabilities = ["update"] }'
    attributes = Attributes(tags={"owner": "platform"})
    without = open_vault(openbao.url, {"VAULT_TOKEN": token_with(openbao, values)})
    with pytest.raises(ForbiddenError) as caught:
        without.write("tagged/a", {"A": SecretValue("1")}, None, attributes)
    assert caught.value.permission == "update on secret/metadata/tagged/a"
    assert isinstance(read_error(without, "tagged/a"), NotFoundError)
    # What the guide gives for it is enough, also for a secret that is new.
    enough = open_vault(openbao.url, {"VAULT_TOKEN": token_with(openbao, f"{values} {tags}")})
    assert enough.write("tagged/a", {"A": SecretValue("1")}, None, attributes).version == "1"
    assert enough.read("tagged/a").attributes.tags == {"owner": "platform"}
    # A token that may not ask about itself is not refused for that.
    silent = token_with(openbao, f"{values} {tags}", no_default_policy=True)
    assert open_vault(openbao.url, {"VAULT_TOKEN": silent}).write("tagged/b", {"A": SecretValue("1")}, None, attributes)


def test_a_caller_who_may_not_set_tags_is_told_the_rule_and_nothing_is_set(
    openbao: LocalOpenBao, open_vault: OpenVault
) -> None:
    openbao.call("POST", "secret/data/tagged/c", {"data": {"A": "1"}})
    reader = open_vault(
        openbao.url, {"VAULT_TOKEN": token_with(openbao, 'path "secret/data/tagged/*" { capabilities = ["read"] }')}
    )
    with pytest.raises(ForbiddenError) as refused:
        reader.set_tags("tagged/c", "1", {"rotation": "run-1"})
    assert refused.value.permission == "update on secret/metadata/tagged/c"
    assert refused.value.rules == ('path "secret/metadata/tagged/c" { capabilities = ["read", "update"] }',)
    assert reader.read("tagged/c").attributes.tags == {}


@pytest.mark.parametrize("mount", ["kv1", "sys", "cubbyhole", "secret/deeper", "never/was"])
def test_a_mount_that_is_no_kv_version_2_is_named_and_nothing_is_written(
    openbao: LocalOpenBao, gateway: FaultyGateway, open_vault: OpenVault, mount: str
) -> None:
    if mount == "kv1" and "kv1/" not in openbao.call("GET", "sys/mounts"):
        openbao.call("POST", "sys/mounts/kv1", {"type": "kv", "options": {"version": "1"}})
    store = open_vault(gateway.url, {"VAULT_TOKEN": openbao.token}, mount=mount)
    expected = Code.UNSUPPORTED_ENGINE if mount == "kv1" else Code.WRONG_MOUNT
    for act in (
        lambda: store.read("a"),
        lambda: store.write("a", {"A": SecretValue("1")}, None),
        lambda: store.soft_delete("a", "1"),
        store.whoami,
    ):
        with pytest.raises(StoreError, check=is_refused(expected)) as caught:
            act()
        assert mount in str(caught.value)
    assert not [
        seen for seen in gateway.seen if seen.method in {"POST", "PUT", "DELETE"} and "capabil" not in seen.path
    ]


def test_a_missing_namespace_is_named(openbao: LocalOpenBao, gateway: FaultyGateway, open_vault: OpenVault) -> None:
    for environ, given in (({"VAULT_NAMESPACE": "nobody"}, {}), ({}, {"vault_namespace": "nobody"})):
        store = open_vault(gateway.url, {"VAULT_TOKEN": openbao.token, **environ}, **given)
        with pytest.raises(StoreError, check=is_refused(Code.WRONG_MOUNT), match="namespace"):
            store.write("a", {"A": SecretValue("1")}, None)
    assert gateway.count("POST") == 0


def test_a_namespace_and_a_mount_of_several_parts_are_used(openbao: LocalOpenBao, open_vault: OpenVault) -> None:
    skip_without_namespaces(openbao)
    openbao.call("PUT", "sys/namespaces/team")
    mount = "deep/er"
    openbao.call("POST", f"team/sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
    store = open_vault(openbao.url, {"VAULT_TOKEN": openbao.token, "VAULT_NAMESPACE": "team"}, mount=mount)
    store.write("a b/ü", {"A": SecretValue("1")}, None)
    assert store.read("a b/ü").version == "1"
    assert store.address.absolute == f"{openbao.url}/team/deep/er"


def test_the_server_sees_nothing_of_a_name_that_leaves_its_place(gateway: FaultyGateway, open_vault: OpenVault) -> None:
    store = open_vault(gateway.url, {"VAULT_TOKEN": "hvs.any"})
    for name in (
        "../../sys/x",
        "a//b",
        "a/%2e%2e/b",
        "a\0b",
        "a\nb",
        "a/./b",
        "a\\b",
        "a#b",
        " a",
        "x" * 600,
        "\ud800",
    ):
        for act in (
            lambda name=name: store.read(name),
            lambda name=name: store.read_version(name, "1"),
            lambda name=name: store.write(name, {"A": SecretValue("1")}, None),
            lambda name=name: store.soft_delete(name, "1"),
        ):
            with pytest.raises(StoreError, check=is_refused(Code.INVALID_NAME)) as caught:
                act()
            assert "\n" not in str(caught.value)
    for place in ({"mount": "../sys"}, {"mount": ""}, {"vault_namespace": "a//b"}):
        with pytest.raises(StoreError, check=is_refused(Code.INVALID_NAME)):
            open_vault(gateway.url, {"VAULT_TOKEN": "hvs.any"}, **place)
    assert gateway.seen == []


def test_properties_that_are_no_strings_are_told_by_kind_and_survive_a_write_beside_them(
    openbao: LocalOpenBao, open_vault: OpenVault
) -> None:
    data = {"s": "text", "n": 1.5, "b": True, "z": None, "o": {"a": [1, "ü"]}, "l": []}
    openbao.call("POST", "secret/data/kinds", {"data": data})
    store = open_vault(openbao.url, {"VAULT_TOKEN": openbao.token})
    found = store.read("kinds")
    assert {name: value.kind for name, value in found.properties.items()} == {
        "s": JsonKind.STRING,
        "n": JsonKind.NUMBER,
        "b": JsonKind.BOOLEAN,
        "z": JsonKind.NULL,
        "o": JsonKind.OBJECT,
        "l": JsonKind.ARRAY,
    }
    assert found.properties["o"].reveal() == '{"a":[1,"ü"]}'
    store.write("kinds", {"s": SecretValue("new")}, found)
    assert openbao.call("GET", "secret/data/kinds")["data"]["data"] == {**data, "s": "new"}
    with pytest.raises(StoreError, check=is_refused(Code.INVALID_VALUE), match="not-a-string"):
        store.write("kinds", {"s": SecretValue("1", JsonKind.NUMBER)}, store.read("kinds"))


def test_a_whole_value_has_no_place_in_vault(openbao: LocalOpenBao, open_vault: OpenVault) -> None:
    store = open_vault(openbao.url, {"VAULT_TOKEN": openbao.token})
    assert [problem.code for problem in store.check("w", SecretValue("x"), None)] == [Code.INVALID_VALUE]
    with pytest.raises(StoreError, check=is_refused(Code.INVALID_VALUE), match="whole"):
        store.write("w", SecretValue("x"), None)


def test_limits_are_checked_before_the_write_and_told_by_the_server_too(
    openbao: LocalOpenBao, open_vault: OpenVault
) -> None:
    store = open_vault(openbao.url, {"VAULT_TOKEN": openbao.token})
    large = {"A": SecretValue("ü" * 600_000)}
    assert [problem.code for problem in store.check("large", large, None)] == [Code.TOO_LARGE]
    tags = (
        {str(number): "x" for number in range(65)},
        {"k" * 129: "x"},
        {"k": "v" * 513},
        {"": "v"},
    )
    for given in tags:
        problems = store.check("tags", {"A": SecretValue("1")}, None, Attributes(tags=given))
        assert [problem.code for problem in problems] == [Code.TOO_LARGE]
    assert store.check("tags", {"A": SecretValue("1")}, None, Attributes(tags={"k" * 128: "v" * 512})) == ()
    for changes, code in (
        ({}, "invalid-value"),
        ({"": SecretValue("1")}, "invalid-name"),
        ({"a\n": SecretValue("1")}, "invalid-name"),
    ):
        assert [problem.code for problem in store.check("x", changes, None)] == [code]


def test_a_destroyed_newest_version_is_written_over_and_never_said_to_be_recoverable(
    openbao: LocalOpenBao, open_vault: OpenVault
) -> None:
    store = open_vault(openbao.url, {"VAULT_TOKEN": openbao.token})
    store.write("destroyed", {"A": SecretValue("1")}, None)
    openbao.call("POST", "secret/destroy/destroyed", {"versions": [1]})
    with pytest.raises(VersionGoneError, match="destroyed"):
        store.read("destroyed")
    assert store.describe("destroyed").state is StoreState.DESTROYED
    with pytest.raises(NotFoundError, match="destroyed"):
        store.recover("destroyed")
    assert store.write("destroyed", {"A": SecretValue("2")}, None).version == "2"


def test_deleting_what_is_deleted_changes_nothing_and_says_nothing(
    openbao: LocalOpenBao, open_vault: OpenVault
) -> None:
    store = open_vault(openbao.url, {"VAULT_TOKEN": openbao.token})
    store.write("twice", {"A": SecretValue("1")}, None)
    store.soft_delete("twice", "1")
    store.soft_delete("twice", "1")
    assert store.describe("twice").state is StoreState.SOFT_DELETED
    with pytest.raises(ConflictError):
        store.soft_delete("twice", "2")


def test_an_evicted_or_deleted_version_is_gone(openbao: LocalOpenBao, open_vault: OpenVault) -> None:
    store = open_vault(openbao.url, {"VAULT_TOKEN": openbao.token})
    store.write("evicted", {"A": SecretValue("0")}, None)
    for number in range(10):
        store.write("evicted", {"A": SecretValue(str(number))}, store.read("evicted"))
    with pytest.raises(VersionGoneError, match="evicted"):
        store.read_version("evicted", "1")
    openbao.call("POST", "secret/delete/evicted", {"versions": [5]})
    with pytest.raises(VersionGoneError, match="deleted"):
        store.read_version("evicted", "5")


def test_a_reader_without_metadata_still_describes(openbao: LocalOpenBao, open_vault: OpenVault) -> None:
    root = open_vault(openbao.url, {"VAULT_TOKEN": openbao.token})
    for name in ("there", "deleted", "destroyed"):
        root.write(f"narrow/{name}", {"A": SecretValue("1")}, None)
    root.soft_delete("narrow/deleted", "1")
    openbao.call("POST", "secret/destroy/narrow/destroyed", {"versions": [1]})
    token = token_with(openbao, 'path "secret/data/narrow/*" { capabilities = ["read"] }')
    store = open_vault(openbao.url, {"VAULT_TOKEN": token})
    states = {name: store.describe(f"narrow/{name}").state for name in ("there", "deleted", "destroyed", "absent")}
    assert states == {
        "there": StoreState.PRESENT,
        "deleted": StoreState.SOFT_DELETED,
        "destroyed": StoreState.DESTROYED,
        "absent": StoreState.ABSENT,
    }


def test_a_token_that_may_not_look_at_itself_still_reads(openbao: LocalOpenBao, open_vault: OpenVault) -> None:
    openbao.call("POST", "secret/data/plain/a", {"data": {"A": "1"}})
    token = token_with(openbao, 'path "secret/data/plain/*" { capabilities = ["read"] }', no_default_policy=True)
    store = open_vault(openbao.url, {"VAULT_TOKEN": token})
    assert store.read("plain/a").version == "1"
    assert store.whoami().subject == "unknown"
    with pytest.raises(ForbiddenError, match='no policy of the token of VAULT_TOKEN grants "read"'):
        store.read("elsewhere")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://vault.example.com:8200", Code.TLS_FAILURE),
        ("ftp://127.0.0.1", Code.INVALID_NAME),
        ("https://user:pass@vault.example.com", Code.INVALID_NAME),
        ("https://", Code.INVALID_NAME),
        ("https://vault.example.com?x=1", Code.INVALID_NAME),
    ],
)
def test_an_address_that_must_not_be_used_is_refused_before_anything_is_sent(
    open_vault: OpenVault, url: str, code: Code
) -> None:
    with pytest.raises(StoreError, check=is_refused(code)):
        open_vault(url, {"VAULT_TOKEN": "hvs.any"})


def test_plain_http_is_for_the_cluster_loopback_and_those_who_say_so(open_vault: OpenVault) -> None:
    for url, environ in (
        ("http://vault.vault.svc.cluster.local:8200", {}),
        ("http://vault.vault.svc:8200", {}),
        ("http://localhost:8200", {}),
        ("http://[::1]:8200", {}),
        ("http://vault.corp:8200", {"PLATFORM_SECRETS_ALLOW_HTTP": "1"}),
    ):
        open_vault(url, {"VAULT_TOKEN": "hvs.any", **environ})


def test_no_code_is_used_twice() -> None:
    # A kind of a kind has its code.
    codes = [kind.code for kind in StoreError.__subclasses__()]
    assert len(codes) == len(set(codes))
    place = StoreLocation("https://vault", "a\nb")
    shown = str(DisabledError(place, Action.READ, "why", "what to do"))
    assert shown == 'cannot read "a\\nb" in https://vault: why; what to do'

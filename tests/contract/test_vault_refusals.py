"""Each cause for which a real server refuses has an error, a code and a message of its own."""

import uuid
from collections.abc import Callable

import pytest

from compiler.demo.local_openbao import LocalOpenBao
from compiler.stores.errors import (
    Code,
    ForbiddenError,
    NotFoundError,
    StoreError,
    VersionGoneError,
)
from compiler.stores.interface import Attributes, SecretWriter, StoreState
from compiler.stores.secret_value import JsonKind, SecretValue
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


def test_a_namespace_and_a_mount_of_several_parts_are_used(openbao: LocalOpenBao, open_vault: OpenVault) -> None:
    skip_without_namespaces(openbao)
    openbao.call("PUT", "sys/namespaces/team")
    mount = "deep/er"
    openbao.call("POST", f"team/sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
    store = open_vault(openbao.url, {"VAULT_TOKEN": openbao.token, "VAULT_NAMESPACE": "team"}, mount=mount)
    store.write("a b/ü", {"A": SecretValue("1")}, None)
    assert store.read("a b/ü").version == "1"
    assert store.address.absolute == f"{openbao.url}/team/deep/er"


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

"""Logging in to a real server by each method, and what happens when a token ends."""

import time
import uuid
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from compiler.demo.local_openbao import LocalOpenBao
from compiler.stores.errors import Code, StoreError
from compiler.stores.interface import SecretWriter
from compiler.stores.secret_value import SecretValue
from tests.faulty_gateway import FaultyGateway
from tests.refusals import is_refused

OpenVault = Callable[..., SecretWriter]

POLICY = 'path "secret/data/login/*" { capabilities = ["create", "update", "read"] }'


@pytest.fixture(scope="module")
def policy(openbao: LocalOpenBao) -> str:
    openbao.call("PUT", "sys/policies/acl/login", {"policy": POLICY})
    return "login"


@pytest.fixture
def mount(openbao: LocalOpenBao) -> Callable[[str], str]:
    def enable(method: str) -> str:
        path = f"{method}-{uuid.uuid4().hex[:8]}"
        openbao.call("POST", f"sys/auth/{path}", {"type": method})
        return path

    return enable


def app_role(openbao: LocalOpenBao, path: str, policy: str, **limits: object) -> dict[str, str]:
    openbao.call("POST", f"auth/{path}/role/app", {"token_policies": [policy], **limits})
    role = openbao.call("GET", f"auth/{path}/role/app/role-id")["data"]["role_id"]
    secret = openbao.call("POST", f"auth/{path}/role/app/secret-id", {})["data"]["secret_id"]
    return {
        "PLATFORM_SECRETS_VAULT_AUTH": "approle",
        "PLATFORM_SECRETS_VAULT_AUTH_MOUNT": path,
        "VAULT_ROLE_ID": role,
        "VAULT_SECRET_ID": secret,
    }


def test_a_token_comes_from_the_environment_or_its_file(
    openbao: LocalOpenBao, open_vault: OpenVault, tmp_path: Path
) -> None:
    (tmp_path / ".vault-token").write_text(openbao.token + "\n")
    for environ in (
        {"VAULT_TOKEN": openbao.token},
        {"HOME": str(tmp_path)},
        {"VAULT_TOKEN_FILE": str(tmp_path / ".vault-token")},
    ):
        identity = open_vault(openbao.url, environ).whoami()
        assert (identity.subject, identity.method) == ("token", "token")


def test_approle_logs_in(
    openbao: LocalOpenBao, open_vault: OpenVault, policy: str, mount: Callable[[str], str], tmp_path: Path
) -> None:
    environ = app_role(openbao, mount("approle"), policy, token_ttl="60s")
    store = open_vault(openbao.url, environ)
    assert store.write(f"login/{uuid.uuid4().hex}", {"A": SecretValue("1")}, None).version == "1"
    identity = store.whoami()
    assert identity.method == "approle"
    assert identity.expires is not None

    (tmp_path / "id").write_text(environ.pop("VAULT_SECRET_ID"))
    assert open_vault(openbao.url, {**environ, "VAULT_SECRET_ID_FILE": str(tmp_path / "id")}).whoami()


def test_userpass_logs_in(
    openbao: LocalOpenBao, open_vault: OpenVault, policy: str, mount: Callable[[str], str]
) -> None:
    path = mount("userpass")
    openbao.call("POST", f"auth/{path}/users/ada", {"password": "pass-4711", "token_policies": [policy]})
    environ = {
        "PLATFORM_SECRETS_VAULT_AUTH": "userpass",
        "PLATFORM_SECRETS_VAULT_AUTH_MOUNT": path,
        "VAULT_USERNAME": "ada",
        "VAULT_PASSWORD": "pass-4711",
    }
    assert open_vault(openbao.url, environ).whoami().subject.endswith("ada")
    with pytest.raises(StoreError, check=is_refused(Code.UNAUTHENTICATED)) as caught:
        open_vault(openbao.url, {**environ, "VAULT_PASSWORD": "wrong-horse"}).whoami()
    assert "horse" not in str(caught.value)


def test_jwt_logs_in(openbao: LocalOpenBao, open_vault: OpenVault, policy: str, mount: Callable[[str], str]) -> None:
    path = mount("jwt")
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    openbao.call("POST", f"auth/{path}/config", {"jwt_validation_pubkeys": [public.decode()]})
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": [policy]}
    openbao.call("POST", f"auth/{path}/role/pod", role)
    claims = {"sub": "pipeline", "aud": "vault", "iat": int(time.time()), "exp": int(time.time()) + 60}
    environ = {
        "PLATFORM_SECRETS_VAULT_AUTH": "jwt",
        "PLATFORM_SECRETS_VAULT_AUTH_MOUNT": path,
        "VAULT_ROLE": "pod",
        "VAULT_JWT": jwt.encode(claims, key, algorithm="ES256"),
    }
    assert open_vault(openbao.url, environ).whoami().subject.endswith("pipeline")


def test_a_token_that_runs_out_is_replaced_by_one_new_log_in(
    openbao: LocalOpenBao, gateway: FaultyGateway, open_vault: OpenVault, policy: str, mount: Callable[[str], str]
) -> None:
    environ = app_role(openbao, mount("approle"), policy, token_num_uses=6)
    store = open_vault(gateway.url, environ)
    name = f"login/{uuid.uuid4().hex}"
    store.write(name, {"A": SecretValue("0")}, None)
    for number in range(12):
        store.write(name, {"A": SecretValue(str(number))}, store.read(name))
    assert store.read(name).version == "13"
    assert gateway.count("POST", "/login") > 1

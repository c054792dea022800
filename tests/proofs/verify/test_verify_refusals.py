"""Each refusal of `verify` has its own cause, and nothing is written or tried elsewhere."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.demo.local_openbao import LocalOpenBao
from tests.commands import Done
from tests.faulty_gateway import FaultyGateway, GatewayFault
from tests.faulty_key_vault import FaultyKeyVault, VaultOptions
from tests.pace import allowed_wall

VAULT_NAME = "ai-platform-engineering/github-secret"
KEY_VAULT_NAME = "ai-platform-engineering-github"
DOCUMENT = '{"GITHUB_PERSONAL_ACCESS_TOKEN": "sound"}'


def ask(
    project: Path, run: Callable[..., Done], stores: str, store: str, variables: dict[str, str], *more: str
) -> Done:
    """`verify` of one secret in one store."""
    text = f"store: {store}\nstores:\n{stores}\nsecrets:\n  global: {{use: [openai]}}\n  github: {{}}\n"
    (project / "environments/proof.yaml").write_text(text, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        return run("verify", "proof", "github", *more)


def ask_vault(project: Path, run: Callable[..., Done], url: str, token: str, settings: str = "") -> Done:
    return ask(project, run, f"  vault: {{server: '{url}'{settings}}}", "vault", {"VAULT_TOKEN": token})


def ask_key_vault(project: Path, run: Callable[..., Done], url: str, variables: dict[str, str]) -> Done:
    return ask(project, run, f"  azure: {{vaultUrl: '{url}'}}", "azure", variables)


def token_with(openbao: LocalOpenBao, policy: str, **more: object) -> str:
    name = f"proof-{abs(hash(policy))}"
    openbao.call("PUT", f"sys/policies/acl/{name}", {"policy": policy})
    made = openbao.call("POST", "auth/token/create", {"policies": [name], "renewable": False, **more})
    return str(made["auth"]["client_token"])


def first_line(done: Done) -> str:
    return next(line for line in done.err.splitlines() if "error[" in line)


def test_six_refusals_have_six_causes_and_none_says_not_found(
    project: Path, run: Callable[..., Done], openbao: LocalOpenBao
) -> None:
    openbao.call("POST", f"secret/data/{VAULT_NAME}", {"data": {"GITHUB_PERSONAL_ACCESS_TOKEN": "sound"}})
    nothing = token_with(openbao, 'path "secret/data/other" { capabilities = ["read"] }')
    ended = token_with(openbao, 'path "secret/*" { capabilities = ["read"] }', ttl="1s", explicit_max_ttl="1s")
    lines = {}
    for cause in ("ForbiddenByRbac", "ForbiddenByFirewall", "disabled"):
        with FaultyKeyVault() as vault:
            vault.seed(KEY_VAULT_NAME, DOCUMENT, enabled=cause != "disabled")
            if cause != "disabled":
                vault.deny("get", cause)
            lines[cause] = first_line(ask_key_vault(project, run, vault.url, vault.environ()))
    lines["policy gap"] = first_line(ask_vault(project, run, openbao.url, nothing))
    lines["unknown mount"] = first_line(ask_vault(project, run, openbao.url, nothing, ", mount: nowhere"))
    time.sleep(1.1)
    lines["expired token"] = first_line(ask_vault(project, run, openbao.url, ended))
    for cause, words in {
        "ForbiddenByRbac": "error[forbidden]: cannot read * role assignment * secrets/get",
        "ForbiddenByFirewall": "error[forbidden]: * firewall",
        "disabled": "error[disabled-secret]: * disabled",
        "policy gap": f'error[forbidden]: * no policy of the token of VAULT_TOKEN * "secret/data/{VAULT_NAME}"',
        "unknown mount": 'error[forbidden]: * no mount "nowhere"',
        "expired token": "error[unauthenticated]: * expired",
    }.items():
        assert all(word in lines[cause] for word in words.split(" * ")), lines[cause]
    assert len(set(lines.values())) == 6
    assert not any("not found" in line or "missing-secret" in line or "no such" in line for line in lines.values())


def test_an_engine_or_place_that_is_not_there_is_named_and_nothing_is_written(
    project: Path, run: Callable[..., Done], openbao: LocalOpenBao
) -> None:
    openbao.call("POST", "sys/mounts/old", {"type": "kv", "options": {"version": "1"}})
    openbao.call("POST", f"old/{VAULT_NAME}", {"GITHUB_PERSONAL_ACCESS_TOKEN": "sound"})
    with FaultyGateway(openbao.url) as gateway:
        causes = {
            ", mount: old": "KV version 1",
            ", mount: nowhere": 'there is no mount "nowhere"',
            ", vaultNamespace: nowhere": "namespace",
            ", mount: sys": "the engine mounted there is not KV",
        }
        for settings, cause in causes.items():
            done = ask_vault(project, run, gateway.url, openbao.token, settings)
            assert done.code == 1, done.err
            assert done.rules == ["wrong-mount"], done.err
            assert cause in first_line(done)
        assert {seen.method for seen in gateway.seen} == {"GET"}


def test_a_connection_that_cannot_be_trusted_fails_at_once_and_falls_back_to_nothing(
    project: Path, run: Callable[..., Done], openbao: LocalOpenBao
) -> None:
    lines: dict[str, str] = {}

    def hear(case: str, started: float, done: Done) -> None:
        assert time.monotonic() - started < allowed_wall(2, below=10), case
        assert done.code == 3, done.err
        assert done.rules == ["no-answer"], done.err
        lines[case] = first_line(done)

    with FaultyKeyVault() as vault, FaultyKeyVault() as other:
        stranger = {**vault.environ(), "AZURE_KEYVAULT_CACERT": str(other.ca_file)}
        hear("unknown CA", time.monotonic(), ask_key_vault(project, run, vault.url, stranger))
    with FaultyKeyVault(VaultOptions(expired_certificate=True)) as vault:
        hear("expired", time.monotonic(), ask_key_vault(project, run, vault.url, vault.environ()))
    with FaultyKeyVault(VaultOptions(server_names=("*.vault.azure.net",))) as vault:
        hear("wrong host", time.monotonic(), ask_key_vault(project, run, vault.url, vault.environ()))
        assert vault.requests() == []
    page = GatewayFault(status=200, headers={"Content-Type": "text/html"}, body=b"<html>log in</html>")
    with FaultyGateway(openbao.url, lambda _seen: page) as proxy:
        hear("a proxy's page", time.monotonic(), ask_vault(project, run, proxy.url, openbao.token))
    https = openbao.url.replace("http://", "https://")
    hear("no TLS", time.monotonic(), ask_vault(project, run, https, openbao.token))
    assert len(set(lines.values())) == 5
    assert "not trusted" in lines["unknown CA"]
    assert "expired" in lines["expired"]
    assert "host" in lines["wrong host"]


def test_http_is_refused_for_a_key_vault_before_anything_is_sent(
    project: Path, run: Callable[..., Done], openbao: LocalOpenBao
) -> None:
    with FaultyGateway(openbao.url) as gateway:
        done = ask_key_vault(project, run, gateway.url, {})
        assert (done.code, done.rules[0]) == (1, "invalid-address"), done.err
        assert gateway.seen == []

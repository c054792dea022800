"""Each refusal of `verify`, `migrate` and `put` has its own cause, and nothing is written."""

import json
import time

import pytest

from tests.commands import Done
from tests.faulty_gateway import FaultyGateway
from tests.openbao_servers import VAULT_BINARY
from tests.proofs.conftest import World

FROM_VAULT = ("migrate", "prod", "--to", "azure", "--apply", "--continue-on-error", "--quiet")
TO_VAULT = ("migrate", "prod", "--to", "vault", "--from", "azure", "--apply", "--continue-on-error", "--quiet")
VERIFY = ("verify", "prod")
PUT = ("put", "prod", "jira", "--from-file", "{values}", "--apply")


def run(world: World, *argv: str) -> Done:
    values = world.private("values.json", '{"JIRA_TOKEN": "typed", "JIRA_URL": "typed"}')
    return world.run(*(part.replace("{values}", str(values)) for part in argv))


def restricted(world: World, path: str, **life: object) -> str:
    """A token that may read and write below `path` only."""
    rule = f'path "{path}" {{ capabilities = ["create", "update", "read"] }}'
    world.bao.call("PUT", f"sys/policies/acl/{world.mount}", {"policy": rule})
    made = world.bao.call("POST", "auth/token/create", {"policies": [world.mount], **life})
    return str(made["auth"]["client_token"])


def only_jira(world: World, mount: str | None = None) -> None:
    """One secret in the environment, and perhaps another mount."""
    path = world.root / "environments/base.yaml"
    text = path.read_text("utf-8").replace("secrets: {github: {}, jira: {}}", "secrets: {jira: {}}")
    path.write_text(text.replace(f"mount: {world.mount}", f"mount: {mount or world.mount}"), "utf-8")


@pytest.mark.parametrize("end", ["source", "destination", "put", "verify"])
def test_an_engine_or_place_that_is_not_there_is_named_and_nothing_is_written(world: World, end: str) -> None:
    seed = {"JIRA_TOKEN": "t", "JIRA_URL": "u"}
    old = f"{world.mount}-v1"
    world.bao.call("POST", f"sys/mounts/{old}", {"type": "kv", "options": {"version": "1"}})
    world.bao.call("POST", f"{old}/agents/jira", seed)
    world.azure.seed("agents-jira", json.dumps(seed))
    base = world.root / "environments/base.yaml"
    only_jira(world)
    original = base.read_text("utf-8")
    mount = f"mount: {world.mount}"
    causes = {
        f"mount: {old}": "the mount is KV version 1",
        f"mount: {world.mount}-none": f'there is no mount "{world.mount}-none"',
        "mount: sys": "the engine mounted there is not KV",
        f"{mount}/deeper": f'the mount is "{world.mount}"',
        f"{mount}, vaultNamespace: nobody": "this Vault ignores namespaces" if VAULT_BINARY else "no such namespace",
    }
    versions = world.azure_versions()
    command = {"source": FROM_VAULT, "destination": TO_VAULT, "put": PUT, "verify": VERIFY}[end]
    with FaultyGateway(world.bao.url) as gateway:
        world.variables["VAULT_ADDR"] = gateway.url
        for text, cause in causes.items():
            base.write_text(original.replace(mount, text), "utf-8")
            done = run(world, *command)
            if end == "verify":
                assert (done.code, done.rules) == (1, ["wrong-mount"]), done
            else:
                assert (done.code, done.out) == (3, ""), done
            assert cause in done.err
            assert "not found" not in done.err
        assert {seen.method for seen in gateway.seen} == {"GET"}
    assert world.azure_versions() == versions
    assert world.bao.call("GET", f"{old}/agents/jira")["data"] == seed
    assert world.bao.call("GET", f"{old}?list=true")["data"]["keys"] == ["agents/"]
    assert world.journals() == []


def told(done: Done) -> str:
    """What says why: an error, or a step that is refused with its reason below."""
    lines = [*done.err.splitlines(), *done.out.splitlines()]
    found = [line.strip() for line in lines if line.startswith(("error: ", "  refuse", " " * 12)) or "error[" in line]
    assert found, done
    return " / ".join(found)


@pytest.mark.parametrize("end", ["source", "destination", "put", "verify"])
def test_six_refusals_have_six_causes_and_none_says_not_found(world: World, end: str) -> None:
    only_jira(world)
    document = {"JIRA_TOKEN": "t", "JIRA_URL": "u"}
    world.put("agents/jira", document)
    root = world.variables["VAULT_TOKEN"]
    of_vault = {"source": FROM_VAULT, "destination": TO_VAULT, "put": PUT, "verify": VERIFY}[end]
    of_key_vault = {
        "source": TO_VAULT,
        "destination": FROM_VAULT,
        "put": (*PUT, "--store", "azure"),
        "verify": (*VERIFY, "--store", "azure"),
    }[end]
    lines: dict[str, str] = {}

    def ask(cause: str, command: tuple[str, ...], code: int) -> None:
        done = run(world, *command)
        # What one secret is refused for is a finding of `verify`; whoever is not logged in has verified nothing.
        is_finding = end == "verify" and cause != "expired token"
        assert done.code == (1 if is_finding else code), (cause, done)
        assert not any(words in (done.out + done.err).lower() for words in ("not found", "no such", "missing")), done
        lines[cause] = told(done)

    world.azure.seed("agents-jira", json.dumps(document), enabled=False)
    ask("disabled", of_key_vault, 1)
    for cause in ("ForbiddenByRbac", "ForbiddenByFirewall"):
        world.azure.deny("get", cause)
        ask(cause, of_key_vault, 3)
    world.azure.denied.clear()
    world.azure.seed("agents-jira", json.dumps(document))
    world.variables["VAULT_TOKEN"] = restricted(world, f"{world.mount}/data/other")
    ask("policy gap", of_vault, 3)
    world.variables["VAULT_TOKEN"] = restricted(world, f"{world.mount}/*", ttl="1s", explicit_max_ttl="1s")
    time.sleep(1.1)
    ask("expired token", of_vault, 3)
    world.variables["VAULT_TOKEN"] = restricted(world, f"{world.mount}/*")
    only_jira(world, "nowhere")
    ask("unknown mount", of_vault, 3)
    world.variables["VAULT_TOKEN"] = root
    for cause, words in {
        "disabled": "disabled",
        "ForbiddenByRbac": "no role assignment of the caller grants secrets/get",
        "ForbiddenByFirewall": "the vault's firewall blocks this network",
        "policy gap": f'no policy of the token of VAULT_TOKEN grants "read" on "{world.mount}/data/agents/jira"',
        "expired token": "the token of VAULT_TOKEN is unknown, expired, revoked or used up",
        "unknown mount": 'there is no mount "nowhere", or the token of VAULT_TOKEN has no policy on it',
    }.items():
        assert words in lines[cause], lines[cause]
    assert len(set(lines.values())) == 6
    assert world.vault_versions("agents/jira") == 1
    assert len(world.azure.versions("agents-jira")) == 2
    assert not any(request.writes for request in world.azure.requests())

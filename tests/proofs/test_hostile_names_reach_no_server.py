"""Names that leave their place are refused by every command, and no server sees a request."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from compiler import pipeline
from compiler.rules import RULES
from compiler.rules.api import Scope
from tests.commands import Done
from tests.faulty_gateway import FaultyGateway
from tests.proofs.conftest import World, on_stores

NUL = "a\0b"
NAMES = (
    "../../sys/x",
    "..",
    "a/./b",
    "//",
    "a//b",
    "/a",
    "a/",
    "%2e",
    "%2e%2e/%2e%2e/sys/x",
    NUL,
    "a\nb",
    "a\r\nX-Vault-Token: b",
    "a\\b",
    "a?list=true",
    "a#b",
)
# Sound after all: a prefix is the beginning of a name, and Vault itself writes a namespace with a slash at its end.
SOUND = {"mount": set[str](), "prefix": {"..", "a/"}, "vaultNamespace": {"/a", "a/"}}
VALUES = "values.json"
JUDGES = frozenset({"invalid-vault-path", "invalid-key-vault-name", "key-vault-object-type"})
PUT = ("put", "prod", "jira", "--from-file", "{values}", "--apply")
ON_VAULT = (("verify", "prod"), PUT)
ON_KEY_VAULT = (("verify", "prod", "--store", "azure"), (*PUT, "--store", "azure"))
COMMANDS = (
    *ON_VAULT,
    ("migrate", "prod", "--to", "azure", "--quiet"),
    ("migrate", "prod", "--to", "azure", "--apply", "--continue-on-error", "--quiet"),
    ("migrate", "prod", "--to", "vault", "--from", "azure", "--apply", "--recover", "--all-properties", "--quiet"),
    ("migrate", "prod", "--to", "azure", "--only", "jira", "--apply", "--quiet"),
)


def in_turn(
    names: Sequence[str], commands: tuple[tuple[str, ...], ...]
) -> Iterator[tuple[str, tuple[tuple[str, ...], ...]]]:
    """All commands with the first name, and each other name with two of them in turn, so that each meets many."""
    for at, name in enumerate(names):
        yield name, (commands[at * 2 % len(commands) :] + commands[: at * 2 % len(commands)])[: 2 if at else None]


@dataclass(frozen=True)
class Watched:
    """A project of one secret, `jira`, whose stores both count what they are asked."""

    world: World
    gateway: FaultyGateway
    originals: dict[str, str]

    def rewrite(self, file: str, old: str, new: str) -> None:
        """Put `new` in place of `old` in a file of the project, and take back what was put there before."""
        text = self.originals[file]
        assert old in text
        (self.world.root / f"environments/{file}.yaml").write_text(text.replace(old, new), "utf-8")

    def remote(self, vault: str, azurekv: str) -> None:
        place = f"remote: {{vault: {json.dumps(vault)}, azurekv: {json.dumps(azurekv)}}}"
        self.rewrite("catalogue", "remote: {vault: agents/jira, azurekv: agents-jira}", place)

    def run(self, *argv: str) -> Done:
        values = str(self.world.root / VALUES)
        return self.world.run(*(part.replace("{values}", values) for part in argv))

    def refuses(self, *argv: str) -> Done:
        """The command ends with an error, nothing has reached either server, and no name writes a line of its own."""
        done = self.run(*argv)
        assert done.code in {1, 2, 3}, (argv, done)
        assert self.gateway.seen == [], (argv, done)
        assert self.world.azure.requests() == [], (argv, done)
        assert "X-Vault-Token: b" not in (done.out + done.err).splitlines()
        assert not set("\0\r") & set(done.out + done.err)
        return done


@pytest.fixture
def watched(world: World) -> Iterator[Watched]:
    base = world.root / "environments/base.yaml"
    base.write_text(base.read_text("utf-8").replace("secrets: {github: {}, jira: {}}", "secrets: {jira: {}}"), "utf-8")
    originals = {path.stem: path.read_text("utf-8") for path in base.parent.glob("*.yaml")}
    # Once: a file system takes its time for a file that is written over.
    values = world.root / VALUES
    values.write_text('{"JIRA_TOKEN": "token", "JIRA_URL": "url"}', "utf-8")
    values.chmod(0o600)
    with FaultyGateway(world.bao.url) as gateway:
        world.variables["VAULT_ADDR"] = gateway.url
        yield Watched(world, gateway, originals)


@pytest.fixture
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rule judges names: the adapters must refuse by themselves."""
    kept = tuple(rule for rule in RULES if rule.id not in JUDGES)
    assert len(kept) == len(RULES) - len(JUDGES)
    by_scope = {scope: tuple(rule for rule in kept if rule.scope is scope) for scope in Scope}
    monkeypatch.setattr(pipeline, "RULES", kept)
    monkeypatch.setattr(pipeline, "_BY_SCOPE", by_scope)


@pytest.mark.parametrize("judge", ["rules", "stores"])
def test_a_remote_name_that_leaves_its_place_is_refused_and_no_server_sees_it(
    watched: Watched, judge: str, request: pytest.FixtureRequest
) -> None:
    commands = COMMANDS + ON_KEY_VAULT
    cases = in_turn(NAMES, commands)
    if judge == "stores":
        request.getfixturevalue("unjudged")
        # Each store is to read and to write each name, which is what every command has it do.
        cases = ((name, ON_VAULT + ON_KEY_VAULT if at else commands) for at, name in enumerate(NAMES))
    for name, those in cases:
        watched.remote(name, name)
        for command in those:
            watched.refuses(*command)
    assert watched.world.azure_versions() == {}


@pytest.mark.parametrize("setting", list(SOUND))
def test_a_mount_prefix_or_namespace_that_leaves_its_place_is_refused_and_no_server_sees_it(
    watched: Watched, setting: str
) -> None:
    mount = f"mount: {watched.world.mount}"
    for name, commands in in_turn([name for name in NAMES if name not in SOUND[setting]], COMMANDS):
        kept = "" if setting == "mount" else f"{mount}, "
        watched.rewrite("base", mount, f"{kept}{setting}: {json.dumps(name)}")
        for command in commands:
            watched.refuses(*command)


def test_a_prefix_of_a_key_vault_is_judged_too(watched: Watched) -> None:
    for name in NAMES:
        watched.rewrite("base", "name: azure-store", f"name: azure-store, prefix: {json.dumps(name)}")
        for command in ON_KEY_VAULT:
            watched.refuses(*command)


def test_a_property_that_is_no_name_is_refused_and_no_server_sees_it(watched: Watched) -> None:
    for name, commands in in_turn(NAMES, COMMANDS + ON_KEY_VAULT):
        places = ", ".join(f"{provider}: {{property: {json.dumps(name)}}}" for provider in ("vault", "azurekv"))
        watched.rewrite("catalogue", "{description: URL}", f"{{description: URL, remote: {{{places}}}}}")
        for command in commands:
            watched.refuses(*command)


def test_a_name_on_the_command_line_is_looked_up_and_never_sent(watched: Watched) -> None:
    for name in NAMES:
        for command in (
            ("verify", "prod", name),
            ("verify", name),
            ("verify", "prod", "--store", name),
            ("migrate", "prod", "--to", "azure", "--only", name, "--apply"),
            ("migrate", "prod", "--to", name, "--apply"),
            ("migrate", "prod", "--to", "azure", "--from", name, "--apply"),
            ("migrate", "prod", "--undo", name, "--apply"),
            ("migrate", name, "--to", "azure", "--apply"),
            ("put", "prod", name, "--from-file", "{values}", "--apply"),
            ("put", "prod", "jira", name, "--from-file", "{values}", "--apply"),
            ("put", "prod", "jira", "--store", name, "--from-file", "{values}", "--apply"),
        ):
            watched.refuses(*command)


def test_a_namespace_or_log_in_mount_of_the_environment_that_leaves_its_place_is_never_sent(
    watched: Watched,
) -> None:
    # No variable can hold a NUL.
    names = [name for name in NAMES if name not in SOUND["vaultNamespace"] | {NUL}]
    for variable in ("VAULT_NAMESPACE", "PLATFORM_SECRETS_VAULT_AUTH_MOUNT"):
        for name, commands in in_turn(names, COMMANDS):
            watched.world.variables[variable] = name
            for command in commands:
                watched.refuses(*command)
        watched.world.variables[variable] = ""


@pytest.mark.parametrize("provider", ["vault", "azurekv"])
def test_a_values_file_that_no_rule_has_judged_asks_no_server_either(watched: Watched, provider: str) -> None:
    token = {"tokenSecretRef": {"name": "vault-token", "key": "token", "namespace": "agents"}}
    places: dict[str, dict[str, object]] = {
        "vault": {"server": watched.gateway.url, "path": "kv", "version": "v2", "auth": token},
        "azurekv": {
            "vaultUrl": watched.world.azure.url,
            "environmentType": "PublicCloud",
            "authType": "ManagedIdentity",
        },
    }
    store = {
        "name": "store",
        "syncWave": "-60",
        "conditions": [{"namespaces": ["agents"]}],
        "provider": {provider: places[provider]},
    }
    secret = {
        "name": "agent-jira-secrets",
        "namespace": "agents",
        "storeRef": {"kind": "ClusterSecretStore", "name": "store"},
        "refreshInterval": "1h0m0s",
        "syncWave": "-49",
        "fetch": "perKey",
        "keys": ["TOKEN"],
    }
    path = watched.world.root / "values.yaml"
    for name in NAMES:
        values = {"clusterSecretStores": {"it": store}, "externalSecrets": {"jira": {**secret, "remoteKey": name}}}
        path.write_text(json.dumps(values), "utf-8")
        done = watched.refuses("verify", "--values", str(path))
        # Of lines and control characters the schema of values files knows already.
        expected = (
            "control-character" if name == NUL else "invalid-reference" if name.isprintable() else "invalid-value"
        )
        assert done.rules == [expected], done


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize("hostile", on_stores(["vault"], ["azure"]))
def test_beside_a_hostile_end_the_sound_one_is_asked_for_its_own_name_and_nothing_is_written(
    watched: Watched, hostile: str
) -> None:
    watched.world.put("agents/jira", {"JIRA_TOKEN": "token"})
    watched.world.azure.seed("agents-jira", '{"JIRA_TOKEN": "another"}')
    options = ("--apply", "--continue-on-error", "--recover", "--all-properties", "--on-conflict=overwrite", "--quiet")
    routes = (("--to", "azure"), ("--to", "vault", "--from", "azure"))
    # The loader knows no NUL. Both ways with the first name, and with each other one of them in turn.
    for at, name in enumerate(name for name in NAMES if name != NUL):
        watched.remote(*((name, "agents-jira") if hostile == "vault" else ("agents/jira", name)))
        for route in (routes[at % 2],) if at else routes:
            done = watched.run("migrate", "prod", *route, *options)
            assert done.code == 1, (name, done)
            assert ", in " not in done.out.rpartition("plan: ")[2].partition("\n")[0], name
    seen = {seen.path for seen in watched.gateway.seen if "/data/" in seen.path or seen.method != "GET"}
    asked = {request.path.strip("/") for request in watched.world.azure.requests()}
    assert seen == (set() if hostile == "vault" else {f"/v1/{watched.world.mount}/data/agents/jira"})
    assert asked == (set() if hostile == "azure" else {"secrets/agents-jira"})
    assert not any(request.writes for request in watched.world.azure.requests())
    assert hostile == "azure" or watched.gateway.seen == []

"""Each role runs its commands from start to end with what is generated for it, on OpenBao and on Key Vault.

What they ask, by the stores' own logs, is what the one table of access says; no right of a role could be left out.
"""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from compiler.cli.commands import COMMANDS as EVERY_COMMAND
from compiler.demo.local_openbao import LocalOpenBaoError, _binary
from compiler.generate.access import COMMANDS, uses_of
from compiler.stores.azure_key_vault import access as key_vault
from compiler.stores.interface import Role, Use
from compiler.stores.vault import access as vault
from tests.commands import Done
from tests.faulty_key_vault import LoggedRequest
from tests.openbao_servers import AuditedOpenBao
from tests.proofs.access_scenes import Scenes
from tests.proofs.conftest import World, on_stores
from tests.proofs.writing import VAULT, Writing

# What any token may ask, or need not be able to.
ALWAYS = {("auth/token/lookup-self", "read"), ("sys/capabilities-self", "update"), ("sys/internal/ui/mounts", "read")}
ROWS = [
    (role, command, store)
    for role, commands in COMMANDS.items()
    if role is not Role.OPERATOR
    for command in commands
    for store in on_stores(["vault"], ["azure"])
]
WITHOUT_STORES = {
    *("compile", "explain", "diff", "render", "consumers", "generate", "rules", "new", "completion"),
    # The demo has stores of its own; the others read files.
    *("demo", "report", "runs"),
}
# A command that does not do its work without a right, by the right.
NEEDED = {
    Role.READER: {("data", "read"): "verify"},
    Role.IMPORTER: {("metadata", "list"): "import store", ("subkeys", "read"): "import store"},
    Role.WRITER: {
        ("data", "read"): "put",
        ("data", "create"): "put",
        ("data", "update"): "put",
        ("metadata", "update"): "migrate",
        ("delete", "update"): "put --undo",
        ("undelete", "update"): "put --recover",
    },
    Role.RETIRER: {
        ("data", "read"): "retire",
        ("metadata", "read"): "retire",
        ("delete", "update"): "retire",
        ("undelete", "update"): "retire --undo",
    },
}
ACTIONS = {
    Role.IMPORTER: {key_vault.LIST: "import store"},
    Role.WRITER: {
        key_vault.GET: "put",
        key_vault.LIST: "put",
        key_vault.SET: "put",
        key_vault.DELETE: "put --undo",
        key_vault.RECOVER: "put --recover",
    },
    Role.RETIRER: {
        key_vault.GET: "retire",
        key_vault.LIST: "retire",
        key_vault.DELETE: "retire",
        key_vault.RECOVER: "retire --undo",
    },
}
# What plans need to say which versions a write drops; a command without them says less.
OPTIONAL = {Role.WRITER: {("metadata", "read"), ("config", "read")}}
# What the local vault calls them, as an access policy does.
PERMISSIONS = {
    "get": key_vault.GET,
    "list": key_vault.LIST,
    "set": key_vault.SET,
    "delete": key_vault.DELETE,
    "recover": key_vault.RECOVER,
    "purge": "",
}


class RefusedError(Exception):
    """A command did not end well."""


@pytest.fixture(scope="module")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedOpenBao]:
    with AuditedOpenBao.start_audited(tmp_path_factory.mktemp("openbao")) as server:
        yield server


def generated(world: World, role: Role, *options: str) -> str:
    done = world.run("generate", "access", "prod", "--for", role, *(options or ("--form", "hcl", "--store", "vault")))
    assert done.code == 0, done
    return done.out


def token_with(world: World, policy: str, name: str = "role") -> str:
    world.bao.call("PUT", f"sys/policies/acl/{name}", {"policy": policy})
    made = world.bao.call("POST", "auth/token/create", {"policies": [name]})
    return str(made["auth"]["client_token"])


@contextmanager
def as_role(world: World, token: str, actions: set[str]) -> Iterator[None]:
    """In it the Vault takes `token`, and the Key Vault allows `actions` alone."""
    root = world.variables["VAULT_TOKEN"]
    world.variables["VAULT_TOKEN"] = token
    for permission, action in PERMISSIONS.items():
        if action not in actions:
            world.azure.deny(permission, "ForbiddenByRbac")
    try:
        yield
    finally:
        world.variables["VAULT_TOKEN"] = root
        world.azure.denied.clear()


def actions_of(role: Role) -> set[str]:
    """The data actions of the role: of the reader those of the built-in one."""
    if role is Role.READER:
        return set(key_vault.SECRETS_USER_ACTIONS)
    return {action for use in uses_of(role) for action in key_vault.ACCESS[use]}


def of_vault(path: str, operation: str, mount: str) -> tuple[str, str]:
    inside = path.removeprefix(f"{mount}/")
    return (path.removesuffix(f"/{mount}") if inside == path else inside.partition("/")[0]), operation


def of_key_vault(request: LoggedRequest) -> str:
    """The data action of a request; a list of all is asked for who the caller is alone, and may be refused."""
    match request.method, request.path.strip("/").split("/"):
        case "GET", ["secrets"]:
            return ""
        case "GET", ["secrets", _, "versions"]:
            return key_vault.LIST
        case "GET", _:
            return key_vault.GET
        case "PUT", ["secrets", _]:
            return key_vault.SET
        case "DELETE", ["secrets", _]:
            return key_vault.DELETE
        case "POST", ["deletedsecrets", _, "recover"]:
            return key_vault.RECOVER
    raise AssertionError(request)


@pytest.mark.parametrize(("role", "command", "at"), ROWS, ids=[f"{row[1]} {row[2]}" for row in ROWS])
def test_a_command_asks_what_its_row_has_no_more_and_no_less(
    world: World, openbao: AuditedOpenBao, tmp_path: Path, role: Role, command: str, at: str
) -> None:
    asked: set[object] = set()
    token, actions = world.bao.token, set(PERMISSIONS.values())
    if at == "vault":
        token = token_with(world, generated(world, role))
    else:
        actions = actions_of(role)

    def step(run: Callable[[], Done]) -> None:
        world.azure.forget_requests()
        before = openbao.mark()
        with as_role(world, token, actions):
            done = run()
        assert done.code == 0, done
        if at == "vault":
            asked.update(of_vault(*each, world.mount) for each in openbao.requests(before))
        else:
            listed = {key_vault.LIST} if role is Role.IMPORTER else {""}
            requests = [each for each in world.azure.requests() if each.authorised]
            asked.update(*({each} if (each := of_key_vault(one)) else listed for one in requests))

    Scenes(world, tmp_path, at, step).play(command)
    uses = COMMANDS[role][command]
    assert asked - ALWAYS - {""} == (needs_of(uses) if at == "vault" else actions_for(uses))


def needs_of(uses: frozenset[Use]) -> set[object]:
    return {(need.route, need.capability) for use in uses for need in vault.ACCESS[use]}


def actions_for(uses: frozenset[Use]) -> set[object]:
    return {action for use in uses for action in key_vault.ACCESS[use]}


def refused(world: World, folder: Path, at: str, command: str, token: str, actions: set[str]) -> bool:
    """Whether the command does not succeed with this alone."""

    def step(run: Callable[[], Done]) -> None:
        with as_role(world, token, actions):
            if run().code != 0:
                raise RefusedError

    try:
        Scenes(world, folder, at, step).play(command)
    except RefusedError:
        return True
    return False


def without(policy: str, route: str, capability: str) -> str:
    """The policy without one capability in its rules of that route."""

    def drop(rule: re.Match[str]) -> str:
        left = [each for each in json.loads(rule[3]) if each != capability]
        return rule[0] if rule["route"] != route else rule[1] + json.dumps(left or ["deny"])

    return re.sub(r'(path "[^/"]+/(?P<route>\w+)[^"]*" \{ capabilities = )(\[[^\]]*\])', drop, policy)


@pytest.mark.parametrize(
    ("role", "right"), [(role, right) for role, rights in NEEDED.items() for right in rights], ids=str
)
def test_without_one_right_in_a_vault_a_command_fails(
    world: World, tmp_path: Path, role: Role, right: tuple[str, str]
) -> None:
    policy = generated(world, role)
    less = without(policy, *right)
    assert less != policy
    assert refused(world, tmp_path, "vault", NEEDED[role][right], token_with(world, less), set(PERMISSIONS.values()))


@pytest.mark.parametrize(
    ("role", "action"), [(role, action) for role, actions in ACTIONS.items() for action in actions], ids=str
)
def test_without_one_action_in_a_key_vault_a_command_fails(
    world: World, tmp_path: Path, role: Role, action: str
) -> None:
    less = actions_of(role) - {action}
    assert refused(world, tmp_path, "azure", ACTIONS[role][action], world.bao.token, less)


@pytest.mark.parametrize("right", sorted(OPTIONAL[Role.WRITER]), ids=str)
def test_without_an_optional_right_a_plan_says_less(world: World, tmp_path: Path, right: tuple[str, str]) -> None:
    writing = Writing(world, tmp_path, "put", "vault")
    world.put(VAULT, {"GITHUB_TOKEN": "old"})
    world.bao.call("POST", f"{world.mount}/config", {"max_versions": 1})
    policy = generated(world, Role.WRITER)
    shown = []
    for text in (policy, without(policy, *right)):
        with as_role(world, token_with(world, text), set()):
            shown.append(writing())
    assert [done.code for done in shown] == [0, 0]
    assert "version 1" in shown[0].out
    assert "version 1" not in shown[1].out


def test_each_command_that_asks_a_store_is_in_the_table() -> None:
    rows = {command.partition(" ")[0] for role in NEEDED for command in COMMANDS[role]}
    assert rows == EVERY_COMMAND.keys() - WITHOUT_STORES


def test_every_right_of_a_role_is_needed() -> None:
    for role, needed in NEEDED.items():
        assert needed.keys() | OPTIONAL.get(role, set()) == needs_of(uses_of(role))
    for role, actions in ACTIONS.items():
        assert actions.keys() == actions_for(uses_of(role))
    assert actions_for(uses_of(Role.OPERATOR)) == {key_vault.GET}
    assert actions_for(uses_of(Role.READER)) == key_vault.SECRETS_USER_ACTIONS


# Who imports may list the whole mount, however it is asked for.
@pytest.mark.parametrize("role", [role for role in Role if role is not Role.IMPORTER])
def test_a_rule_for_a_folder_grants_what_the_exact_ones_do(world: World, role: Role) -> None:
    exact, wide = generated(world, role), generated(world, role, "--form", "hcl", "--prefix")
    paths = re.findall(r'path "([^"]+)"', exact)
    assert not set(paths) & set(re.findall(r'path "([^"]+/[^"]+/[^"]+)"', wide))
    rights = []
    for policy in (exact, wide):
        found = world.bao.call("POST", "sys/capabilities", {"token": token_with(world, policy), "paths": paths})
        rights.append({path: found["data"][path] for path in paths})
    assert rights[0] == rights[1]


def test_no_role_may_end_a_secret_for_good(world: World) -> None:
    paths = [f"{world.mount}/{route}/{VAULT}" for route in ("data", "destroy", "metadata")]
    token = token_with(world, "".join(generated(world, role) for role in Role))
    found = world.bao.call("POST", "sys/capabilities", {"token": token, "paths": paths})["data"]
    assert found[paths[1]] == ["deny"]
    assert not any({"delete", "sudo"} & set(found[path]) for path in paths)


def test_the_operator_logs_in_by_the_role_that_is_printed_and_reads_what_it_needs(world: World, tmp_path: Path) -> None:
    world.fill()
    text = generated(world, Role.OPERATOR)
    (tmp_path / "FILE").write_text(text)
    world.bao.call("POST", "sys/auth/kubernetes", {"type": "kubernetes"})
    variables = {"PATH": os.defpath, "HOME": str(tmp_path), "BAO_ADDR": world.bao.url, "BAO_TOKEN": world.bao.token}
    steps = [shlex.split(line.removeprefix("#   ")) for line in text.splitlines() if line.startswith("#   bao ")]
    for _, *words in steps:
        subprocess.run([_binary(), *words], env=variables, cwd=tmp_path, check=True, capture_output=True)
    role = world.bao.call("GET", "auth/kubernetes/role/external-secrets")["data"]
    assert (role["bound_service_account_names"], role["audience"]) == (["external-secrets"], "vault")
    made = world.bao.call("POST", "auth/token/create", {"policies": role["token_policies"], "no_default_policy": True})
    root, world.bao.token = world.bao.token, made["auth"]["client_token"]
    try:
        assert world.get("agents/jira")["JIRA_TOKEN"] == "token-2"
        for method, path in (("GET", "data/other"), ("GET", f"metadata/{VAULT}"), ("POST", f"data/{VAULT}")):
            with pytest.raises(LocalOpenBaoError, match="403"):
                world.bao.call(method, f"{world.mount}/{path}", {"data": {}} if method == "POST" else None)
    finally:
        world.bao.token = root


def access(world: World, role: Role, token: str, *options: str) -> Done:
    with as_role(world, token, set(PERMISSIONS.values())):
        return world.run("verify", "prod", "--access", "--for", role, "--quiet", *options)


def test_verify_says_what_a_token_lacks_for_a_role_and_what_is_beyond_it(world: World) -> None:
    world.fill()
    tokens = {role: token_with(world, generated(world, role), str(role)) for role in Role}
    # Verify reads values, which who imports may not.
    del tokens[Role.IMPORTER]
    for role, token in tokens.items():
        assert access(world, role, token).rules == []
    wide = access(world, Role.READER, tokens[Role.WRITER])
    assert (wide.code, wide.rules) == (0, ["excess-access"])
    assert access(world, Role.READER, tokens[Role.WRITER], "--strict").code == 1
    assert "is a root token" in access(world, Role.READER, world.bao.token).err
    every = token_with(world, f'path "{world.mount}/data/*" {{ capabilities = ["read"] }}', "every")
    assert f'"read" on all of "{world.mount}/data/"' in " ".join(access(world, Role.READER, every).err.split())
    # The policies of two roles make one, so that only what lacks is left to say.
    lacks = access(world, Role.WRITER, tokens[Role.READER])
    assert (lacks.code, lacks.rules) == (1, ["missing-access"] * 2)
    rules = re.findall(r'path "[^"]+" \{ capabilities = \[[^\]]+\] \}', " ".join(lacks.err.split()))
    policy = generated(world, Role.READER) + "\n".join(dict.fromkeys(rules))
    assert access(world, Role.WRITER, token_with(world, policy, "pasted")).rules == []


def test_a_read_that_is_refused_is_told_once_with_all_that_the_role_takes(world: World) -> None:
    world.fill()
    token = token_with(world, f'path "{world.mount}/data/{VAULT}" {{ capabilities = ["read"] }}', "half")
    done = access(world, Role.WRITER, token, "jira")
    assert (done.code, done.rules) == (1, ["forbidden"])
    assert f'"{world.mount}/delete/agents/jira"' in " ".join(done.err.split())


def test_a_key_vault_does_not_say_what_a_caller_may_do(world: World) -> None:
    world.serve_from("azure")
    world.azure.seed("agents-github", '{"GITHUB_TOKEN": "a"}')
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "a", "JIRA_URL": "b"}')
    done = access(world, Role.WRITER, world.bao.token, "--strict")
    assert done.code == 0
    assert "note[unknown-access]" in done.err

"""With deletionPolicy Delete the operator skips what is not found and says Ready: each command says what that takes.

An orphan that is edited by hand stays so until the next refresh, which `status` says too.
"""

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from compiler.model.environment import Environment
from compiler.pipeline import compile_project
from tests.api_double import ApiDouble
from tests.commands import Done
from tests.live_platform import LivePlatform
from tests.proofs.conftest import World

SPACE, SECRET = "agents", "agent-jira-secrets"
URL = "https://jira.example.com"
LEFT_OUT = 'the operator would leave "JIRA_URL" out of the Secret, and say Ready'
TAKEN = f'by its deletionPolicy the operator would take the keys out of "{SPACE}/{SECRET}"'


def said(done: Done) -> str:
    return " ".join((done.out + done.err).split())


def with_policy(world: World, line: str) -> None:
    """Give jira a policy, and one of its keys a remote secret of its own; both stores hold everything."""
    catalogue = world.root / "environments/catalogue.yaml"
    text = catalogue.read_text("utf-8")
    text = text.replace("\n  jira:\n", f"\n  jira:\n    {line}\n")
    own = "{description: URL, remote: {vault: {name: agents/url}, azurekv: {name: agents-url}}}"
    catalogue.write_text(text.replace("{description: URL}", own), "utf-8")
    world.fill()
    world.put("agents/jira", {"JIRA_TOKEN": "token-2"})
    world.put("agents/url", {"JIRA_URL": URL})
    assert world.migrate("--apply").code == 0
    world.run("compile", "prod")


@pytest.fixture
def deleting(world: World) -> World:
    with_policy(world, "deletionPolicy: Delete")
    return world


@pytest.fixture
def double() -> Iterator[ApiDouble]:
    with ApiDouble() as made:
        yield made


def deployed(world: World, double: ApiDouble) -> LivePlatform:
    platform = LivePlatform(double)
    platform.run(environment(world))
    world.variables["KUBECONFIG"] = str(double.kubeconfig(world.root))
    return platform


def environment(world: World) -> Environment:
    project = compile_project(world.root, ["prod"]).project
    assert project is not None
    return project.environments[0]


def lose_in_vault(world: World) -> None:
    world.bao.call("DELETE", f"{world.mount}/metadata/agents/url")


def lose_in_key_vault(world: World) -> None:
    with world.azure.lock:
        world.azure.state.delete(world.azure.url, "agents-url")


def test_verify_says_what_would_be_left_out(deleting: World) -> None:
    assert deleting.run("verify", "prod").code == 0
    lose_in_vault(deleting)
    done = deleting.run("verify", "prod")
    assert (done.code, LEFT_OUT in said(done)) == (1, True)


def test_status_does_not_trust_ready(deleting: World, double: ApiDouble) -> None:
    platform = deployed(deleting, double)
    assert deleting.run("status", "prod", "--cluster").code == 0
    lose_in_vault(deleting)
    # The operator says Ready.
    platform.sync(SPACE, SECRET, without=["JIRA_URL"])
    done = deleting.run("status", "prod", "--cluster")
    assert (done.code, LEFT_OUT in said(done)) == (1, True)
    # Also where the store has it again, and the Secret not yet.
    deleting.put("agents/url", {"JIRA_URL": URL})
    done = deleting.run("status", "prod", "--cluster")
    leaves = "with deletionPolicy Delete the operator leaves out what its store does not have"
    assert done.code == 1
    assert f'lacks "JIRA_URL"; {leaves}' in said(done)
    double.delete("secrets", SPACE, SECRET)
    done = deleting.run("status", "prod", "--cluster")
    assert (done.code, f'there is no Secret "{SPACE}/{SECRET}"; {leaves}' in said(done)) == (1, True)


def test_the_gate_wants_every_remote_secret_and_has_no_way_round(deleting: World, double: ApiDouble) -> None:
    deployed(deleting, double)
    lose_in_key_vault(deleting)
    switch = ("cutover", "prod", "jira", "--to", "azure", "--cluster", "--apply")
    for options in ((), ("--accept-differences", "JIRA_URL"), ("--without-comparison",)):
        done = deleting.run(*switch, *options)
        assert (done.code, LEFT_OUT in said(done)) == (1, True), done
        assert "--accept" not in "".join(done.out.partition("help:")[2:])
    (line,) = set(re.findall("help: platform-secrets (.*)", done.out))
    assert deleting.run(*shlex.split(line), "--quiet").code == 0
    done = deleting.run(*switch)
    assert done.code == 0, done
    # The way back is no other one.
    lose_in_vault(deleting)
    back = ("cutover", "prod", "jira", "--back", "--apply")
    for options in ((), ("--without-comparison",), ("--cluster",)):
        done = deleting.run(*back, *options)
        assert (done.code, LEFT_OUT in said(done)) == (1, True), done


@pytest.mark.parametrize("to", ["azure", "vault"])
def test_a_store_object_with_a_wrong_mount_is_found_before_the_operator_deletes_by_it(
    deleting: World, double: ApiDouble, to: str
) -> None:
    switch = ["cutover", "prod", "jira", "--to", to]
    if to == "vault":
        assert deleting.run("cutover", "prod", "jira", "--to", "azure", "--apply").code == 0
        switch += ["--back"]
    platform, stores = deployed(deleting, double), environment(deleting).stores
    name = stores[to].name
    mounted = double.get("clustersecretstores", "", stores["vault"].name)["spec"]["provider"]["vault"]
    platform.store(name, {"vault": {**mounted, "path": "other"}})
    unasked = deleting.run(*switch)
    assert f'not asked: whether the ClusterSecretStore "{name}" leads to "{to}"' in said(unasked)
    # The gate finds it before the switch, and `verify` at any time.
    for words in ((*switch, "--cluster", "--apply"), ("verify", "prod", "jira", "--store", to, "--cluster")):
        done = deleting.run(*words)
        assert done.code == 1, done
        assert f'the ClusterSecretStore "{name}" leads to another store than "{to}"' in said(done)


def test_the_gate_does_not_trust_ready_of_a_secret_that_has_lost_a_key(deleting: World, double: ApiDouble) -> None:
    platform = deployed(deleting, double)
    lose_in_vault(deleting)
    platform.sync(SPACE, SECRET, without=["JIRA_URL"])
    done = deleting.run("cutover", "prod", "jira", "--to", "azure", "--cluster")
    assert done.code == 1
    assert 'keys of "jira" are in "azure" and not in "vault": "JIRA_URL"' in said(done)


def test_retire_and_undo_name_the_secret_that_would_lose_keys(deleting: World) -> None:
    done = deleting.run("retire", "prod", "--store", "vault", "jira", "--without-cluster", "--apply")
    assert (done.code, TAKEN in said(done)) == (1, True)
    lose_in_vault(deleting)
    (deleting.root / "value").write_text(URL, "utf-8")
    (deleting.root / "value").chmod(0o600)
    put = ("put", "prod", "jira", "JIRA_URL", "--from-file", str(deleting.root / "value"), "--apply", "--quiet")
    written = deleting.run(*put)
    (undo,) = re.findall("to undo it: platform-secrets (.*)", written.out)
    done = deleting.run(*shlex.split(undo), "--quiet")
    assert (done.code, TAKEN in said(done)) == (1, True)
    assert deleting.get("agents/url") == {"JIRA_URL": URL}


def test_an_orphan_edited_by_hand_is_restored_at_the_next_refresh(world: World, double: ApiDouble) -> None:
    with_policy(world, "creationPolicy: Orphan")
    deployed(world, double)
    edited = double.get("secrets", SPACE, SECRET)
    edited["metadata"].pop("ownerReferences")
    later = f"{datetime.now(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
    fields: dict[str, object] = {"f:data": {"f:JIRA_TOKEN": {}}}
    edited["metadata"]["managedFields"].append({"manager": "kubectl-edit", "time": later, "fieldsV1": fields})
    double.put("secrets", edited)
    done = world.run("status", "prod", "--cluster")
    assert (done.code, "the operator restores an orphan at its next refresh only" in said(done)) == (1, True), done
    (line,) = re.findall("next: platform-secrets (.*)", done.out)
    assert shlex.split(line)[-2:] == ["--wait", "--force-sync"]

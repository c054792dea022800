import signal
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from compiler.live.stores import LiveStores
from compiler.stages.resolve import Outside
from tests import providers
from tests.commands import Done, EditFile, RunCommand
from tests.fake_cluster import ESO, FakeCluster
from tests.live_platform import compiled_objects
from tests.platforms import project_of
from tests.recorded_cluster import NAMESPACE, as_compiled, by_name, leading_to, recorded
from tests.unit.cli.two_ends import Ends

NAMED = Outside(addresses={providers.KEY_VAULT: "ai-platform"})
JIRA = ("ATLASSIAN_TOKEN", "ATLASSIAN_EMAIL", "ATLASSIAN_API_URL", "ATLASSIAN_VERIFY_SSL")
SENTINEL = "s3ntinel-4711-s3ntinel"


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Ends:
    """Both stores hold what jira needs."""
    made = Ends()
    for store, name in ((made.vault, "jira-secret"), (made.azure, "jira")):
        between = "/" if store is made.vault else "-"
        store.seed(f"ai-platform-engineering{between}{name}", **dict.fromkeys(JIRA, SENTINEL))

    def stores(environ: Mapping[str, str]) -> LiveStores:
        return LiveStores(environ, made.open)

    monkeypatch.setattr("compiler.cli.commands.cutover.open_stores_for_reading", stores)
    monkeypatch.setenv("AZURE_KEYVAULT_NAME", "ai-platform")
    return made


@pytest.fixture
def cutover(project: Path, ends: Ends, run: RunCommand) -> Callable[..., Done]:
    assert ends.vault.versions

    def invoke(*words: str, environment: str = "dev") -> Done:
        done = run("cutover", environment, *words)
        assert SENTINEL not in done.out + done.err
        return done

    return invoke


@pytest.fixture
def cluster(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    """The recorded one, in which all is on the Key Vault."""
    with FakeCluster() as fake:
        text = (project / "environments/dev.yaml").read_text("utf-8") + "store: azure\n"
        compiled = project_of(project, "dev", outside=NAMED, unwritten={"environments/dev.yaml": text})
        manifests = compiled_objects(compiled.environments[0])
        items = [as_compiled(each, manifests[name]) for name, each in by_name("externalsecrets-list").items()]
        for each in items:
            each["status"]["refreshTime"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
            # The API server notes when the operator wrote that.
            for noted in each["metadata"]["managedFields"]:
                noted["time"] = each["status"]["refreshTime"]
        fake.objects[f"{ESO}/namespaces/{NAMESPACE}/externalsecrets"] = {"items": items}
        fake.objects[f"/api/v1/namespaces/{NAMESPACE}/secrets"] = recorded("secrets-metadata-list")
        written = {store.name: store for store in compiled.environments[0].stores.values()}
        for name, store in by_name("clustersecretstores-list").items():
            fake.objects[f"{ESO}/clustersecretstores/{name}"] = leading_to(store, written[name])
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path)))
        yield fake


def test_the_cluster_has_its_say(cutover: Callable[..., Done], edit: EditFile, cluster: FakeCluster) -> None:
    edit(
        "environments/dev.yaml",
        "secrets:\n",
        "moves: {to: azure, steps: [[slack], [jira]]}\nsecrets:\n  slack: {store: azure}\n",
    )
    done = cutover("--next", "--cluster")
    assert done.code == 0, done.out + done.err
    assert 'the steps before are in effect: "slack"' in done.out
    assert {each.method for each in cluster.asked} == {"GET"}
    items: Any = cluster.objects[f"{ESO}/namespaces/{NAMESPACE}/externalsecrets"]["items"]
    recent, old = items[3], deepcopy(items[3])
    old["status"]["refreshTime"] = "2026-11-26T00:50:06Z"
    for each in old["metadata"]["managedFields"]:
        each["time"] = "2026-11-26T00:50:06Z"
    items[3] = old
    behind = cutover("--next", "--cluster", "--context", "here")
    assert (behind.code, "refused    the operator has not handled" in behind.out) == (1, True)
    force = "platform-secrets status dev --only jira --wait --force-sync --context here"
    assert f"help: {force}" in behind.out
    items[3] = recent
    items[5]["metadata"]["generation"] = 5
    stopped = cutover("--next", "--cluster", "--apply")
    assert stopped.code == 1
    assert "platform-secrets verify dev slack --cluster" in stopped.out
    away = cutover("--next", "--cluster", "--context", "there")
    assert (away.code, "the cluster cannot be asked" in away.out) == (3, True)
    assert cutover("--next", "--cluster", "--context", "nowhere").code == 3


@pytest.mark.parametrize("after", [False, True])
def test_an_interrupt_says_whether_anything_was_written(
    cutover: Callable[..., Done], project: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    where = "end_lines" if after else "plan_cutover"
    monkeypatch.setattr(f"compiler.cli.commands.cutover.{where}", interrupted)
    done = cutover("jira", "--to", "azure", "--apply")
    assert done.code == 130
    said = "the environment and its values file were written; commit them" if after else "nothing was written"
    assert done.err.endswith(f"interrupted; {said}\n")
    assert (project / "chart/values-dev.yaml").exists() == after


def test_the_workloads_that_read_a_secret_are_named_by_the_cluster(
    cutover: Callable[..., Done], edit: EditFile, cluster: FakeCluster
) -> None:
    edit("environments/dev.yaml", "secrets:\n", "moves: {to: azure, steps: [[jira]]}\nsecrets:\n")
    assert cutover("--next", "--format", "json").report["switches"][0]["readers"] == ["mcp-jira"]
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
    pods = {"containers": [{"name": "a", "envFrom": [{"secretRef": {"name": "agent-jira-secrets"}}]}]}
    cluster.objects[path] = {"items": [{"metadata": {"name": "agent"}, "spec": {"template": {"spec": pods}}}]}
    looked = cutover("--next", "--cluster", "--format", "json").report
    assert looked["switches"][0]["readers"] == ['Deployment "agent"']
    cluster.refused["/deployments"] = 403
    refused = cutover("--next", "--cluster", "--format", "json").report
    assert refused["switches"][0]["readers"] == ["mcp-jira"]

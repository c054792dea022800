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


def test_a_plan_is_shown_and_nothing_written(cutover: Callable[..., Done], project: Path) -> None:
    before = (project / "environments/dev.yaml").read_bytes()
    done = cutover("jira", "--to", "azure")
    assert (done.code, done.err) == (0, 'note: AZURE_KEYVAULT_NAME gives the vaultUrl of the store "azure"\n')
    lines = done.out.splitlines()
    assert lines[0] == 'dev: jira from "vault" to "azure"'
    assert "+  jira: {store: azure}" in lines
    meaning = "the Secret is updated in place; content equal in both stores; the cluster was not asked"
    assert f"  ai-platform-engineering/agent-jira-secrets: {meaning}" in lines
    assert lines[-1] == "nothing was written; add --apply to write this"
    assert (project / "environments/dev.yaml").read_bytes() == before


def test_it_is_written_with_the_commit_to_make_and_the_way_back(
    cutover: Callable[..., Done], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(project / "none"))
    done = cutover("jira", "--to", "azure", "--apply")
    assert done.out.splitlines()[-8:] == [
        "environments/dev.yaml: written",
        "chart/values-dev.yaml: written",
        "commit it:",
        "  git add environments/dev.yaml chart/values-dev.yaml",
        "  git commit -m 'Switch jira of dev to azure'",
        "watch it take effect: platform-secrets status dev --only jira --wait",
        "  which needs a kubeconfig: set KUBECONFIG",
        "to go back: platform-secrets cutover dev jira --back --to vault --apply",
    ]
    assert "azure-keyvault-store" in (project / "chart/values-dev.yaml").read_text("utf-8")
    again = cutover("jira", "--to", "azure", "--apply")
    assert (again.code, again.out.splitlines()[0], again.out.splitlines()[-1]) == (
        *(0, 'dev: already on "azure": "jira"', "nothing to do"),
    )
    assert cutover("jira", "--back", "--apply").code == 0
    assert "azure-keyvault-store" not in (project / "chart/values-dev.yaml").read_text("utf-8")


def test_what_the_gate_refuses_exits_1_and_says_how_to_mend_it(
    cutover: Callable[..., Done], project: Path, ends: Ends
) -> None:
    ends.azure.versions.clear()
    before = (project / "environments/dev.yaml").read_bytes()
    done = cutover("jira", "--to", "azure", "--apply")
    assert done.code == 1
    assert "help: platform-secrets migrate dev --to azure --only jira --apply" in done.out
    assert done.out.endswith("nothing was written: the gate is closed\n")
    assert (project / "environments/dev.yaml").read_bytes() == before
    assert not (project / "chart/values-dev.yaml").exists()


def test_a_report_is_one_object(cutover: Callable[..., Done]) -> None:
    done = cutover("jira", "--to", "azure", "--apply", "--format", "json")
    report = done.report
    assert (report["command"], report["environment"], report["exitCode"]) == ("cutover", "dev", 0)
    assert (report["mode"], report["to"]) == ("to", "azure")
    assert report["written"] == ["environments/dev.yaml", "chart/values-dev.yaml"]
    assert {each["comparison"] for each in report["keys"]} == {"equal"}
    assert report["commit"][0].startswith("git add ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--back", "--next"), "--back cannot be combined with --next"),
        (("jira", "--to", "azur"), 'has no store "azur"'),
        (("jiro", "--to", "azure"), 'has no secret "jiro"'),
        (("--next",), "has no `moves:`"),
        (("jira",), "no store is named\nhelp: add --to vault or --to azure\n"),
        (("--finish",), "no store is named\nhelp: add --to vault or --to azure\n"),
        (("--to", "azure"), "no secret is named"),
    ],
)
def test_a_command_line_that_says_too_little_or_too_much(
    cutover: Callable[..., Done], words: tuple[str, ...], said: str
) -> None:
    done = cutover(*words)
    assert (done.code, said in done.err) == (2, True)


def test_an_environment_with_errors_is_not_switched(cutover: Callable[..., Done], edit: EditFile, ends: Ends) -> None:
    edit("environments/dev.yaml", "global:", "globl:")
    assert cutover("jira", "--to", "azure").code == 1
    assert ends.azure.calls == []


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

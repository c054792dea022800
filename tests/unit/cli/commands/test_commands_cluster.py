"""Every command that asks a cluster refuses another one than the environment names, before it asks for anything else.

A new command that asks a cluster belongs in ASKING.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from compiler.live.stores import LiveStores
from tests.api_double import ApiDouble
from tests.commands import RunCommand
from tests.live_platform import LivePlatform
from tests.platforms import environment_of
from tests.unit.cli.two_ends import KEY, Ends

ID, OTHER = "0f7e5ad2-3c41-4b69-9d3e-2a1b6c8d9e01", "9c3b1a77-5e2d-4f08-8a61-7b0c4d2e5f12"
SYSTEM = "/api/v1/namespaces/kube-system"
ASKING = (
    ("status", "dev", "--cluster"),
    ("status", "dev", "--wait", "--timeout", "1s"),
    ("status", "dev", "--force-sync"),
    ("verify", "dev", "--cluster"),
    ("cutover", "dev", "github", "--to", "azure", "--cluster"),
    ("retire", "dev", "--store", "azure", "--cluster", "--apply"),
    ("rotate", "dev", "github", KEY, "--from-file", "token", "--apply", "--timeout", "1s"),
    ("consumers", "dev", "--cluster"),
    ("import", "external-secrets", "--cluster", "--environment", "dev"),
    ("import", "store", "azure", "--cluster", "--environment", "dev"),
)


@pytest.fixture
def double(project: Path, ends: Ends, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiDouble]:
    """The cluster of the shipped `dev`, and both stores with what its agents need; GitHub's token alone is read."""

    def stores(environ: Mapping[str, str]) -> LiveStores:
        return LiveStores(environ, ends.open)

    for name in ("status", "verify", "cutover", "imports"):
        monkeypatch.setattr(f"compiler.cli.commands.{name}.open_stores_for_reading", stores)
    ends.azure.seed("ai-platform-engineering-github", **{KEY: "token"})
    (project / "environments/dev.yaml").write_text("secrets:\n  github: {}\n", "utf-8")
    (project / "environments/base.yaml").write_text(_without_secrets(project), "utf-8")
    (project / "token").write_text("n3w-t0ken-4711", "utf-8")
    (project / "token").chmod(0o600)
    with ApiDouble() as cluster:
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig(project)))
        LivePlatform(cluster).run(environment_of(project, "dev"))
        cluster.put("namespaces", {"metadata": {"name": "kube-system", "uid": ID}})
        cluster.asked.clear()
        yield cluster


def _without_secrets(project: Path) -> str:
    return (project / "environments/base.yaml").read_text("utf-8").partition("\nsecrets:")[0] + "\n"


def pin(project: Path, uid: str) -> None:
    with (project / "environments/dev.yaml").open("a", encoding="utf-8") as file:
        file.write(f'cluster:\n  id: "{uid}"\n')


def asked(ends: Ends) -> list[tuple[str, str]]:
    """What the stores were asked."""
    return [each for each in (*ends.vault.calls, *ends.azure.calls) if each[0] != "close"]


def paths(double: ApiDouble) -> list[str]:
    return [each.path for each in double.asked]


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_another_cluster_is_asked_for_its_id_alone(
    words: tuple[str, ...], double: ApiDouble, ends: Ends, project: Path, run: RunCommand
) -> None:
    pin(project, OTHER)
    before = (project / "environments/dev.yaml").read_bytes()
    done = run(*words)
    assert (done.code, paths(double)) == (3, [SYSTEM]), done.out + done.err
    assert f'"dev" runs in the cluster {OTHER} (environments/dev.yaml:4:7), and this is {ID}' in done.err
    assert f'context "here", server {double.url}' in done.err
    assert "choose the right one with --context" in done.err
    assert asked(ends) == []
    assert (project / "environments/dev.yaml").read_bytes() == before


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_the_cluster_that_the_environment_names_is_asked_after_its_id(
    words: tuple[str, ...], double: ApiDouble, project: Path, run: RunCommand
) -> None:
    pin(project, ID)
    done = run(*words)
    assert "runs in the cluster" not in done.err
    assert paths(double)[0] == SYSTEM, done.out + done.err
    assert len(paths(double)) > 1, done.out + done.err


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_a_cluster_whose_id_may_not_be_read_is_refused_with_the_right_that_is_missing(
    words: tuple[str, ...], double: ApiDouble, ends: Ends, project: Path, run: RunCommand
) -> None:
    pin(project, ID)
    double.refused["get namespaces"] = 403
    done = run(*words)
    assert (done.code, paths(double)) == (3, [SYSTEM]), done.out + done.err
    assert "cannot be told" in done.err
    assert 'get a role that allows "get namespaces", which `platform-secrets status dev --rbac` prints' in done.err
    assert asked(ends) == []


@pytest.mark.parametrize("found", [None, "uid-7", 7], ids=str)
def test_a_cluster_without_an_id_is_not_the_one_that_the_environment_names(
    found: object, double: ApiDouble, project: Path, run: RunCommand
) -> None:
    pin(project, ID)
    double.delete("namespaces", "", "kube-system")
    if found is not None:
        double.put("namespaces", {"metadata": {"name": "kube-system", "uid": found}})
    done = run("status", "dev", "--cluster")
    assert (done.code, paths(double)) == (3, [SYSTEM])
    # One in another form breaks the contract of the API, and is not repeated.
    assert "and this is one without an id" in done.err or "is not in the form of the API" in done.err
    assert "uid-7" not in done.err


def test_a_pin_is_held_and_in_no_values_file(double: ApiDouble, project: Path, run: RunCommand) -> None:
    done = run("status", "dev", "--cluster", "--format", "json")
    (found,) = done.report["environments"]
    assert (done.code, found["cluster"]) == (0, {"context": "here", "server": double.url, "id": None})
    pin(project, ID)
    assert run("compile", "dev").code == 0
    assert ID not in (project / "chart/values-dev.yaml").read_text("utf-8")
    assert run("status", "dev", "--cluster", "--format", "json").report["environments"][0]["cluster"]["id"] == ID
    assert run("status", "dev", "--cluster").out.startswith(f'cluster: context "here", server {double.url}\n')
    double.put("namespaces", {"metadata": {"name": "kube-system", "uid": OTHER}})
    assert run("status", "dev", "--cluster").code == 3


@pytest.mark.parametrize("lacks", ["operator", "store"])
@pytest.mark.parametrize("command", ["status", "verify"])
def test_a_line_about_the_cluster_names_the_context_that_was_given(
    command: str, lacks: str, double: ApiDouble, project: Path, run: RunCommand
) -> None:
    if lacks == "operator":
        LivePlatform(double).run_operator(count=0)
    else:
        for store in environment_of(project, "dev").stores.values():
            double.delete("clustersecretstores", "", store.name)
    given, plain = run(command, "dev", "--cluster", "--context", "here"), run(command, "dev", "--cluster")
    text = given.out + given.err
    assert "kubectl --context here " in text
    assert "kubectl " not in text.replace("kubectl --context here ", "")
    assert "kubectl --context" not in plain.out + plain.err


def test_a_pin_of_another_form_is_an_error_at_its_place(project: Path, run: RunCommand) -> None:
    pin(project, "prod-cluster")
    done = run("compile", "dev")
    assert done.code == 1
    assert "environments/dev.yaml:" in done.err
    assert ":7: error" in done.err


def test_a_dependant_that_runs_in_another_cluster_is_not_switched_by_what_this_one_says(
    double: ApiDouble, project: Path, run: RunCommand
) -> None:
    pin(project, ID)
    (project / "environments/canary.yaml").write_text("extends: [dev]\n", "utf-8")
    words = ("cutover", "dev", "github", "--to", "azure", "--with-dependants", "--cluster")
    assert f'ok         the cluster is the environment\'s: context "here", server {double.url}' in run(*words).out
    (project / "environments/canary.yaml").write_text(f"extends: [dev]\ncluster: {{id: {OTHER}}}\n", "utf-8")
    done = run(*words, "--apply")
    assert (done.code, f'"canary" runs in the cluster {OTHER} (environments/canary.yaml:2:15)' in done.err) == (3, True)
    assert (project / "environments/dev.yaml").read_text("utf-8").startswith("secrets:\n  github: {}\n")


def test_a_switch_and_a_check_name_the_cluster_that_no_environment_names(double: ApiDouble, run: RunCommand) -> None:
    asked = f'context "here", server {double.url}'
    done = run("cutover", "dev", "github", "--to", "azure", "--cluster")
    assert f"note       the cluster is not named by the environment: {asked}" in done.out
    assert f"cluster: {asked}" in run("verify", "dev", "--cluster").out


@pytest.fixture(params=[True, False], ids=["with the operator", "without the operator"])
def empty(request: pytest.FixtureRequest, double: ApiDouble) -> ApiDouble:
    """A cluster that has nothing of any environment."""
    space = "ai-platform-engineering"
    for plural, where, name in (
        ("externalsecrets", space, "agent-github-secrets"),
        ("clustersecretstores", "", "vault-secret-store"),
        ("clustersecretstores", "", "azure-keyvault-store"),
    ):
        double.delete(plural, where, name)
    if not request.param:
        double.unserved.add("external-secrets.io")
    return double


def test_a_cluster_that_has_nothing_of_the_environment_may_be_another_ones(empty: ApiDouble, run: RunCommand) -> None:
    done = run("status", "dev", "--cluster")
    assert (done.code, "wrong cluster?" in done.out) == (1, True)
    asked_for = (
        f'nothing of "dev" is there, no ExternalSecret and none of its stores: context "here", server {empty.url}'
    )
    assert f"cause[wrong-cluster]: is this the right cluster? {asked_for}" in done.out
    assert "next: kubectl config get-contexts" in done.out
    assert "deploy" not in done.out
    assert "if it is, install chart/values-dev.yaml there" in done.out
    (cause,) = run("status", "dev", "--cluster", "--format", "json").report["environments"][0]["causes"]
    assert (cause["code"], cause["next"]) == ("wrong-cluster", ["kubectl config get-contexts"])
    (found,) = run("verify", "dev", "--cluster", "--format", "json").report["diagnostics"]
    assert (found["rule"], found["message"].startswith("is this the right cluster?")) == ("not-in-cluster", True)
    gate = run("cutover", "dev", "github", "--to", "azure", "--cluster", "--apply")
    assert (gate.code, "refused    is this the right cluster?" in gate.out) == (1, True)


def test_one_object_of_the_environment_or_its_id_is_enough_to_know_the_cluster(
    empty: ApiDouble, project: Path, run: RunCommand
) -> None:
    pin(project, ID)
    done = run("status", "dev", "--cluster")
    if empty.unserved:
        assert (done.code, "it does not serve external-secrets.io/v1" in done.err) == (3, True)
        return
    assert (done.code, "cause[absent]" in done.out, "right cluster" in done.out) == (1, True, False)
    (project / "environments/dev.yaml").write_text("secrets:\n  github: {}\n", "utf-8")
    LivePlatform(empty).store("vault-secret-store", {"vault": {"server": "https://vault"}})
    assert "right cluster" not in run("status", "dev", "--cluster").out
    # Nobody knows whether there is a store that may not be read: the question comes before any word of deploying.
    empty.delete("clustersecretstores", "", "vault-secret-store")
    assert "none of its stores" in run("status", "dev", "--cluster").out
    empty.refused["get clustersecretstores"] = 403
    done = run("status", "dev", "--cluster")
    assert 'no ExternalSecret of "dev" is there, and whether its stores are there was not asked' in done.out
    assert ("not asked: the store: " in done.out, "deploy" in done.out) == (True, False)

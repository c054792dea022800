from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.cli.commands.verify import verification_content
from compiler.cli.parser import days
from compiler.cluster.view import ClusterName
from compiler.demo.local_openbao import LocalOpenBao
from compiler.model.document import Diagnostic, Severity, Source, Span
from compiler.operations.verify import KeyStatus, ReadStore, Verification
from compiler.stores.interface import Attributes, Cluster, Identity, RemoteSecret
from tests.commands import EditFile, RunCommand
from tests.fake_cluster import ESO, FakeCluster
from tests.faulty_gateway import FaultyGateway
from tests.live_platform import compiled_objects
from tests.platforms import environment_of

SENTINEL = "sentinel-4711-value"
NAME = "ai-platform-engineering/github-secret"
KEY = "GITHUB_PERSONAL_ACCESS_TOKEN"
# After every value that a test writes.
LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
KEY_LINE = "environments/catalogue.yaml:50:7"


@pytest.fixture(scope="module")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalOpenBao]:
    with LocalOpenBao.start_dev(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture
def vault(project: Path, openbao: LocalOpenBao, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, object]], None]:
    """Puts the document of the github secret; the environment's Vault is the local one."""
    monkeypatch.setenv("VAULT_ADDR", openbao.url)
    monkeypatch.setenv("VAULT_TOKEN", openbao.token)
    monkeypatch.delenv("VAULT_NAMESPACE", raising=False)

    def put(document: dict[str, object]) -> None:
        openbao.call("POST", f"secret/data/{NAME}", {"data": document})

    return put


def test_sound_keys_are_counted_and_who_looked_is_said(run: RunCommand, vault: Callable[..., None]) -> None:
    vault({KEY: SENTINEL})
    done = run("verify", "dev", "github")
    assert done.code == 0
    first, offer, last = done.out.splitlines()
    assert first.startswith("vault: read from http://127.0.0.1:")
    who, this = first.split("; this Vault is ")
    assert who.endswith('as "token" by token (VAULT_TOKEN)')
    name, cluster = this[:-1].split(" (")
    written = "http://vault.vault.svc.cluster.local:8200"
    assert done.err == f"note: VAULT_ADDR replaces {written} of dev; this Vault is {name} ({cluster})\n"
    line = f'clusterId: "{cluster}"'
    assert (
        offer
        == f"help: to have every command refuse another Vault, add to stores.vault in environments/dev.yaml: {line}"
    )
    assert last == "dev: 1 of 1 keys OK, 1 remote secret read"
    assert run("verify", "dev", "github", "--quiet").out == ""


def test_the_days_before_an_end_are_those_that_are_given(
    run: RunCommand, vault: Callable[..., None], openbao: LocalOpenBao
) -> None:
    openbao.call("POST", f"secret/metadata/{NAME}", {"delete_version_after": "240h"})
    vault({KEY: SENTINEL})
    openbao.call("POST", f"secret/metadata/{NAME}", {"delete_version_after": "0s"})
    found = [run("verify", "dev", "github", "--strict", "--expires-within", each).code for each in ("30d", "5d")]
    assert found == [1, 0]


def test_an_environment_that_does_not_compile_asks_nobody(
    run: RunCommand, edit: EditFile, openbao: LocalOpenBao, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit("environments/dev.yaml", "use: [openai]", "use: [opneai]")
    with FaultyGateway(openbao.url) as gateway:
        monkeypatch.setenv("VAULT_ADDR", gateway.url)
        done = run("verify", "dev")
        assert gateway.seen == []
    assert (done.code, "unknown-variant" in done.err) == (1, True)


def test_nothing_but_reading_is_sent_and_one_read_a_remote_secret(
    run: RunCommand, vault: Callable[..., None], openbao: LocalOpenBao, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault({KEY: SENTINEL})
    with FaultyGateway(openbao.url) as gateway:
        monkeypatch.setenv("VAULT_ADDR", gateway.url)
        run("verify", "dev")
        assert gateway.count("GET") == len(gateway.seen)
        assert gateway.count("GET", "/secret/data/") == 7


def spec_of(project: Path, name: str) -> Any:  # noqa: ANN401 - as the chart prints it
    return compiled_objects(environment_of(project, "dev"))[name]["spec"]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    with FakeCluster() as fake:
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(tmp_path)))
        yield fake


def test_the_cluster_is_looked_into_where_that_is_asked_for(
    run: RunCommand, vault: Callable[..., None], cluster: FakeCluster, project: Path
) -> None:
    vault({KEY: SENTINEL})
    assert run("verify", "dev", "github").code == 0
    assert cluster.asked == []
    namespace, name = "ai-platform-engineering", "agent-github-secrets"
    cluster.store("vault-secret-store", ready=True)
    cluster.external_secret(namespace, name, ready=False, reason="SecretSyncedError", spec=spec_of(project, name))
    cluster.event(namespace, name, "error processing spec.data[0], err: Secret does not exist", LATER)
    cluster.secret(namespace, name, {"OLD": "c2VudGluZWwtNDcxMQ=="})
    done = run("verify", "dev", "github", "--cluster")
    assert done.code == 1
    assert "environments/base.yaml:20:3: error[not-synchronised]" in done.err
    assert (
        "is not ready: SecretSyncedError: just now: error processing spec.data[0], err: Secret does not exist"
        in done.err
    )
    assert "warning[foreign-secret]" in done.err
    assert "dev: 1 of 1 keys OK" in done.out
    assert "c2VudGluZWwtNDcxMQ==" not in done.out + done.err
    assert "cluster-token-4711" not in done.out + done.err


def test_what_the_cluster_says_is_shown_without_the_values_of_the_stores(
    run: RunCommand, vault: Callable[..., None], cluster: FakeCluster, project: Path
) -> None:
    # In no form that a credential has.
    value = "correct horse/battery"
    vault({KEY: value})
    namespace, name = "ai-platform-engineering", "agent-github-secrets"
    cluster.store("vault-secret-store", ready=False, message=f"permission denied: {value}")
    cluster.external_secret(namespace, name, ready=False, spec=spec_of(project, name))
    cluster.event(namespace, name, f"cannot use {value}: connection refused", LATER)
    done = run("--debug", "verify", "dev", "github", "--cluster", "--format", "json")
    assert done.code == 1
    said = "\n".join(each["message"] for each in done.report["diagnostics"])
    assert "permission denied: …" in said
    assert "cannot use …: connection refused" in said
    assert not [each for each in (value, "battery") if each in done.out + done.err]


def test_a_store_of_the_cluster_that_leads_elsewhere_is_an_error_whatever_vault_addr_says(
    run: RunCommand, vault: Callable[..., None], cluster: FakeCluster, openbao: LocalOpenBao, project: Path
) -> None:
    vault({KEY: SENTINEL})
    namespace, name = "ai-platform-engineering", "agent-github-secrets"
    cluster.store("vault-secret-store", ready=True)
    cluster.external_secret(namespace, name, spec=spec_of(project, name), reason="SecretSynced")
    cluster.secret(namespace, name, {KEY: "c2VudGluZWwtNDcxMQ=="}, ("ExternalSecret", name))
    assert run("verify", "dev", "github", "--cluster").code == 0
    provider = cluster.objects[f"{ESO}/clustersecretstores/vault-secret-store"]["spec"]["provider"]
    provider["vault"]["server"] = openbao.url
    verify = ("verify", "dev", "github", "--cluster", "--strict")
    spelt = run(*verify)
    assert (spelt.code, "warning[unproven-store]" in spelt.err) == (1, True)
    accepted = run(*verify, "--accept-store", "vault")
    assert (accepted.code, "note[unproven-store]" in accepted.err) == (0, True)
    assert run(*verify, "--accept-store", "vualt").code == 2
    provider["vault"]["path"] = "kv"
    other = run("verify", "dev", "github", "--cluster")
    assert (other.code, 'its `path` is "kv", not "secret"' in other.err) == (1, True)


@pytest.mark.usefixtures("cluster")
def test_a_cluster_that_cannot_be_asked_is_a_finding_beside_what_the_stores_hold(
    run: RunCommand, vault: Callable[..., None]
) -> None:
    vault({KEY: SENTINEL})
    done = run("verify", "dev", "github", "--cluster", "--context", "nowhere")
    assert done.code == 1
    assert "error[cluster-no-answer]: the cluster cannot be checked: no usable kubeconfig" in done.err
    assert "1 of 1 keys OK" in done.out


def test_days_are_whole_and_bounded() -> None:
    assert days("0") == timedelta()
    assert days("30d") == days("30") == timedelta(days=30)
    for text in ("x", "-1", "10001"):
        with pytest.raises(ValueError, match=r"days|invalid literal"):
            days(text)


REFERENCE: Any = SimpleNamespace(
    secret="github",
    key="TOKEN",
    store=SimpleNamespace(id="vault"),
    remote_key="team/github",
    property="TOKEN",
)
ERROR, WARNING, _ = (Diagnostic("r", severity, "m", Span(Source("a.yaml"))) for severity in Severity)


def test_keys_point_at_their_diagnostics_and_stores_name_the_caller() -> None:
    seen = (
        ReadStore("vault", "https://vault/secret", Identity("ada", "token"), Cluster("c1", "vault-1")),
        ReadStore("azure", "https://v.vault.azure.net", None),
    )
    statuses = (KeyStatus(REFERENCE, [WARNING]), KeyStatus(REFERENCE, [ERROR, WARNING]), KeyStatus(REFERENCE, []))
    read = (RemoteSecret("a", "1", {}, Attributes()),) * 3
    found = Verification(statuses, (ERROR, WARNING), seen, answered=True, read=read)
    place = {"secret": "github", "key": "TOKEN", "store": "vault", "name": "team/github", "property": "TOKEN"}
    assert verification_content(None, found, ClusterName(None, "https://10.0.0.1:443")) == {
        "valuesFile": None,
        "cluster": {"context": None, "server": "https://10.0.0.1:443"},
        "stores": [
            {"store": "vault", "address": "https://vault/secret", "caller": "ada", "clusterId": "c1"},
            {"store": "azure", "address": "https://v.vault.azure.net", "caller": None, "clusterId": None},
        ],
        "remoteSecrets": 3,
        "counts": {"keys": 3, "ok": 1, "warning": 1, "error": 1},
        "keys": [
            {**place, "status": "warning", "rules": ["r"]},
            {**place, "status": "error", "rules": ["r"]},
            {**place, "status": "ok", "rules": []},
        ],
    }


def test_where_nothing_could_be_asked_there_are_no_keys() -> None:
    content = verification_content("values.yaml", None)
    assert (content["keys"], content["valuesFile"]) == ([], "values.yaml")

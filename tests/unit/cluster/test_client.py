import inspect
import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from kubernetes.client import ApiException
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, ProtocolError, SSLError

from compiler.cluster.client import (
    _MOST_VALUES,
    KubernetesCluster,
    _metadata_and_spec,
    _Reply,
    _warning,
)
from compiler.cluster.lists import ListError
from compiler.cluster.view import ClusterError, ClusterName, keys_of
from tests.fake_cluster import ESO, FakeCluster
from tests.recorded_cluster import by_name, recorded
from tests.trickling_gateway import TricklingGateway

ROOT = Path(__file__).resolve().parents[3]
SENTINEL = "c2VudGluZWwtNDcxMQ=="


@pytest.fixture
def fake() -> Iterator[FakeCluster]:
    with FakeCluster() as cluster:
        yield cluster


@pytest.fixture
def environ(fake: FakeCluster, tmp_path: Path) -> dict[str, str]:
    return {"KUBECONFIG": str(fake.kubeconfig(tmp_path))}


def test_stores_of_both_kinds_are_read(fake: FakeCluster, environ: dict[str, str]) -> None:
    fake.store("v", ready=True)
    fake.store("own", ready=None, namespace="team")
    cluster = KubernetesCluster(environ)
    found = cluster.store_object("ClusterSecretStore", "v", "team")
    assert found is not None
    assert found["status"]["conditions"][1] == {"type": "Ready", "status": "True", "message": ""}
    assert cluster.store_object("SecretStore", "own", "team") is not None
    assert cluster.store_object("SecretStore", "own", "elsewhere") is None


def test_of_a_secret_the_names_of_keys_are_kept_and_no_value(
    fake: FakeCluster, environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.secret("team", "a", {"TOKEN": SENTINEL}, ("ExternalSecret", "a"))
    fake.secret("team", "b", {})
    cluster = KubernetesCluster(environ)
    # The double answers 500 to whoever asks for a whole Secret.
    found = cluster.collection("secrets", "team")
    assert [(each["metadata"]["name"], keys_of(each)) for each in found] == [
        ("a", frozenset({"TOKEN"})),
        ("b", frozenset()),
    ]
    assert cluster.collection("secrets", "elsewhere") == ()
    assert SENTINEL not in repr(found) + caplog.text


def test_only_reading_is_asked(fake: FakeCluster, environ: dict[str, str]) -> None:
    fake.external_secret("team", "github")
    cluster = KubernetesCluster(environ)
    cluster.collection("externalsecrets", "team")
    cluster.store_object("ClusterSecretStore", "v", "team")
    assert {each.method for each in fake.asked} == {"GET"}


@pytest.mark.parametrize(
    ("status", "words", "permission"),
    [
        (403, "you are not allowed to list externalsecrets in team", "list externalsecrets in team"),
        (401, "it rejected your credentials", None),
        (500, "it answered with status 500", None),
        (404, "it does not serve external-secrets.io/v1", None),
    ],
)
def test_a_refusal_says_what_is_missing_and_nothing_of_the_reply(
    fake: FakeCluster, environ: dict[str, str], status: int, words: str, permission: str | None
) -> None:
    fake.refused["externalsecrets"] = status
    with pytest.raises(ClusterError, match=words) as caught:
        KubernetesCluster(environ).collection("externalsecrets", "team")
    assert caught.value.permission == permission
    assert caught.value.remedy
    assert caught.value.__context__ is None
    assert "body-horseshoe" not in str(caught.value)


def test_nobody_listening_is_said(environ: dict[str, str]) -> None:
    with pytest.raises(ClusterError) as caught:
        KubernetesCluster(environ, "there").collection("externalsecrets", "team")
    assert str(caught.value) == "it gave no usable answer (it refuses the connection, or no route leads to it)"
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (NameResolutionError(SENTINEL, cast("Any", None), socket.gaierror(SENTINEL)), "its host name does not resolve"),
        (ConnectTimeoutError(SENTINEL), "it does not answer"),
        (TimeoutError(SENTINEL), "it does not answer"),
        (SSLError(SENTINEL), "its certificate is not trusted, or it does not speak TLS"),
        (ApiException(status=0, reason=SENTINEL), "its certificate is not trusted, or it does not speak TLS"),
        (ProtocolError(SENTINEL), "the connection was closed"),
        (OSError(SENTINEL), "the connection was closed"),
        (ValueError(SENTINEL), "what answers there is not Kubernetes, or the log-in program failed"),
    ],
)
def test_what_keeps_a_cluster_from_answering_is_told_in_words_for_people(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    cluster = KubernetesCluster(environ)
    monkeypatch.setattr(cluster._api, "call_api", failing)
    with pytest.raises(ClusterError) as caught:
        cluster.collection("externalsecrets", "team")
    assert str(caught.value).startswith(f"it gave no usable answer ({why}")
    assert SENTINEL not in str(caught.value)
    assert caught.value.__context__ is None


class Answer(io.BytesIO):
    """A reply as urllib3 gives it, read as it comes: what is compressed is not asked for, and grows without bounds."""

    def read(self, most: int | None = -1, /, *, decode_content: bool = True) -> bytes:
        assert not decode_content
        return super().read(most)


PAGE = b'{"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecretList", "metadata": {}, "items": ['


@pytest.mark.parametrize(
    ("many", "share"), [(b"{},", 1), (b"[],", 50), (b"0,", 50), (b'{"a":0},', 50), (b'"",', 50)], ids=repr
)
def test_an_answer_of_many_tiny_values_is_refused_before_it_is_parsed(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, many: bytes, share: int
) -> None:
    # Each is counted in its own way, of which a share of the shipped limit shows as much.
    monkeypatch.setattr("compiler.cluster.client._MOST_VALUES", _MOST_VALUES // share)
    content, asked = PAGE + many * (500_000 // share) + b"{}]}", list[str]()
    cluster = KubernetesCluster(environ)

    def answer(_method: str, _path: str, _accepted: str, query: tuple[tuple[str, str], ...], *_: object) -> Answer:
        asked.append(dict(query)["limit"])
        return Answer(content)

    monkeypatch.setattr(cluster, "_request", answer)
    monkeypatch.setattr("json.loads", lambda _: pytest.fail("it was parsed"))
    with pytest.raises(ListError):
        cluster.collection("externalsecrets", "team")
    assert asked == ["500", "50", "5", "1"]


def test_an_answer_of_many_bytes_is_refused_and_one_of_long_texts_is_read(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = KubernetesCluster(environ)
    fine = PAGE + b'{"metadata": {"name": "a"}, "spec": {"note": "' + b'[{,\\"' * 300_000 + b'"}}]}'
    monkeypatch.setattr(cluster, "_request", lambda *_: Answer(fine))
    assert [each["metadata"]["name"] for each in cluster.collection("externalsecrets", "team")] == ["a"]
    monkeypatch.setattr("compiler.cluster.client._LARGEST", len(fine) - 1)
    with pytest.raises(ListError):
        cluster.collection("externalsecrets", "team")


def test_what_a_command_is_answered_in_all_has_an_end(
    fake: FakeCluster, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.external_secret("team", "github")
    KubernetesCluster(environ).collection("externalsecrets", "team")
    monkeypatch.setattr("compiler.cluster.client._MOST_BYTES", 1000)
    cluster = KubernetesCluster(environ)
    cluster.collection("externalsecrets", "team")
    with pytest.raises(ClusterError, match="its answers to this command have more than 0 MiB, or take"):
        [cluster.collection("externalsecrets", "team") for _ in range(10)]


def test_all_that_a_command_asks_ends_with_its_time(fake: FakeCluster, environ: dict[str, str]) -> None:
    fake.external_secret("team", "github")
    cluster = KubernetesCluster(environ)
    cluster._patience = 0.4

    def ask_on() -> None:
        while True:
            cluster.collection("externalsecrets", "team")

    # The last one may be cut off.
    with pytest.raises(ClusterError, match=r"it took more than 120 s to answer|it does not answer"):
        ask_on()
    asked = len(fake.asked)
    with pytest.raises(ClusterError, match="it took more than 120 s to answer"):
        cluster.force_sync("team", "github", "1")
    assert len(fake.asked) == asked
    cluster._patience = 60
    # Each round of a wait has the time of a command.
    cluster.renew()
    assert cluster.collection("externalsecrets", "team")


def test_an_answer_that_trickles_ends_with_the_time_of_the_command(fake: FakeCluster, tmp_path: Path) -> None:
    fake.external_secret("team", "github")
    with TricklingGateway(int(fake.url.rpartition(":")[2]), lambda _: True, pace=0.02) as gateway:
        fake.url = f"http://127.0.0.1:{gateway.port}"
        cluster = KubernetesCluster({"KUBECONFIG": str(fake.kubeconfig(tmp_path))})
        cluster._patience = 0.3
        with pytest.raises(ClusterError, match="it does not answer"):
            cluster.collection("externalsecrets", "team")
        with pytest.raises(ClusterError, match="it took more than 120 s"):
            cluster.collection("externalsecrets", "team")


def test_an_answer_of_brackets_alone_is_none(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = KubernetesCluster(environ)
    monkeypatch.setattr(cluster, "_request", lambda *_: Answer(b"[" * 200_000))
    with pytest.raises(ClusterError, match="what answers there is not Kubernetes"):
        cluster.collection("externalsecrets", "team")


def test_an_answer_that_trickles_or_does_not_end_is_given_up(
    fake: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.external_secret("team", "github")
    environ = {"KUBECONFIG": str(fake.kubeconfig(tmp_path))}
    monkeypatch.setattr(_Reply, "largest", 10)
    with pytest.raises(ListError, match="its answer has more than 32 MiB or 500000 values"):
        KubernetesCluster(environ).collection("externalsecrets", "team")
    monkeypatch.undo()
    with TricklingGateway(int(fake.url.rpartition(":")[2]), lambda _: True, pace=0.02) as gateway:
        fake.url = f"http://127.0.0.1:{gateway.port}"
        environ = {"KUBECONFIG": str(fake.kubeconfig(tmp_path))}
        monkeypatch.setattr(_Reply, "longest", 0.2)
        with pytest.raises(ClusterError, match="it does not answer"):
            KubernetesCluster(environ).collection("externalsecrets", "team")


def test_a_proxy_s_connections_have_an_end_too(environ: dict[str, str]) -> None:
    path = Path(environ["KUBECONFIG"])
    config = json.loads(path.read_text("utf-8"))
    config["clusters"][0]["cluster"]["proxy-url"] = "http://127.0.0.1:1"
    path.write_text(json.dumps(config), "utf-8")
    manager = KubernetesCluster(environ)._api.rest_client.pool_manager
    assert manager.proxy is not None
    for pool in manager.pool_classes_by_scheme.values():
        assert pool.ConnectionCls.response_class is _Reply


def test_a_context_that_is_not_there_and_a_broken_kubeconfig_are_said_without_their_text(
    environ: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ClusterError, match=r'no usable kubeconfig \(it has no context "nowhere"\)') as caught:
        KubernetesCluster(environ, "nowhere")
    assert caught.value.remedy == 'did you mean "here"?'
    (tmp_path / "kubeconfig.json").write_text("users: [{token: cluster-token-horseshoe", "utf-8")
    with pytest.raises(ClusterError, match="no usable kubeconfig") as caught:
        KubernetesCluster(environ)
    assert "horseshoe" not in str(caught.value)


def test_a_cluster_is_named_by_its_context_and_its_server_without_a_credential(
    fake: FakeCluster, environ: dict[str, str]
) -> None:
    assert KubernetesCluster(environ).name == ClusterName("here", fake.url)
    there = KubernetesCluster(environ, "there").name
    assert there == ClusterName("there", "http://127.0.0.1:1", ("--context", "there"))
    assert str(there) == 'context "there", server http://127.0.0.1:1'
    path = Path(environ["KUBECONFIG"])
    config = json.loads(path.read_text("utf-8"))
    config["clusters"][0]["cluster"]["server"] = "https://me:s3cret@proxy.example.com/k8s/clusters/c-1?token=s3cret#x"
    path.write_text(json.dumps(config), "utf-8")
    assert KubernetesCluster(environ).name.server == "https://…@proxy.example.com/k8s/clusters/c-1?…"


def test_in_a_pod_a_cluster_is_named_by_its_server_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def load(client_configuration: Any) -> None:  # noqa: ANN401 - the client has no types
        client_configuration.host = "https://10.0.0.1:443"

    monkeypatch.setattr("kubernetes.config.load_incluster_config", load)
    name = KubernetesCluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOME": str(tmp_path)}).name
    assert (name, str(name)) == (ClusterName(None, "https://10.0.0.1:443"), "server https://10.0.0.1:443")


def test_a_kubeconfig_may_come_from_a_command_of_the_shell_and_from_no_device(
    fake: FakeCluster, environ: dict[str, str], tmp_path: Path
) -> None:
    fake.store("v", ready=True)
    reading, writing = os.pipe()
    os.write(writing, Path(environ["KUBECONFIG"]).read_bytes())
    os.close(writing)
    # An empty name among several, and one of a file that is not there, are passed over.
    cluster = KubernetesCluster({"KUBECONFIG": f"{tmp_path}/absent::/dev/fd/{reading}"})
    assert cluster.store_object("ClusterSecretStore", "v", "team") is not None
    os.close(reading)
    with pytest.raises(ClusterError, match=r"no usable kubeconfig \(it is a device, not a file\)"):
        KubernetesCluster({"KUBECONFIG": "/dev/zero"})


def test_without_a_kubeconfig_a_pods_own_account_is_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for environ in ({"HOME": str(tmp_path)}, {"HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "10.0.0.1"}):
        path = re.escape(f"{tmp_path}/.kube/config")
        with pytest.raises(
            ClusterError, match=rf"no usable kubeconfig \(there is no file {path}(, and this pod .*)?\)"
        ):
            KubernetesCluster(environ)
    with pytest.raises(ClusterError, match=r"\(KUBECONFIG names no file that is there \(.*/absent\)\)") as caught:
        KubernetesCluster({"KUBECONFIG": f"{tmp_path}/absent:s3ntinel"})
    assert "s3ntinel" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_a_log_in_programs_complaint_is_not_printed(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        json.dumps(
            {
                "current-context": "a",
                "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
                "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}],
                "users": [
                    {
                        "name": "a",
                        "user": {
                            "exec": {
                                "apiVersion": "client.authentication.k8s.io/v1",
                                "command": "/bin/sh",
                                "args": ["-c", f"echo {SENTINEL} >&2; echo {SENTINEL}; exit 1"],
                                "interactiveMode": "Never",
                            }
                        },
                    }
                ],
            }
        )
    )
    # In a process of its own: the client prints where nobody else listens to the log, as a test's runner does.
    program = (
        "import sys; from compiler.cluster.client import KubernetesCluster, ClusterError\n"
        "try: KubernetesCluster({'KUBECONFIG': sys.argv[1]}).collection('externalsecrets', 'a')\n"
        "except ClusterError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "config")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.stdout == 'the log-in program "/bin/sh" of the kubeconfig gave no credential\n'
    assert SENTINEL not in done.stdout + done.stderr


def with_log_in(path: Path, command: str, *args: str) -> dict[str, str]:
    """The kubeconfig at `path`, with a context whose user logs in by a program."""
    config = json.loads(path.read_text("utf-8"))
    program = {"apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": args}
    config["users"] = [{"name": each["name"], "user": {"exec": program}} for each in config["users"]]
    path.write_text(json.dumps(config), "utf-8")
    return {"KUBECONFIG": str(path)}


def test_a_log_in_program_that_is_missing_or_fails_is_named(environ: dict[str, str]) -> None:
    path = Path(environ["KUBECONFIG"])
    with pytest.raises(ClusterError, match='the log-in program "kubelogin", which the kubeconfig names') as caught:
        KubernetesCluster(with_log_in(path, "kubelogin", "get-token"))
    assert caught.value.remedy == "install it: `az aks install-cli`, or put it on PATH"
    with pytest.raises(ClusterError, match=r'the log-in program "\./none"'):
        KubernetesCluster(with_log_in(path, "./none"))
    with pytest.raises(ClusterError, match='"false" of the kubeconfig gave no credential') as caught:
        KubernetesCluster(with_log_in(path, "false"), "here")
    assert caught.value.remedy == ("`kubectl get namespaces --context here` runs it and shows why; then log in again")
    status = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t"}}
    program = path.with_name("log-in")
    program.write_text(f"#!/bin/sh\necho '{json.dumps(status)}'\n", "utf-8")
    program.chmod(0o755)
    KubernetesCluster(with_log_in(path, "./log-in")).namespace_object("team")


def test_a_kubeconfig_without_a_current_context_names_those_that_it_has(environ: dict[str, str]) -> None:
    path = Path(environ["KUBECONFIG"])
    config = json.loads(path.read_text("utf-8"))
    contexts = [{**config["contexts"][0], "name": name} for name in ("prod", "staging")]
    for current, why in ((None, "it names no current context"), ("gone", 'its current context is "gone", which it')):
        path.write_text(json.dumps({**config, "contexts": contexts, "current-context": current}), "utf-8")
        with pytest.raises(ClusterError, match=why) as caught:
            KubernetesCluster(environ)
        assert caught.value.remedy == 'add --context NAME: the contexts are "prod", "staging"'
    with pytest.raises(ClusterError, match='it has no context "stagin"') as caught:
        KubernetesCluster(environ, "stagin")
    assert caught.value.remedy == 'did you mean "staging"?'


def test_objects_are_read_as_they_are_in_pages(fake: FakeCluster, environ: dict[str, str]) -> None:
    path = f"{ESO}/namespaces/team/externalsecrets"
    fake.objects[path] = {"metadata": {"continue": "a/b="}, "items": [{"metadata": {"name": "github"}}]}
    fake.objects[f"{path}?a/b="] = {"items": [{"metadata": {"name": "jira"}, "spec": {}}]}
    fake.store("v", ready=True)
    fake.store("own", ready=True, namespace="team")
    cluster = KubernetesCluster(environ)
    found = cluster.collection("externalsecrets", "team")
    assert [each["metadata"]["name"] for each in found] == ["github", "jira"]
    assert cluster.store_object("ClusterSecretStore", "v", "team") == fake.objects[f"{ESO}/clustersecretstores/v"]
    own = fake.objects[f"{ESO}/namespaces/team/secretstores/own"]
    assert cluster.store_object("SecretStore", "own", "team") == own
    assert cluster.store_object("SecretStore", "own", "elsewhere") is None
    fake.objects["/api/v1/namespaces/team"] = {"metadata": {"labels": {"a": "b"}}}
    assert cluster.namespace_object("team") == {"metadata": {"labels": {"a": "b"}}}


def test_of_secrets_only_metadata_is_asked_for_and_kept(fake: FakeCluster, environ: dict[str, str]) -> None:
    path = "/api/v1/namespaces/ai-platform-engineering/secrets"
    fake.objects[path] = recorded("secrets-metadata-list")
    # The double answers 500 to whoever asks for whole Secrets.
    found = KubernetesCluster(environ).collection("secrets", "ai-platform-engineering")
    assert len(found) == 7
    assert all(set(each) == {"metadata"} for each in found)
    slack = next(each["metadata"] for each in found if each["metadata"]["name"] == "agent-slack-secrets")
    assert set(slack["annotations"]) == {"reconcile.external-secrets.io/data-hash"}
    # What does not honour the header on its way must not bring values in, nor what kubectl notes on a hand-made Secret.
    noted = {"kubectl.kubernetes.io/last-applied-configuration": f'{{"data": {{"TOKEN": "{SENTINEL}"}}}}'}
    metadata = {"name": "a", "annotations": noted}
    fake.objects[path] = {"items": [{"metadata": metadata, "data": {"TOKEN": SENTINEL}}]}
    assert KubernetesCluster(environ).collection("secrets", "ai-platform-engineering") == (
        {"metadata": {"name": "a", "annotations": {}}},
    )
    assert KubernetesCluster(environ).collection("secrets", "elsewhere") == ()


def test_whoever_may_not_list_secrets_is_told_so(fake: FakeCluster, environ: dict[str, str]) -> None:
    fake.refused["/secrets"] = 403
    with pytest.raises(ClusterError) as refused:
        KubernetesCluster(environ).collection("secrets", "team")
    assert refused.value.permission == "list secrets in team"


def test_a_cluster_without_the_operator_is_told(environ: dict[str, str]) -> None:
    with pytest.raises(ClusterError, match=r"does not serve external-secrets\.io/v1"):
        KubernetesCluster(environ).collection("externalsecrets", "team")


def test_the_objects_of_all_namespaces_are_read_in_pages(fake: FakeCluster, environ: dict[str, str]) -> None:
    path = f"{ESO}/externalsecrets"
    fake.objects[path] = {"metadata": {"continue": "next"}, "items": [{"metadata": {"name": "github"}}]}
    fake.objects[f"{path}?next"] = {"items": [{"metadata": {"name": "jira"}}]}
    cluster = KubernetesCluster(environ)
    found = cluster.every_object("externalsecrets")
    assert [each["metadata"]["name"] for each in found or ()] == ["github", "jira"]
    assert cluster.every_object("clusterexternalsecrets") is None
    generators = "/apis/generators.external-secrets.io/v1alpha1/vaultdynamicsecrets"
    fake.objects[generators] = {"items": [{"metadata": {"name": "creds"}}]}
    fake.objects["/apis/external-secrets.io/v1alpha1/pushsecrets"] = {"items": []}
    assert [len(cluster.every_object(plural) or ()) for plural in ("vaultdynamicsecrets", "pushsecrets")] == [1, 0]
    fake.refused["/externalsecrets"] = 403
    with pytest.raises(ClusterError) as refused:
        cluster.every_object("externalsecrets")
    assert refused.value.permission == "list externalsecrets"


def test_an_error_is_its_reason_and_names_the_way_out_and_the_permission_only_where_one_is_missing() -> None:
    lost = ClusterError("it gave no answer", "check the network")
    assert (str(lost), lost.remedy, lost.permission) == ("it gave no answer", "check the network", None)
    refused = ClusterError("you are not allowed to get secrets", "get a role", "get secrets in team")
    assert (str(refused), refused.permission) == ("you are not allowed to get secrets", "get secrets in team")


def questions(kind: type) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(member).parameters)
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def test_the_client_is_asked_by_few_questions_of_which_one_changes_something() -> None:
    # That one sets an annotation, and no other name of a member says it writes.
    assert set(questions(KubernetesCluster)) == {
        "collection",
        "every_object",
        "force_sync",
        "pods_by_label",
        "operator_deployments",
        "namespace_object",
        "renew",
        "store_object",
        "warnings",
    }


def test_an_event_is_as_old_as_it_was_last_seen() -> None:
    old = {"involvedObject": {"uid": "a"}, "firstTimestamp": "1", "lastTimestamp": "2", "count": 4, "message": "m"}
    assert _warning(old) == {"uid": "a", "message": "m", "moment": "2", "count": 4}
    series = {**old, "series": {"lastObservedTime": "3", "count": 9}}
    assert _warning(series) == {"uid": "a", "message": "m", "moment": "3", "count": 9}
    assert _warning({"eventTime": "1"}) == {"uid": "", "message": "", "moment": "1", "count": 1}


def test_of_a_whole_cluster_s_objects_metadata_and_specs_are_kept() -> None:
    (found, *_) = by_name("externalsecrets-list").values()
    # What an import takes along, and what refuses one.
    metadata = {name: found["metadata"][name] for name in ("name", "namespace", "labels", "annotations")}
    assert metadata["annotations"].keys() >= {"argocd.argoproj.io/sync-wave"}
    assert _metadata_and_spec("externalsecrets", found) == {"metadata": metadata, "spec": found["spec"]}
    assert _metadata_and_spec("externalsecrets", {}) == {"metadata": {}, "spec": None}

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler.imports.sources import OPTIONAL
from tests.commands import Done, run_command
from tests.fake_cluster import ESO, FakeCluster

SENTINEL = "sentinel-4711"
REFERENCE = {"name": "backend", "kind": "ClusterSecretStore"}


@pytest.fixture
def cluster(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    """Three ExternalSecrets in two namespaces; the keys of two are known by their Secrets alone."""
    with FakeCluster() as found:
        monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig(tmp_path)))
        found.store("backend", ready=True)
        found.secret("shop", "db", {"USER": SENTINEL, "PASSWORD": SENTINEL})
        specs: dict[tuple[str, str], dict[str, Any]] = {
            ("shop", "db"): {"dataFrom": [{"extract": {"key": "shop/db"}}]},
            ("shop", "mail"): {"dataFrom": [{"extract": {"key": "shop/mail"}}]},
            ("web", "api"): {"data": [{"secretKey": "TOKEN", "remoteRef": {"key": "web/api", "property": "TOKEN"}}]},
        }
        for (namespace, name), spec in specs.items():
            found.external_secret(namespace, name, spec={"secretStoreRef": REFERENCE, **spec})
        paths = [f"{ESO}/namespaces/{each}/externalsecrets" for each in ("shop", "web")]
        found.objects[f"{ESO}/externalsecrets"] = {
            "items": [item for path in paths for item in found.objects[path]["items"]]
        }
        pushed = {"metadata": {"name": "push", "namespace": "shop"}, "spec": {"data": []}}
        found.objects["/apis/external-secrets.io/v1alpha1/pushsecrets"] = {"items": [pushed]}
        yield found


@pytest.fixture
def bring_live(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def run(*words: str) -> Done:
        done = run_command(capsys, "import", "external-secrets", "--cluster", "--environment", "dev", *words)
        assert SENTINEL not in done.out + done.err
        return done

    return run


def test_a_clusters_objects_are_imported_without_any_value(
    project: Path, cluster: FakeCluster, bring_live: Callable[..., Done]
) -> None:
    done = bring_live("--apply")
    assert done.code == 0, done.err
    assert "secret db: shop/db with PASSWORD, USER" in done.out
    assert "found 4 objects with 3 keys: 2 objects with 3 keys taken, 2 objects with 0 keys refused" in done.out
    assert "proof: 3 keys" in done.out
    assert 'ExternalSecret shop/mail:1:1: warning[not-imported]: ExternalSecret "mail" is refused' in done.err
    line = "kubectl --namespace shop get secret mail -o 'go-template={{range $key, $value := .data}}"
    assert line in done.err
    assert 'PushSecret "push" is refused' in done.err
    # The double answers a whole Secret with an error.
    assert any(path.endswith("/shop/secrets") for _, path in cluster.asked)
    assert {method for method, _ in cluster.asked} == {"GET"}
    assert SENTINEL not in (project / "environments/catalogue.yaml").read_text("utf-8")


def test_a_key_that_the_operator_may_have_renamed_is_not_called_equal(
    cluster: FakeCluster, bring_live: Callable[..., Done], capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.objects["/api/v1/namespaces/shop/secrets"]["items"].clear()
    cluster.secret("shop", "db", {"USER": SENTINEL, "MY_KEY": SENTINEL, "MY_OTHER": SENTINEL})
    done = bring_live("--apply", "--format", "json")
    assert (json.loads(done.out)["counts"]["taken"]["keys"], json.loads(done.out)["equalKeys"]) == (4, 2)
    # What is there already is read in the same way.
    done = bring_live()
    assert "proof: 2 keys read as before" in done.out
    assert 'not proved: 2 keys of `dataFrom`: their names have "_", which the operator writes for other' in done.out
    (line,) = re.findall(r"`(platform-secrets verify dev db)`", done.out)
    assert run_command(capsys, "compile", "dev").code == 0
    # No store is there: but the command line is right.
    assert run_command(capsys, *line.split()[1:]).code == 3


@pytest.mark.parametrize("namespace", [(), ("--namespace", "shop")])
def test_labels_and_annotations_of_live_objects_are_read(
    project: Path, cluster: FakeCluster, bring_live: Callable[..., Done], namespace: tuple[str, ...]
) -> None:
    items = cluster.objects[f"{ESO}/externalsecrets"]["items"]
    db = next(each for each in items if each["metadata"]["name"] == "db")
    db["metadata"] |= {"labels": {"team": "shop"}, "annotations": {"example.com/on-call": "shop"}}
    assert bring_live("--apply", *namespace).code == 0
    listed = (project / "environments/dev.yaml").read_text("utf-8")
    assert "labels: {team: shop}" in listed
    assert "secretAnnotations: {example.com/on-call: shop}" in listed


def test_one_namespace_is_asked_alone(cluster: FakeCluster, bring_live: Callable[..., Done]) -> None:
    done = bring_live("--namespace", "web")
    assert "found 1 object with 1 key: all taken" in done.out
    assert f"{ESO}/externalsecrets" not in {path for _, path in cluster.asked}


def test_who_may_not_list_secrets_gets_the_line_for_who_may(
    cluster: FakeCluster, bring_live: Callable[..., Done]
) -> None:
    cluster.refused["/shop/secrets"] = 403
    cluster.refused["/pushsecrets"] = 403
    done = bring_live()
    assert done.code == 0
    assert done.err.count("kubectl --namespace shop get secret") == 2
    assert "1 object with 1 key taken, 2 objects with 0 keys refused" in done.out
    assert "secrets" in OPTIONAL


def test_a_cluster_that_refuses_is_said_so(cluster: FakeCluster, bring_live: Callable[..., Done]) -> None:
    cluster.refused["/externalsecrets"] = 403
    done = bring_live()
    assert done.code == 3
    assert "the cluster cannot be asked" in done.err


def test_a_cluster_without_any_is_said_so(cluster: FakeCluster, bring_live: Callable[..., Done]) -> None:
    cluster.objects[f"{ESO}/externalsecrets"] = {"items": []}
    cluster.objects["/apis/external-secrets.io/v1alpha1/pushsecrets"] = {"items": []}
    assert "the cluster has no ExternalSecret there" in bring_live().err


@pytest.mark.parametrize("kind", ["ClusterSecretStore", "SecretStore"])
def test_the_name_of_a_store_leads_to_no_other_object(
    cluster: FakeCluster, bring_live: Callable[..., Done], kind: str
) -> None:
    for name in ("../" * 5 + "api/v1/namespaces/shop/secrets/db", "..", "a/b", "a?b", "a%2fb"):
        (item, *_) = cluster.objects[f"{ESO}/externalsecrets"]["items"]
        item["spec"] = {"secretStoreRef": {"name": name, "kind": kind}, "dataFrom": [{"extract": {"key": "a"}}]}
        assert "is not among what was read" in bring_live().err
    paths = [path for _, path in cluster.asked]
    assert not [path for path in paths if "stores/" in path and not path.endswith("stores/backend")]
    assert not [path for path in paths if path.endswith("/db")]


def test_an_object_that_is_nested_too_deeply_is_named(cluster: FakeCluster, bring_live: Callable[..., Done]) -> None:
    deep: Any = SENTINEL
    for _ in range(900):
        deep = {"a": deep}
    cluster.objects[f"{ESO}/externalsecrets"]["items"][0]["spec"]["x"] = deep
    done = bring_live()
    assert (done.code, "ExternalSecret shop/db is nested too deeply" in done.err) == (3, True)

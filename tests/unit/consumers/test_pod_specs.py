from typing import Any

import pytest

from compiler.cluster.client import checked
from compiler.consumers.readers import SecretRead, Way, secret_reads
from compiler.model.document import Source, Span

SPEC = {
    "initContainers": [{"name": "init", "envFrom": [{"secretRef": {"name": "a", "optional": True}}]}],
    "containers": [
        {
            "name": "main",
            "envFrom": [{"configMapRef": {"name": "c"}}, {"prefix": "P_", "secretRef": {"name": "b"}}],
            "env": [
                {"name": "PLAIN", "value": "x"},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "c", "key": "TOKEN"}}},
                {"name": "ID", "valueFrom": {"secretKeyRef": {"name": "c", "key": "ID", "optional": True}}},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            ],
            "volumeMounts": [
                {"name": "file", "mountPath": "/etc/file", "subPath": "K"},
                {"name": "folder", "mountPath": "/etc/folder"},
            ],
        }
    ],
    "ephemeralContainers": [{"name": "debug", "envFrom": [{"secretRef": {"name": "d"}}]}],
    "volumes": [
        {"name": "folder", "secret": {"secretName": "e"}},
        {"name": "file", "secret": {"secretName": "f", "items": [{"key": "K", "path": "k"}], "optional": True}},
        {
            "name": "mixed",
            "projected": {"sources": [{"secret": {"name": "g", "items": [{"key": "L"}]}}, {"configMap": {}}]},
        },
        {"name": "vault", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "i"}}},
        {"name": "share", "azureFile": {"shareName": "s", "secretName": "j"}},
        {"name": "none", "emptyDir": {}},
    ],
    "imagePullSecrets": [{"name": "h"}, {}],
}


def test_every_way_in_which_a_pod_reads_a_secret_is_found() -> None:
    assert secret_reads(SPEC) == (
        SecretRead("a", None, Way.ENV_FROM, optional=True, container="init"),
        SecretRead("b", None, Way.ENV_FROM, container="main"),
        SecretRead("c", "TOKEN", Way.ENV, container="main"),
        SecretRead("c", "ID", Way.ENV, optional=True, container="main"),
        SecretRead("d", None, Way.ENV_FROM, container="debug"),
        SecretRead("e", None, Way.VOLUME),
        SecretRead("f", "K", Way.SUB_PATH, optional=True),
        SecretRead("g", "L", Way.VOLUME),
        SecretRead("i", None, Way.VOLUME),
        SecretRead("j", None, Way.VOLUME),
        SecretRead("h", None, Way.IMAGE_PULL, optional=True),
    )


def test_what_is_kept_of_a_live_pod_reads_the_same() -> None:
    assert secret_reads(checked("pods", {"spec": SPEC})["spec"]) == secret_reads(SPEC)


def test_a_pod_without_secrets_reads_none() -> None:
    assert secret_reads({"containers": [{"name": "main"}]}) == ()
    assert secret_reads({}) == ()


@pytest.mark.parametrize(
    ("way", "keeps"),
    [(Way.ENV, True), (Way.ENV_FROM, True), (Way.SUB_PATH, True), (Way.VOLUME, False), (Way.IMAGE_PULL, False)],
)
def test_a_volume_alone_follows_a_change(way: Way, keeps: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert SecretRead("a", None, way).keeps is keeps


def test_each_reading_knows_where_the_name_and_the_key_are_written() -> None:
    def locate(path: tuple[str | int, ...]) -> Span:
        written = str(_at(path))
        return Span(Source(written), 0, 0)

    for read in secret_reads(SPEC, locate):
        assert read.at is not None
        assert read.at.path == read.secret
        assert (read.key_at.path if read.key_at is not None else None) == read.key


def _at(path: tuple[str | int, ...]) -> object:
    found: Any = SPEC
    for part in path:
        found = found[part]
    return found


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": "none", "volumes": {"a": 1}, "imagePullSecrets": 7},
        {"containers": [None, {"env": ["A"], "envFrom": [[]], "volumeMounts": [{"name": [], "subPath": "a"}]}]},
        {"containers": [{"envFrom": [{"secretRef": "a"}], "env": [{"valueFrom": {"secretKeyRef": {"name": {}}}}]}]},
        {"volumes": [{"name": {}, "secret": {"secretName": ""}}, {"projected": {"sources": [{"secret": []}]}}]},
        {"imagePullSecrets": [{"name": None}, "a"]},
    ],
)
def test_what_has_not_the_form_of_a_spec_reads_nothing(spec: dict[str, object]) -> None:
    assert secret_reads(spec) == ()


def test_a_name_that_yaml_reads_as_a_number_is_a_name() -> None:
    assert secret_reads({"imagePullSecrets": [{"name": 7}]}) == (SecretRead("7", None, Way.IMAGE_PULL, optional=True),)

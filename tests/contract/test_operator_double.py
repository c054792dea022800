"""The operator's double makes Secrets as the source of External Secrets Operator 2.9 says: texts, types, policies."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.platform_double import KEY_VAULT_STORE, VAULT_STORE, Platform, platform

SPACE, NAME = "shop", "shop-external"
PULL = '{"auths": {"ghcr.io": {"auth": {{ printf "%s:%s" .user .token | b64enc | toJson }}}}}'


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform(tmp_path_factory.mktemp("platform"), 4) as found:
        yield found


@pytest.fixture
def here(servers: Platform) -> Iterator[Platform]:
    values = {"user": 'an "odd" one', "token": "t0k3n", "tls.crt": "PEM", "a b": "spaced"}
    servers.bao.call("POST", "secret/data/shop", {"data": values})
    yield servers
    for plural in ("externalsecrets", "secrets"):
        for space, name in servers.cluster.everything(plural):
            if (space, name) in servers.cluster.everything(plural):
                servers.cluster.delete(plural, space, name)
    until(lambda: not servers.cluster.everything("secrets"))


def apply(here: Platform, target: dict[str, Any], name: str = NAME, **spec: object) -> dict[str, Any]:
    """Writes an ExternalSecret, and returns it when the operator is through with it."""
    store = {"kind": "ClusterSecretStore", "name": VAULT_STORE}
    metadata = {"name": name, "namespace": SPACE, "labels": {"own": "label"}}
    given = {"secretStoreRef": store, "target": target, **spec}
    old = here.cluster.everything("externalsecrets").get((SPACE, name), {})
    here.cluster.put("externalsecrets", {**old, "metadata": metadata, "spec": given})
    until(lambda: not here.cluster.changes_after(here.operator.handled, 0))
    return here.cluster.get("externalsecrets", SPACE, name)


def until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not met():
        assert time.monotonic() < end
        time.sleep(0.01)


def extract(key: str = "shop") -> dict[str, Any]:
    return {"dataFrom": [{"extract": {"key": key}}]}


def ready(found: dict[str, Any]) -> tuple[str, str]:
    (condition,) = found["status"]["conditions"]
    return condition["status"], condition["reason"]


def warnings(here: Platform) -> list[str]:
    return [each["message"] for each in here.cluster.everything("events").values() if each["type"] == "Warning"]


def test_texts_make_the_keys_and_the_type_is_written(here: Platform) -> None:
    texts = {
        ".dockerconfigjson": PULL,
        "crt": '{{ index . "tls.crt" }}',
        "none": 'x{{ index . "no" }}',
        "plain": " a\n",
    }
    template = {"type": "kubernetes.io/dockerconfigjson", "metadata": {"labels": {"of": "template"}}, "data": texts}
    assert ready(apply(here, {"name": "pull", "template": template}, **extract())) == ("True", "SecretSynced")
    data = here.cluster.data[SPACE, "pull"]
    assert json.loads(data.pop(".dockerconfigjson")) == {"auths": {"ghcr.io": {"auth": "YW4gIm9kZCIgb25lOnQwazNu"}}}
    assert data == {"crt": "PEM", "none": "x", "plain": " a\n"}
    secret = here.cluster.get("secrets", SPACE, "pull")
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert secret["metadata"]["labels"].keys() >= {"of"}
    assert "own" not in secret["metadata"]["labels"]


def test_without_a_template_all_properties_and_labels_arrive_and_later_entries_win(here: Platform) -> None:
    token = {"secretKey": "user", "remoteRef": {"key": "shop", "property": "token"}}
    apply(here, {}, data=[token], **extract())
    assert here.cluster.data[SPACE, NAME] == {"user": "t0k3n", "token": "t0k3n", "tls.crt": "PEM", "a_b": "spaced"}
    secret = here.cluster.get("secrets", SPACE, NAME)
    assert (secret["type"], secret["metadata"]["labels"]["own"]) == ("Opaque", "label")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ({"data": {"a": "{{ .missing }}"}}, 'map has no entry for key "missing"'),
        ({"data": {"a": "{{ nothing }}"}}, "could not execute template"),
        ({"type": "kubernetes.io/tls"}, "field is immutable"),
    ],
)
def test_what_it_cannot_make_leaves_the_secret_as_it_is(here: Platform, template: dict[str, Any], said: str) -> None:
    apply(here, {}, **extract())
    before = here.cluster.get("secrets", SPACE, NAME)
    assert ready(apply(here, {"template": template}, **extract())) == ("False", "SecretSyncedError")
    assert said in warnings(here)[-1]
    assert here.cluster.get("secrets", SPACE, NAME) == before


def test_what_is_not_found_is_an_error_or_left_out_by_the_policy(here: Platform) -> None:
    data = [
        {"secretKey": key, "remoteRef": {"key": at, "property": "user"}} for key, at in (("A", "shop"), ("B", "no"))
    ]
    assert ready(apply(here, {}, data=data)) == ("False", "SecretSyncedError")
    assert warnings(here)[-1] == "error processing spec.data[1] (key: no), err: Secret does not exist"
    for policy in ("Merge", "Delete"):
        assert ready(apply(here, {"deletionPolicy": policy}, data=data)) == ("True", "SecretSynced")
        assert here.cluster.data[SPACE, NAME].keys() == {"A"}
    # A property is no remote secret: that one is missing is an error in any case.
    wrong = [{"secretKey": "A", "remoteRef": {"key": "shop", "property": "no"}}]
    assert ready(apply(here, {"deletionPolicy": "Delete"}, data=wrong))[0] == "False"


def test_an_empty_remote_secret_leaves_the_secret_as_it_is(here: Platform) -> None:
    apply(here, {}, **extract())
    before = dict(here.cluster.data[SPACE, NAME])
    here.bao.call("POST", "secret/data/empty", {"data": {}})
    assert ready(apply(here, {}, **extract("empty"))) == ("True", "SecretSynced")
    assert here.cluster.data[SPACE, NAME] == before


def test_with_nothing_left_delete_takes_the_secret_away_and_an_orphan_fails(here: Platform) -> None:
    apply(here, {"deletionPolicy": "Delete"}, **extract())
    assert ready(apply(here, {"deletionPolicy": "Delete"}, **extract("gone"))) == ("True", "SecretDeleted")
    assert here.cluster.everything("secrets") == {}
    target = {"deletionPolicy": "Delete", "creationPolicy": "Orphan"}
    assert ready(apply(here, target, **extract("gone"))) == ("False", "SecretSyncedError")
    # In the Key Vault, too, what is not there is passed over.
    store = {"kind": "ClusterSecretStore", "name": KEY_VAULT_STORE}
    gone = apply(here, {"deletionPolicy": "Delete"}, dataFrom=extract("gone")["dataFrom"], secretStoreRef=store)
    assert ready(gone) == ("True", "SecretDeleted")


def test_an_orphan_stays_and_is_not_watched(here: Platform) -> None:
    apply(here, {"creationPolicy": "Owner"}, **extract())
    assert here.cluster.get("secrets", SPACE, NAME)["metadata"]["ownerReferences"]
    here.cluster.delete("secrets", SPACE, NAME)
    until(lambda: (SPACE, NAME) in here.cluster.everything("secrets"))
    apply(here, {"creationPolicy": "Orphan"}, **extract())
    uid = here.cluster.get("secrets", SPACE, NAME)["metadata"]["uid"]
    assert here.cluster.get("secrets", SPACE, NAME)["metadata"]["ownerReferences"] == []
    here.cluster.delete("externalsecrets", SPACE, NAME)
    apply(here, {}, name="another", **extract())
    assert here.cluster.get("secrets", SPACE, NAME)["metadata"]["uid"] == uid


def test_a_second_owner_is_refused_and_the_secret_is_unharmed(here: Platform) -> None:
    apply(here, {"name": "kept"}, **extract())
    before = here.cluster.get("secrets", SPACE, "kept")
    assert ready(apply(here, {"name": "kept"}, name="kept", **extract())) == ("False", "SecretSyncedError")
    assert warnings(here)[-1].endswith(f"secret is owned by another ExternalSecret: {NAME}")
    assert here.cluster.get("secrets", SPACE, "kept") == before

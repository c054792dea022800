"""The double of the operator against what was recorded of the real one, over a real OpenBao and a local Key Vault."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from compiler.cluster.view import keys_of
from tests.operator_double import DATA_HASH
from tests.platform_double import KEY_VAULT_STORE, VAULT_STORE, Platform, platform
from tests.recorded_cluster import NAMESPACE, by_name, recorded, watched

pytestmark = pytest.mark.heavy
NAME = "agent-slack-secrets"
VALUES = {"SLACK_BOT_TOKEN": "value-1", "SLACK_APP_TOKEN": "value-2"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform(tmp_path_factory.mktemp("platform")) as found:
        yield found


@pytest.fixture
def here(servers: Platform) -> Iterator[Platform]:
    """Both stores hold the same, and the ExternalSecret is in effect on the Key Vault."""
    servers.bao.call("POST", "secret/data/slack", {"data": VALUES})
    servers.azure.seed("slack", json.dumps(VALUES))
    apply(servers, KEY_VAULT_STORE, "slack")
    until(lambda: synced(servers))
    yield servers
    servers.cluster.delete("externalsecrets", NAMESPACE, NAME)
    until(lambda: not servers.cluster.everything("secrets"))


def apply(here: Platform, store: str, key: str, **annotations: str) -> None:
    keys = [{"secretKey": each, "remoteRef": {"key": key, "property": each}} for each in VALUES]
    target = {"name": NAME, "creationPolicy": "Owner", "deletionPolicy": "Retain"}
    spec = {"data": keys, "target": target, "secretStoreRef": {"kind": "ClusterSecretStore", "name": store}}
    metadata = {"name": NAME, "namespace": NAMESPACE, "annotations": annotations}
    old = here.cluster.everything("externalsecrets").get((NAMESPACE, NAME), {})
    here.cluster.put("externalsecrets", {**old, "metadata": metadata, "spec": spec})


def live(here: Platform) -> dict[str, Any]:
    return here.cluster.get("externalsecrets", NAMESPACE, NAME)


def secret(here: Platform) -> dict[str, Any]:
    return here.cluster.get("secrets", NAMESPACE, NAME)


def synced(here: Platform) -> bool:
    found = live(here)
    noted = str(found.get("status", {}).get("syncedResourceVersion", ""))
    return noted.startswith(f"{found['metadata']['generation']}-")


def until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not met():
        assert time.monotonic() < end
        time.sleep(0.01)


def shape(objects: list[dict[str, Any]]) -> list[tuple[int, str, str, str, int]]:
    """Of each state: generations since the first, Ready in its words, and the generation that was synchronised last."""
    first = objects[0]["metadata"]["generation"]
    return [
        (
            each["metadata"]["generation"] - first,
            *(each["status"]["conditions"][0][name] for name in ("status", "reason", "message")),
            int(each["status"]["syncedResourceVersion"].partition("-")[0]) - first,
        )
        for each in objects
    ]


def test_a_switch_with_wrong_keys_and_then_right_ones_goes_as_it_was_recorded(here: Platform) -> None:
    before = secret(here)
    version = here.cluster._version
    apply(here, VAULT_STORE, "not-there")
    until(lambda: live(here)["status"]["conditions"][0]["status"] == "False")
    apply(here, VAULT_STORE, "slack")
    until(lambda: synced(here))
    changes = here.cluster.changes_after(version, 0)
    mine = [each.object for each in changes if each.plural == "externalsecrets"]
    assert shape(mine) == shape(watched("watch-externalsecrets-switch"))
    # And of the Secret nothing was heard, as was recorded in watch-secrets-metadata-switch.jsonl.
    assert [each for each in changes if each.plural == "secrets"] == []
    assert secret(here) == before
    said = [each["message"] for each in here.cluster.everything("events").values() if each["type"] == "Warning"]
    assert said == ["error processing spec.data[0] (key: not-there), err: Secret does not exist"]
    of_record = [each for each in recorded("events-externalsecrets")["items"] if each["type"] == "Warning"]
    theirs = [each["message"] for each in of_record if each["involvedObject"]["name"] == NAME]
    assert theirs == [said[0].replace("not-there", "ai-platform-engineering-slack")]


def test_a_changed_value_is_fetched_on_request_and_changes_the_hash_and_not_the_uid(here: Platform) -> None:
    before = secret(here)
    here.azure.seed("slack", json.dumps({**VALUES, "SLACK_APP_TOKEN": "value-3"}))
    apply(here, KEY_VAULT_STORE, "slack", **{"force-sync": "1"})
    until(lambda: secret(here) != before)
    after = secret(here)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["annotations"][DATA_HASH] != before["metadata"]["annotations"][DATA_HASH]
    assert live(here)["metadata"]["generation"] == 1


def test_objects_have_the_fields_of_recorded_ones(here: Platform) -> None:
    theirs = by_name("externalsecrets-list")[NAME]["status"]
    assert live(here)["status"].keys() == theirs.keys()
    assert live(here)["status"]["conditions"][0].keys() == theirs["conditions"][0].keys()
    found, known = secret(here)["metadata"], by_name("secrets-metadata-list")[NAME]["metadata"]
    own = {name for name in known["labels"] if name.startswith("reconcile.external-secrets.io/")}
    assert own <= found["labels"].keys()
    assert len(found["annotations"][DATA_HASH]) == len(known["annotations"][DATA_HASH])
    assert found["managedFields"][0]["manager"] == known["managedFields"][0]["manager"]
    assert keys_of({"metadata": found}) == set(VALUES)
    assert found["ownerReferences"][0].items() >= {"kind": "ExternalSecret", "controller": True}.items()


def test_whatever_credential_is_not_known_the_store_itself_refuses(here: Platform) -> None:
    for name, key in ((VAULT_STORE, "auth"), (KEY_VAULT_STORE, "authSecretRef")):
        found = here.cluster.get("clustersecretstores", "", name)
        (provider,) = found["spec"]["provider"].values()
        broken = json.loads(json.dumps(found))
        (copy,) = broken["spec"]["provider"].values()
        copy[key] = {"tokenSecretRef": {"name": "another", "key": "token"}}
        here.cluster.put("clustersecretstores", broken)
        apply(here, name, "slack", **{"force-sync": name})
        until(lambda: live(here)["status"]["conditions"][0]["status"] == "False")
        newest = max(
            here.cluster.everything("events").values(), key=lambda each: int(each["metadata"]["resourceVersion"])
        )
        assert newest["message"].endswith((": 403", ": 401"))
        copy[key] = provider[key]
        here.cluster.put("clustersecretstores", broken)
        apply(here, name, "slack", **{"force-sync": f"{name} again"})
        until(lambda: live(here)["status"]["conditions"][0]["status"] == "True")

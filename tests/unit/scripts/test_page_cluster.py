"""The cluster of the pages does what a real one was seen to do with Secrets and their owners."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.page_cluster import PageCluster, main
from tests.faulty_key_vault import FaultyKeyVault
from tests.platforms import write_agents_project

SPACE, JIRA = "agents", "agent-jira-secrets"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageCluster]:
    write_agents_project(tmp_path)
    with FaultyKeyVault() as key_vault, PageCluster(key_vault) as found:
        for name, value in found.variables(tmp_path).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield found


def owners(cluster: PageCluster, name: str) -> list[str]:
    found = cluster.double.get("secrets", SPACE, name)["metadata"].get("ownerReferences") or ()
    return [each["name"] for each in found]


def is_ready(cluster: PageCluster, name: str) -> str:
    found: Any = cluster.double.get("externalsecrets", SPACE, name)["status"]["conditions"]
    return str(found[0]["status"])


def test_what_is_deployed_is_synchronised_and_keeps_its_uid(cluster: PageCluster) -> None:
    assert main(["deploy", "prod"]) == 0
    first = cluster.double.get("secrets", SPACE, JIRA)["metadata"]["uid"]
    assert main(["deploy", "prod"]) == 0
    assert (is_ready(cluster, JIRA), owners(cluster, JIRA)) == ("True", [JIRA])
    assert cluster.double.get("secrets", SPACE, JIRA)["metadata"]["uid"] == first


def test_a_hand_made_secret_is_adopted_in_place(cluster: PageCluster) -> None:
    assert main(["secret", SPACE, JIRA, "JIRA_TOKEN", "JIRA_URL"]) == 0
    before = cluster.double.get("secrets", SPACE, JIRA)["metadata"]["uid"]
    assert owners(cluster, JIRA) == []
    assert main(["deploy", "prod"]) == 0
    assert owners(cluster, JIRA) == [JIRA]
    assert cluster.double.get("secrets", SPACE, JIRA)["metadata"]["uid"] == before


def test_a_secret_of_another_external_secret_is_refused_until_that_lets_go(cluster: PageCluster) -> None:
    assert main(["external-secret", SPACE, "old", JIRA, "JIRA_TOKEN"]) == 0
    assert main(["deploy", "prod"]) == 0
    assert (is_ready(cluster, JIRA), owners(cluster, JIRA)) == ("False", ["old"])
    assert main(["orphan", SPACE, "old"]) == 0
    assert main(["deploy", "prod"]) == 0
    assert main(["delete", SPACE, "old"]) == 0
    assert (is_ready(cluster, JIRA), owners(cluster, JIRA)) == ("True", [JIRA])


def test_an_owner_that_is_deleted_takes_its_secret_along(cluster: PageCluster) -> None:
    assert main(["external-secret", SPACE, "old", JIRA, "JIRA_TOKEN"]) == 0
    assert main(["delete", SPACE, "old"]) == 0
    with pytest.raises(KeyError):
        cluster.double.get("secrets", SPACE, JIRA)


def test_a_failing_one_keeps_its_secret(cluster: PageCluster) -> None:
    assert main(["deploy", "prod"]) == 0
    assert main(["fail", "prod", "jira", "no role"]) == 0
    assert (is_ready(cluster, JIRA), owners(cluster, JIRA)) == ("False", [JIRA])


def test_a_pod_and_the_vault_change_by_a_word(cluster: PageCluster) -> None:
    assert main(["pod", SPACE, "mcp-jira", JIRA]) == 0
    assert cluster.double.get("pods", SPACE, "mcp-jira")
    denied = cluster._key_vault.denied
    assert main(["key-vault", "closed"]) == 0
    assert denied == {"get": "ForbiddenByFirewall", "list": "ForbiddenByFirewall"}
    assert main(["key-vault", "open"]) == 0
    assert denied == {}


@pytest.mark.usefixtures("cluster")
def test_what_cannot_happen_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explode"]) == 1
    assert "explode" in capsys.readouterr().err


def test_a_vault_is_lost_only_where_there_is_one(cluster: PageCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["vault", "lost"]) == 1
    stopped: list[bool] = []
    monkeypatch.setattr(cluster, "_openbao", SimpleNamespace(stop=lambda: stopped.append(True)))
    assert main(["vault", "lost"]) == 0
    assert stopped == [True]

"""What `status --format json` says of each key, on which `report` stands."""

from collections.abc import Callable
from typing import Any

from jsonschema import Draft7Validator

from scripts.build_docs import output_schemas
from tests.unit.operations.report.conftest import Reports, reports, sample
from tests.unit.operations.status.conftest import world

__all__ = ["reports", "sample", "world"]

Sample = Callable[[str, str], dict[str, Any]]
SCHEMA = Draft7Validator(output_schemas()["status"])


def states(environment: dict[str, Any]) -> dict[str, tuple[str, dict[str, str]]]:
    return {
        f"{each['secret']}/{each['key']}": (each["state"], {at["store"]: at["state"] for at in each["places"]})
        for each in environment["keys"]
    }


def test_offline_no_store_was_asked_and_each_secret_names_the_line_of_its_store(
    reports: Reports, sample: Sample
) -> None:
    found = sample("offline.json", reports.offline())
    SCHEMA.validate(found)
    dev, prod = found["environments"]
    nobody = ("not-asked", {"vault": "not-asked", "azure": "not-asked"})
    assert states(dev) == {"github/GITHUB_TOKEN": nobody}
    assert states(prod) == dict.fromkeys(("github/GITHUB_TOKEN", "jira/JIRA_TOKEN", "jira/JIRA_URL"), nobody)
    assert (dev["readers"], prod["readers"], {each["age"] for each in prod["keys"]}) == (None, None, {None})
    (inherited,), (own, *jira) = ([each["decidedBy"] for each in one["keys"]] for one in (dev, prod))
    assert inherited == {"file": "environments/base.yaml", "line": 2, "column": 8, "layer": "base"}
    assert own == {"file": "environments/prod.yaml", "line": 1, "column": 8, "layer": None}
    assert jira == [{"file": "environments/prod.yaml", "line": 2, "column": 25, "layer": None}] * 2


def test_on_the_move_each_store_has_its_state(reports: Reports, sample: Sample) -> None:
    found = sample("moving.json", reports.moving())
    SCHEMA.validate(found)
    (prod,) = found["environments"]
    assert states(prod) == {
        "github/GITHUB_TOKEN": ("differs", {"vault": "present", "azure": "present"}),
        "jira/JIRA_TOKEN": ("not-in-effect", {"vault": "present", "azure": "present"}),
        "jira/JIRA_URL": ("not-in-effect", {"vault": "present", "azure": "missing"}),
    }
    assert prod["readers"] == [
        {
            "secret": name,
            "workloads": [{"kind": "Deployment", "namespace": "agents", "name": f"agent-{name}"}],
        }
        for name in ("github", "jira")
    ]
    github, jira, url = prod["keys"]
    assert (github["due"][:10], github["age"], github["owner"]) == ("2026-12-05", "in-time", "agents")
    assert (jira["due"][:10], jira["age"]) == ("2026-11-18", "overdue")
    assert jira["issuer"] == "https://id.example.com/tokens?team=payments"
    assert (url["age"], url["issuer"]) == ("no-limit", None)
    assert [each["next"] for each in prod["secrets"]] == [
        [],
        ["platform-secrets status prod --only jira --wait"],
    ]


def test_a_store_that_does_not_answer_says_nothing_of_its_keys(reports: Reports, sample: Sample) -> None:
    found = sample("silent.json", reports.silent())
    SCHEMA.validate(found)
    (staging,) = found["environments"]
    assert states(staging) == {
        "github/GITHUB_TOKEN": ("no-access", {"vault": "no-access", "azure": "present"}),
        "jira/JIRA_TOKEN": ("deleted", {"vault": "no-access", "azure": "deleted"}),
        "jira/JIRA_URL": ("deleted", {"vault": "no-access", "azure": "deleted"}),
    }
    assert staging["notAnswered"]
    assert {each["age"] for each in staging["keys"]} == {"not-known", "no-limit"}

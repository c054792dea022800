import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft7Validator

from compiler.operations.report import ADDRESSES, OWNERS, _environment, merge_reports, read_report
from compiler.refusal import Refusal
from scripts.build_docs import output_schemas
from tests.unit.operations.status_reports import HERE, NOW, Reports

# The data of the page: what `status` found, merged, and what may not be read as its report.

Json = dict[str, Any]


def report(name: str) -> Json:
    return read_report(f"{name}.json", (HERE / f"{name}.json").read_bytes())


def merged(*names: str, without: tuple[str, ...] = ()) -> Json:
    return dict(merge_reports([(f"{name}.json", report(name)) for name in names], NOW, without))


def cell(data: Json, environment: str, secret: str, key: str | None = None) -> Json:
    (found,) = [each for each in data["secrets"] if each["id"] == secret]
    if key is not None:
        (found,) = [each for each in found["keys"] if each["key"] == key]
    return dict(data["cells"][found["cells"][environment]])


def test_the_sample_of_the_page_is_what_two_reports_come_to(sample: Callable[[str, str], Json]) -> None:
    found = sample("page_data.json", json.dumps(merged("moving", "silent"), indent=2) + "\n")
    assert [each["name"] for each in found["environments"]] == ["prod", "staging"]
    jira = cell(found, "prod", "jira")
    assert (jira["state"], jira["overdue"], jira["due"], jira["age"]) == ("not-in-effect", True, "2026-11-18", 100)
    assert (jira["store"], jira["to"], jira["layer"]) == ("vault", "azure", "base")
    assert cell(found, "staging", "github")["state"] == "no-access"
    assert [each["state"] for each in cell(found, "staging", "jira", "JIRA_URL")["places"]] == ["no-access", "deleted"]
    assert [each["severity"] for each in found["problems"]] == ["error", "error", "error", "warning"]
    assert found["moves"][0]["steps"] == [[{"secret": "github", "done": True}], [{"secret": "jira", "done": False}]]


def test_what_is_unlike_other_environments_is_marked_and_what_is_inherited_has_its_layer() -> None:
    found = merged("offline")
    github, jira = found["secrets"]
    assert (github["differs"], jira["differs"]) == (["store"], [])
    assert [cell(found, name, "github").get("differs") for name in ("dev", "prod")] == [None, ["store"]]
    assert [cell(found, name, "github").get("layer") for name in ("dev", "prod")] == ["base", None]
    assert "dev" not in jira["cells"]
    assert [each.get("moment") for each in found["environments"]] == [None, None]
    assert "workloads" not in found["contains"]


def test_the_commonest_is_not_marked_and_keys_and_names_of_secrets_count() -> None:
    found = report("offline")
    dev, prod = found["environments"]
    others = [{**dev, "environment": name} for name in ("a", "b")]
    other = json.loads(json.dumps({**dev, "environment": "c"}))
    other["secrets"][0]["target"] = "agents/other"
    other["keys"] = []
    data = merge_reports([("all", {**found, "environments": [prod, *others, other]})], NOW)
    marks = [cell(dict(data), name, "github").get("differs") for name in ("prod", "a", "b", "c")]
    assert marks == [["store"], None, None, ["target", "keys"]]
    assert data["secrets"][0]["differs"] == ["store", "target", "keys"]


def test_equal_cells_are_there_once() -> None:
    found = report("offline")
    dev = found["environments"][0]
    many = [{**dev, "environment": f"dev-{number}"} for number in range(50)]
    data = merge_reports([("all", {**found, "environments": many})], NOW)
    assert len(data["cells"]) == 2
    assert len(data["secrets"][0]["cells"]) == 50


def test_addresses_and_owners_are_left_out_of_texts_too() -> None:
    assert "vault.example.com" in json.dumps(merged("silent", "moving"))
    found = merged("silent", "moving", without=(ADDRESSES, OWNERS))
    text = json.dumps(found)
    assert "vault.example.com" not in text
    assert "agents.vault.azure.net" not in text
    assert "payments" not in text.replace("?team=payments", "")
    assert "(…) cannot be read" in json.dumps(found, ensure_ascii=False)
    assert found["without"] == [ADDRESSES, OWNERS]
    assert not {"addresses of stores", "owners"} & set(found["contains"])


def test_the_name_of_a_vault_is_left_out_of_commands() -> None:
    found = report("silent")
    row = found["environments"][0]["secrets"][0]
    row["next"] = ["az keyvault secret recover --vault-name agents --name x", "bao read HTTPS://10.0.0.1:8200/x"]
    data = dict(merge_reports([("a", found)], NOW, (ADDRESSES,)))
    assert cell(data, "staging", "github")["next"] == "az keyvault secret recover --vault-name … --name x"
    assert data["secrets"][0]["id"] == "github"


def test_one_report_of_an_environment_and_no_second() -> None:
    with pytest.raises(Refusal, match=r'"prod" is in moving\.json and in offline\.json'):
        merged("moving", "offline")


def test_a_part_of_the_secrets_is_told() -> None:
    found = report("moving")
    found["environments"][0]["whole"] = False
    assert merge_reports([("a", found)], NOW)["environments"][0]["partial"] is True


def test_two_stores_never_have_one_letter() -> None:
    found = report("offline")
    store = found["environments"][0]["stores"][0]
    names = ["vault", "vault-eu", "v", "---", "vv", "VAULT", "a" * 300]
    found["environments"][0]["stores"] = [{**store, "store": name} for name in names]
    stores = merge_reports([("a", found)], NOW)["environments"][0]["stores"]
    letters = [each["letter"] for each in stores.values()]
    assert letters == ["V", "VA", "V2", "S", "VV", "VU", "A"]


def changed(**members: object) -> bytes:
    return json.dumps({**report("offline"), **members}).encode()


def of_environment(**members: object) -> bytes:
    found = report("offline")
    return json.dumps({**found, "environments": [{**found["environments"][0], **members}]}).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", r"a\.json:1:2: this is not JSON"),
        (b"\xff{}", "is not JSON in UTF-8"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1]", "is not a report of `status --format json`"),
        (b'{"command": "verify", "token": "s3cret"}', "is not a report of `status --format json`"),
        (b'{"command": "status", "token": "s3cret"}', r"\$ is not as this release writes it"),
        (changed(format=1), r"\$\.format is not as"),
        (changed(s3cret=1), r"\$ is not as"),
        (changed(moment="s3cret"), "a date of moment is not as"),
        (changed(moment=""), "a date of moment is not as"),
        (
            of_environment(secrets=[{**report("offline")["environments"][0]["secrets"][0], "written": ""}]),
            "a date of secrets",
        ),
        (changed(environments={}), r"\$\.environments is not as"),
        (of_environment(keys=[{"secret": "s3cret"}]), r"\$\.environments\[0\]\.keys\[0\] is not as"),
        (of_environment(stores=None), r"\$\.environments\[0\]\.stores is not as"),
    ],
)
def test_any_other_file_is_refused_and_nothing_of_it_is_said(data: bytes, said: str) -> None:
    with pytest.raises(Refusal, match=said) as refused:
        read_report("a.json", data)
    assert "s3cret" not in f"{refused.value.message}{refused.value.help}"
    assert "platform-secrets status ENV --format json > FILE" in str(refused.value.help)


def test_a_script_in_place_of_an_issuers_link_is_refused() -> None:
    found = report("moving")
    found["environments"][0]["keys"][0]["issuer"] = "javascript:alert(1)"
    with pytest.raises(Refusal, match=r"keys\[0\]\.issuer is not as"):
        read_report("a.json", json.dumps(found).encode())


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.operations.report.LARGEST", 10)
    with pytest.raises(Refusal, match="is larger than 0 MiB"):
        read_report("a.json", b"{}         ")


def test_a_file_of_more_values_than_a_real_report_has_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.operations.report._MOST_VALUES", 1_000)
    monkeypatch.setattr("compiler.operations.report.json.loads", pytest.fail)
    with pytest.raises(Refusal, match=r"a\.json has more than 1000 values") as refused:
        read_report("a.json", b"[" + b"[]," * 1_000 + b"[]]")
    assert refused.value.help == "write a report per environment"


def test_what_environments_have_alike_is_in_memory_once() -> None:
    first, second = (json.loads(json.dumps(report("moving")).replace("prod", name)) for name in ("prod", "qa"))
    known: dict[str, Any] = {}
    found = [_environment(NOW, known, each["environments"][0]) for each in (first, second)]
    ours, theirs = (each.keys["github"]["GITHUB_TOKEN"] for each in found)
    assert ours is theirs
    assert found[0].decided["github"] != found[1].decided["github"]


def test_dates_without_a_zone_and_at_the_ends_of_time_are_read() -> None:
    found = report("moving")
    found["moment"] = "0001-01-01T00:00:00+14:00"
    key = found["environments"][0]["keys"][0]
    key["changed"], key["due"] = "9999-12-31T23:59:59", "0001-01-01T00:00:00"
    data = dict(merge_reports([("a", read_report("a", json.dumps(found).encode()))], datetime.now(UTC)))
    assert cell(data, "prod", "github", "GITHUB_TOKEN")["due"] == "0001-01-01"
    assert cell(data, "prod", "github", "GITHUB_TOKEN")["age"] == 0


# What `status --format json` says of each key, on which `report` stands.

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

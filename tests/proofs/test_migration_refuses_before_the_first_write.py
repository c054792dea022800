from typing import Any

import pytest

from tests.faulty_key_vault import Delays, FaultyKeyVault, VaultOptions
from tests.proofs.conftest import World

LARGEST = 25_600
AROUND = len('{"GITHUB_TOKEN": ""}')


def steps(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["key"]: step for step in report["steps"]}


@pytest.mark.parametrize("leaf", [7, 1.5, True, None, {"a": "b"}, ["a"]])
def test_a_leaf_that_is_no_string_is_refused_by_place(world: World, leaf: object) -> None:
    world.fill()
    world.put("agents/jira", {"JIRA_TOKEN": leaf, "JIRA_URL": "u"})
    report = world.report("--apply")
    step = steps(report)["JIRA_TOKEN"]
    assert (step["kind"], step["source"]["name"], step["source"]["property"]) == ("refuse", "agents/jira", "JIRA_TOKEN")
    assert "only strings can be copied unchanged" in step["reason"]
    assert (report["exitCode"], world.azure_versions()) == (1, {})


@pytest.mark.parametrize(("leaf", "text"), [(7, "7"), (True, "true"), ({"a": "b"}, '{"a":"b"}'), (["a", 1], '["a",1]')])
def test_with_stringify_it_becomes_its_json_text(world: World, leaf: object, text: str) -> None:
    world.fill()
    world.put("agents/jira", {"JIRA_TOKEN": leaf, "JIRA_URL": "u"})
    assert world.migrate("--apply", "--stringify").code == 0
    assert world.azure_object("agents-jira")["JIRA_TOKEN"] == text
    assert world.migrate("--stringify").code == 0


def test_null_has_no_text(world: World) -> None:
    world.fill()
    world.put("agents/jira", {"JIRA_TOKEN": None, "JIRA_URL": "u"})
    assert steps(world.report("--stringify"))["JIRA_TOKEN"]["kind"] == "refuse"


@pytest.mark.parametrize("character", ["a", "é", "😀"])
def test_25600_bytes_pass_and_one_more_is_refused_at_plan(world: World, character: str) -> None:
    world.fill()
    size = len(character.encode())
    count, rest = divmod(LARGEST - AROUND, size)
    fits = character * count + "a" * rest
    world.put("agents/github", {"GITHUB_TOKEN": fits + "a"})
    report = world.report("--apply")
    assert steps(report)["GITHUB_TOKEN"]["kind"] == "refuse"
    assert "25601 bytes" in steps(report)["GITHUB_TOKEN"]["reason"]
    assert (report["exitCode"], world.azure_versions()) == (1, {})
    world.put("agents/github", {"GITHUB_TOKEN": fits})
    assert world.migrate("--apply").code == 0
    assert len(world.azure.value("agents-github").encode()) == LARGEST


def test_more_tags_than_key_vault_takes_are_refused_at_plan_and_fewer_are_copied(world: World) -> None:
    world.fill()
    for count, code in ((16, 1), (15, 0)):
        tags = {f"tag-{number}": "value" for number in range(count)}
        world.bao.call("POST", f"{world.mount}/metadata/agents/jira", {"custom_metadata": tags})
        report = world.report("--apply")
        assert report["exitCode"] == code
    assert dict(world.azure.versions("agents-jira")[0].tags or {}) == tags
    assert len(world.azure.versions("agents-jira")) == 1


def test_a_soft_deleted_name_is_refused_with_the_command_to_use(world: World) -> None:
    world.fill()
    world.azure.seed_deleted("agents-jira", '{"JIRA_TOKEN": "old"}')
    report = world.report("--apply")
    assert steps(report)["JIRA_TOKEN"]["kind"] == "refuse"
    assert "migrate prod --to azure --recover" in steps(report)["JIRA_TOKEN"]["remedy"]
    assert report["exitCode"] == 1
    assert len(world.azure.versions("agents-jira")) == 1
    assert world.azure.versions("agents-github") == []


def test_recover_waits_and_writes_one_version(world: World) -> None:
    world.fill()
    with FaultyKeyVault(VaultOptions(delays=Delays(recover=1.0, settle=1.0))) as slow:
        base = world.root / "environments/base.yaml"
        base.write_text(base.read_text("utf-8").replace(world.azure.url, slow.url), "utf-8")
        world.variables |= slow.environ()
        slow.seed_deleted("agents-jira", '{"JIRA_TOKEN": "old", "KEPT": "k"}')
        done = world.migrate("--apply", "--recover")
        assert done.code == 0, done
        assert len(slow.versions("agents-jira")) == 2
        assert slow.value("agents-jira") == (
            '{"JIRA_TOKEN": "token-2", "KEPT": "k", "JIRA_URL": "https://jira.example.com"}'
        )
        assert world.run("migrate", "prod", "--undo", world.journals()[-1].stem, "--apply", "--quiet").code == 0
        assert slow.state._secrets["agents-jira"].phase != "active"


def test_a_recovered_secret_that_holds_everything_gets_no_version(world: World) -> None:
    world.fill()
    text = '{"JIRA_TOKEN": "token-2", "JIRA_URL": "https://jira.example.com"}'
    world.azure.seed_deleted("agents-jira", text)
    report = world.report("--apply", "--recover")
    assert report["exitCode"] == 0
    assert {result["name"]: result["state"] for result in report["results"]}["agents-jira"] == "kept"
    assert len(world.azure.versions("agents-jira")) == 1


def test_on_vault_too(world: World) -> None:
    world.azure.seed("agents-github", '{"GITHUB_TOKEN": "token-1"}')
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "new", "JIRA_URL": "u"}')
    world.put("agents/jira", {"JIRA_TOKEN": "old"})
    world.bao.call("DELETE", f"{world.mount}/data/agents/jira")
    assert world.migrate("--from", "azure", "--apply", to="vault").code == 1
    assert world.migrate("--from", "azure", "--apply", "--recover", to="vault").code == 0
    assert world.vault_versions("agents/jira") == 2
    assert world.get("agents/jira") == {"JIRA_TOKEN": "new", "JIRA_URL": "u"}


def test_two_properties_that_go_to_one_place_with_two_values_are_refused(world: World) -> None:
    catalogue = world.root / "environments/catalogue.yaml"
    one = catalogue.read_text("utf-8").replace("azurekv: agents-github", "azurekv: agents-jira")
    catalogue.write_text(one, "utf-8")
    world.put("agents/github", {"GITHUB_TOKEN": "t", "URL": "one"})
    world.put("agents/jira", {"JIRA_TOKEN": "t", "JIRA_URL": "u", "URL": "another"})
    report = world.report("--apply", "--all-properties")
    refused = {(step["secret"], step["key"]): step["reason"] for step in report["steps"] if step["kind"] == "refuse"}
    reason = "another key has the same place and a different value"
    assert refused == {("github", "URL"): reason, ("jira", "URL"): reason}
    assert (report["exitCode"], world.azure_versions()) == (1, {})
    world.put("agents/jira", {"JIRA_TOKEN": "t", "JIRA_URL": "u", "URL": "one"})
    assert world.migrate("--apply", "--all-properties").code == 0
    assert world.azure_object("agents-jira") == {"GITHUB_TOKEN": "t", "JIRA_TOKEN": "t", "JIRA_URL": "u", "URL": "one"}


@pytest.mark.parametrize("value", ["one", "another"])
def test_a_property_that_would_take_the_place_of_a_key_is_refused_whatever_its_value(world: World, value: str) -> None:
    catalogue = world.root / "environments/catalogue.yaml"
    renamed = "JIRA_URL: {description: URL, remote: {azurekv: {property: URL}}}"
    catalogue.write_text(catalogue.read_text("utf-8").replace("JIRA_URL: {description: URL}", renamed), "utf-8")
    world.put("agents/github", {"GITHUB_TOKEN": "t"})
    world.put("agents/jira", {"JIRA_TOKEN": "t", "JIRA_URL": "one", "URL": value})
    report = world.report("--apply", "--all-properties")
    refused = {step["key"]: step["reason"] for step in report["steps"] if step["kind"] == "refuse"}
    assert refused == {"URL": "a key of the catalogue already has that place in the destination"}
    assert (report["exitCode"], world.azure_versions()) == (1, {})
    assert world.migrate("--apply").code == 0
    assert world.azure_object("agents-jira") == {"JIRA_TOKEN": "t", "URL": "one"}


def test_two_stores_that_are_one_place_from_here_are_refused(world: World) -> None:
    base = world.root / "environments/base.yaml"
    second = f'  other: {{provider: vault, name: other-store, server: "https://b.example.com", mount: {world.mount}}}\n'
    base.write_text(base.read_text("utf-8").replace("secrets:", second + "secrets:", 1), "utf-8")
    world.fill()
    world.variables["VAULT_ADDR"] = world.bao.url
    done = world.migrate("--apply", to="other")
    assert done.code == 1
    assert '"vault" and "other" are the same place, seen from this machine' in done.out
    assert world.vault_versions("agents/jira") == 1


@pytest.mark.parametrize(
    ("prod", "told"),
    [
        (
            "secrets: {jira: {remote: {azurekv: Agents-GitHub}}}",
            'Key Vault cannot tell "Agents-GitHub" and "agents-github" apart',
        ),
        (
            "secrets: {jira: {remote: {azurekv: GITHUB-app-key}}}",
            'Key Vault cannot tell "GITHUB-app-key" and "github-app-key" apart',
        ),
    ],
)
def test_names_that_the_destination_cannot_keep_apart_are_refused_before_anything_is_asked(
    world: World, prod: str, told: str
) -> None:
    world.fill()
    (world.root / "environments/prod.yaml").write_text(f"{prod}\n", "utf-8")
    for options in ((), ("--apply",), ("--apply", "--continue-on-error")):
        done = world.migrate(*options)
        assert done.code == 1
        assert f"environments/prod.yaml:1:36: error[key-vault-name-collision]: {told}\n" in done.err
    assert world.azure.requests() == []
    assert world.azure_versions() == {}

from typing import Any

import pytest

from compiler.model.environment import Environment
from compiler.model.values import values_of
from compiler.stages.load import load_text
from compiler.stages.resolve import Resolver, catalogue_of, merge
from tests.github_project import BASE

CATALOGUE = """\
secrets:
  github:
    target: agent-github-secrets
    remote: {vault: platform/github, azurekv: platform-github}
    syncWave: -49
    keys:
      TOKEN: {}
      URL: {remote: {vault: {property: HOST}}}
      APP_KEY: {remote: {vault: {name: app, property: KEY}, azurekv: {name: app-key, whole: true}}}
"""


def environment(text: str, catalogue: str = CATALOGUE) -> Environment:
    documents = [load_text(name, each)[0] for name, each in (("base", BASE), ("prod", text), ("catalogue", catalogue))]
    base, prod, secrets = (document for document in documents if document is not None)
    root, _ = merge([base, prod])
    return Resolver(catalogue_of(secrets)).environment("prod", root, [base, prod])


def github(text: str) -> Any:  # noqa: ANN401 - plain data
    secrets = values_of(environment(text))["externalSecrets"]
    assert isinstance(secrets, dict)
    return secrets["github"]


def test_a_secret_is_fully_resolved() -> None:
    said = "labels: {a: b}\nannotations: {c: d}\nsecretLabels: {e: f}\nsecretAnnotations: {g: h}\n"
    assert github(said) == {
        "name": "agent-github-secrets",
        "namespace": "ai-platform",
        "labels": {"a": "b"},
        "annotations": {"c": "d"},
        "secretLabels": {"a": "b", "e": "f"},
        "secretAnnotations": {"g": "h"},
        "storeRef": {"kind": "ClusterSecretStore", "name": "vault-store"},
        "refreshInterval": "1h0m0s",
        "syncWave": "-49",
        "fetch": "perKey",
        "remoteKey": "platform/github",
        "keys": ["TOKEN"],
        "data": {
            "URL": {"key": "platform/github", "property": "HOST"},
            "APP_KEY": {"key": "app", "property": "KEY"},
        },
    }


def test_optional_parts_are_absent_and_a_whole_has_no_property() -> None:
    secret = github("store: azure\n")
    assert not {"labels", "annotations", "secretLabels", "secretAnnotations"} & secret.keys()
    assert secret["keys"] == ["TOKEN", "URL"]
    assert secret["data"] == {"APP_KEY": {"key": "app-key"}}


def test_without_a_key_in_its_own_remote_secret_there_is_no_remote_key() -> None:
    catalogue = CATALOGUE.replace("TOKEN: {}", "TOKEN: {remote: {vault: token}}")
    data = values_of(environment("", catalogue))["externalSecrets"]
    assert isinstance(data, dict)
    assert isinstance(data["github"], dict)
    assert not {"remoteKey", "keys"} & data["github"].keys()


@pytest.mark.parametrize(
    ("operator", "written"),
    [("0.16", False), ("2.2", False), ("2.3", True), ("2.6", True), ("2.7", False), ("2.9", False), ("2.10", False)],
)
def test_a_defaulted_field_is_written_for_the_minors_that_have_it(operator: str, *, written: bool) -> None:
    defaults = values_of(environment(f'externalSecretsOperator: "{operator}"\n'))["remoteRefDefaults"]
    assert isinstance(defaults, dict)
    assert ("nullBytePolicy" in defaults) == written
    assert defaults["conversionStrategy"] == "Default"


@pytest.mark.parametrize("operator", ["2.10", "2.11", "2.12", "2.13", "2.14", "3.0"])
def test_newer_minors_have_the_values_of_2_9(operator: str) -> None:
    rendered = "stores: {vault: {render: true}, azure: {render: true, kind: SecretStore}}\n"
    known, newer = (f'{rendered}externalSecretsOperator: "{minor}"\n' for minor in ("2.9", operator))
    assert values_of(environment(newer)) == values_of(environment(known))


def test_the_label_of_all_is_there_where_an_environment_says_it() -> None:
    assert "partOf" not in values_of(environment(""))
    assert values_of(environment("partOf: shop\n"))["partOf"] == "shop"
    assert values_of(environment("partOf: ai-platform-engineering\n"))["partOf"] == "ai-platform-engineering"


def test_only_an_environment_without_a_secret_or_a_store_may_render_nothing() -> None:
    assert values_of(environment("secrets: {github: null}\n"))["allowEmpty"] is True
    assert "allowEmpty" not in values_of(environment(""))
    rendered = "stores: {vault: {render: true}}\nsecrets: {github: null}\n"
    assert "allowEmpty" not in values_of(environment(rendered))


def test_stores_are_there_where_they_are_rendered() -> None:
    assert not {"clusterSecretStores", "secretStores"} & values_of(environment("")).keys()
    rendered = "stores: {vault: {render: true}, azure: {render: true, kind: SecretStore}}\n"
    data = values_of(environment(rendered))
    assert isinstance(data["clusterSecretStores"], dict)
    assert isinstance(data["secretStores"], dict)
    assert list(data["clusterSecretStores"]) == ["vault"]
    assert list(data["secretStores"]) == ["azure"]


def test_an_environment_without_secrets_has_an_empty_map() -> None:
    assert values_of(environment("secrets: {github: null}\n"))["externalSecrets"] == {}


@pytest.mark.parametrize("text", ["store: gcp\n", "namespace: null\n", "refreshInterval: soon\n"])
def test_an_environment_that_passed_no_rule_has_no_values(text: str) -> None:
    with pytest.raises(ValueError, match="passed every rule"):
        values_of(environment(text))


def test_a_key_without_a_place_has_no_values() -> None:
    with pytest.raises(ValueError, match="passed every rule"):
        values_of(environment("store: azure\n", CATALOGUE.replace(", azurekv: platform-github", "")))

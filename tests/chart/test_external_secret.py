"""templates/external-secret.yaml, field for field."""

from collections.abc import Callable
from typing import Any

import pytest

Manifest = dict[str, Any]
DEFAULTS = {"conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None"}


@pytest.fixture
def secret(rendered: Callable[..., list[Manifest]]) -> Callable[[str], Manifest]:
    def find(name: str) -> Manifest:
        found = [each for each in rendered("mixed") if each["kind"] == "ExternalSecret"]
        return next(each for each in found if each["metadata"]["name"] == name)

    return find


def test_per_key_names_each_key_its_place_and_every_defaulted_field(secret: Callable[[str], Manifest]) -> None:
    remote = "ai-platform-engineering-github"
    assert secret("agent-github-secrets") == {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {
            "name": "agent-github-secrets",
            "namespace": "ai-platform-engineering",
            "labels": {
                "app.kubernetes.io/name": "agent-github-secrets",
                "app.kubernetes.io/component": "secrets",
                "app.kubernetes.io/part-of": "ai-platform-engineering",
                "app.kubernetes.io/managed-by": "Helm",
                "example.com/tier": "1",
                "team": "platform",
            },
            "annotations": {
                "argocd.argoproj.io/sync-wave": "-49",
                "example.com/owner": "platform: team #1",
                "example.com/reviewed": "true",
            },
        },
        "spec": {
            "refreshInterval": "15m0s",
            "secretStoreRef": {"kind": "SecretStore", "name": "azure-keyvault-store"},
            "target": {
                "name": "agent-github-secrets",
                "creationPolicy": "Owner",
                "deletionPolicy": "Retain",
                "template": {
                    "engineVersion": "v2",
                    "mergePolicy": "Replace",
                    "metadata": {
                        "labels": {
                            "app.kubernetes.io/name": "agent-github-secrets",
                            "app.kubernetes.io/component": "secrets",
                            "app.kubernetes.io/part-of": "ai-platform-engineering",
                            "app.kubernetes.io/managed-by": "Helm",
                            "example.com/tier": "2",
                            "team": "platform",
                            "mounted": "yes",
                        },
                        "annotations": {"reloader.stakater.com/match": "true", "example.com/note": "a: b #c"},
                    },
                },
            },
            "data": [
                {"secretKey": key, "remoteRef": place | DEFAULTS}
                for key, place in {
                    "GITHUB_APP_ID": {"key": remote, "property": "GITHUB_APP_ID"},
                    "GITHUB_APP_INSTALLATION_ID": {"key": remote, "property": "GITHUB_APP_INSTALLATION_ID"},
                    "GITHUB_APP_PRIVATE_KEY": {"key": "github-app-key"},
                    "GITHUB_WEBHOOK_SECRET": {"key": "ai-platform-engineering-webhooks", "property": "github"},
                }.items()
            ],
        },
    }


def test_bundle_reads_once_and_lets_only_the_named_keys_through(secret: Callable[[str], Manifest]) -> None:
    manifest = secret("ai-platform-global-secrets")
    keys = ["LLM_PROVIDER", "OPENAI_API_KEY", "OPENAI_ENDPOINT", "OPENAI_MODEL_NAME"]
    assert manifest["spec"] == {
        "refreshInterval": "1h0m0s",
        "secretStoreRef": {"kind": "ClusterSecretStore", "name": "vault-secret-store"},
        "target": {
            "name": "ai-platform-global-secrets",
            "creationPolicy": "Owner",
            "deletionPolicy": "Retain",
            "template": {
                "engineVersion": "v2",
                "mergePolicy": "Replace",
                "metadata": {"labels": manifest["metadata"]["labels"]},
                "data": {key: f"{{{{ .{key} }}}}" for key in keys},
            },
        },
        "dataFrom": [{"extract": {"key": "ai-platform-engineering/global"} | DEFAULTS}],
    }


def test_labels_and_annotations_are_the_contract_s_where_the_environment_adds_none(
    secret: Callable[[str], Manifest],
) -> None:
    assert secret("agent-jira-secrets")["metadata"] == {
        "name": "agent-jira-secrets",
        "namespace": "ai-platform-engineering",
        "labels": {
            "app.kubernetes.io/name": "agent-jira-secrets",
            "app.kubernetes.io/component": "secrets",
            "app.kubernetes.io/part-of": "ai-platform-engineering",
            "app.kubernetes.io/managed-by": "Helm",
        },
        "annotations": {"argocd.argoproj.io/sync-wave": "-49"},
    }


@pytest.mark.parametrize("name", ["agent-jira-secrets", "agent-slack-secrets"])
def test_the_secret_carries_the_contract_s_labels_and_nothing_of_argo_cd(
    name: str, secret: Callable[[str], Manifest]
) -> None:
    """Without a template the operator would copy the sync wave, and what Argo CD writes on the ExternalSecret."""
    template = secret(name)["spec"]["target"]["template"]
    labels = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": "secrets",
        "app.kubernetes.io/part-of": "ai-platform-engineering",
        "app.kubernetes.io/managed-by": "Helm",
    }
    assert template == {"engineVersion": "v2", "mergePolicy": "Replace", "metadata": {"labels": labels}}


def test_both_ways_to_fetch_carry_metadata_the_same_way(rendered: Callable[..., list[Manifest]]) -> None:
    def metadata(*options: str) -> list[tuple[Any, Any]]:
        found = [each for each in rendered("mixed", *options) if each["kind"] == "ExternalSecret"]
        return [(each["metadata"], each["spec"]["target"]["template"]["metadata"]) for each in found]

    per_key = metadata("--set", "externalSecrets.global.fetch=perKey")
    assert per_key == metadata()
    assert len(per_key) == 4


def test_everything_printed_is_a_part_of_what_the_environment_says(rendered: Callable[..., list[Manifest]]) -> None:
    found = rendered("mixed", "--set", "partOf=shop")
    labels = [each["metadata"]["labels"] for each in found]
    labels += [
        each["spec"]["target"]["template"]["metadata"]["labels"] for each in found if each["kind"] == "ExternalSecret"
    ]
    assert len(labels) == 10
    assert {each["app.kubernetes.io/part-of"] for each in labels} == {"shop"}


def test_keys_may_all_lie_elsewhere(secret: Callable[[str], Manifest]) -> None:
    place = {"key": "ai-platform-engineering/jira-secret", "property": "TOKEN"}
    assert secret("agent-jira-secrets")["spec"]["data"] == [
        {"secretKey": "ATLASSIAN_TOKEN", "remoteRef": place | DEFAULTS}
    ]


def test_defaulted_fields_are_those_of_the_values_and_no_others(rendered: Callable[..., list[Manifest]]) -> None:
    manifests = rendered("mixed", "--set", "remoteRefDefaults.nullBytePolicy=Ignore")
    specs = [each["spec"] for each in manifests if each["kind"] == "ExternalSecret"]
    references = [entry["remoteRef"] for spec in specs for entry in spec.get("data", [])]
    references += [entry["extract"] for spec in specs for entry in spec.get("dataFrom", [])]
    expected = DEFAULTS | {"nullBytePolicy": "Ignore"}
    assert len(references) == 8
    for reference in references:
        assert {name: value for name, value in reference.items() if name not in ("key", "property")} == expected

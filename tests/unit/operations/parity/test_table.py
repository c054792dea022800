from typing import Any

import pytest

from compiler.operations.parity import (
    _go_duration,
    enabled_secrets,
    expected_manifests,
    is_one_bundle,
    references,
)

CATALOGUE: dict[str, Any] = {
    "secrets": {
        "github": {
            "target": "github-secrets",
            "remote": {"vault": "team/github", "azurekv": "team-github"},
            "syncWave": -49,
            "use": ["app"],
            "keys": {
                "APP_ID": {"variants": ["app"]},
                "APP_KEY": {"variants": ["app"], "remote": {"azurekv": {"name": "github-app-key", "whole": True}}},
                "PAT": {"variants": ["pat"]},
                "HOOK": {"remote": {"vault": {"property": "hook"}, "azurekv": "team-hooks"}},
            },
        }
    }
}
VAULT = {"provider": "vault", "name": "vault-secret-store"}
AZURE = {"provider": "azurekv", "name": "azure-keyvault-store", "kind": "SecretStore", "prefix": "one-"}


LABELS = {
    "app.kubernetes.io/name": "github-secrets",
    "app.kubernetes.io/component": "secrets",
    "app.kubernetes.io/part-of": "ai-platform-engineering",
    "app.kubernetes.io/managed-by": "Helm",
}


def environment(**said: object) -> dict[str, Any]:
    return {
        "namespace": "team",
        "store": "vault",
        "refreshInterval": "1h",
        "externalSecretsOperator": "2.9",
        "stores": {"vault": VAULT, "azure": AZURE},
        "secrets": {"github": {}},
        **said,
    }


def test_a_key_lies_under_its_own_name_unless_it_says_otherwise() -> None:
    entry = CATALOGUE["secrets"]["github"]
    assert references({}, {}, entry, CATALOGUE, VAULT) == {
        "APP_ID": {"key": "team/github", "property": "APP_ID"},
        "APP_KEY": {"key": "team/github", "property": "APP_KEY"},
        "HOOK": {"key": "team/github", "property": "hook"},
    }
    assert references({}, {"use": ["pat"], "remote": {"azurekv": "other"}}, entry, CATALOGUE, AZURE) == {
        "PAT": {"key": "one-other", "property": "PAT"},
        "HOOK": {"key": "one-team-hooks", "property": "HOOK"},
    }
    assert references({}, {"use": ["app"]}, entry, CATALOGUE, AZURE)["APP_KEY"] == {"key": "one-github-app-key"}


def test_without_any_choice_all_variants_are_had_and_without_a_name_there_is_no_place() -> None:
    entry = {"keys": CATALOGUE["secrets"]["github"]["keys"]}
    assert references({}, {}, entry, CATALOGUE, AZURE) == {
        "APP_ID": None,
        "APP_KEY": {"key": "one-github-app-key"},
        "PAT": None,
        "HOOK": {"key": "one-team-hooks", "property": "HOOK"},
    }


@pytest.mark.parametrize(
    ("keys", "fits"),
    [
        ({"A": {"key": "x", "property": "A"}, "B": {"key": "x", "property": "B"}}, True),
        ({"A": {"key": "x", "property": "A"}, "B": {"key": "y", "property": "B"}}, False),
        ({"A": {"key": "x", "property": "a"}}, False),
        ({"A": {"key": "x"}}, False),
        ({"A": {"key": "x", "property": "A"}, "B": None}, False),
        ({}, False),
    ],
)
def test_a_bundle_is_one_remote_secret_with_each_key_under_its_own_name(keys: dict[str, Any], *, fits: bool) -> None:
    assert is_one_bundle(keys) is fits


def test_an_external_secret_per_key() -> None:
    said = environment(
        labels={"team": "platform"},
        annotations={"owner": "a"},
        externalSecretsOperator="2.3",
        secrets={"github": {"store": "azure", "use": [], "labels": {"team": "own"}, "namespace": "other"}},
    )
    (manifest,) = expected_manifests(said, CATALOGUE)
    assert manifest == {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {
            "name": "github-secrets",
            "namespace": "other",
            "labels": {**LABELS, "team": "own"},
            "annotations": {"argocd.argoproj.io/sync-wave": "-49", "owner": "a"},
        },
        "spec": {
            "refreshInterval": "1h0m0s",
            "secretStoreRef": {"kind": "SecretStore", "name": "azure-keyvault-store"},
            "target": {
                "name": "github-secrets",
                "creationPolicy": "Owner",
                "deletionPolicy": "Retain",
                "template": {
                    "engineVersion": "v2",
                    "mergePolicy": "Replace",
                    "metadata": {"labels": {**LABELS, "team": "own"}},
                },
            },
            "data": [
                {
                    "secretKey": "HOOK",
                    "remoteRef": {
                        "key": "one-team-hooks",
                        "property": "HOOK",
                        "conversionStrategy": "Default",
                        "decodingStrategy": "None",
                        "metadataPolicy": "None",
                        "nullBytePolicy": "Ignore",
                    },
                }
            ],
        },
    }


def test_a_secret_has_the_environments_labels_and_its_own_and_no_annotation_of_the_external_secret() -> None:
    said = environment(
        partOf="shop",
        labels={"team": "platform", "tier": "1"},
        annotations={"owner": "a"},
        secretLabels={"tier": "2", "reload": "yes"},
        secretAnnotations={"match": "true", "x": "y"},
        secrets={
            "github": {"labels": {"team": "own"}, "secretLabels": {"reload": "no"}, "secretAnnotations": {"x": "z"}}
        },
    )
    (manifest,) = expected_manifests(said, CATALOGUE)
    labels = {**LABELS, "app.kubernetes.io/part-of": "shop", "team": "own", "tier": "1"}
    assert manifest["metadata"]["labels"] == labels
    assert manifest["metadata"]["annotations"] == {"argocd.argoproj.io/sync-wave": "-49", "owner": "a"}
    assert manifest["spec"]["target"]["template"]["metadata"] == {
        "labels": {**labels, "tier": "2", "reload": "no"},
        "annotations": {"match": "true", "x": "z"},
    }


def test_a_bundle_reads_one_remote_secret_and_names_each_key() -> None:
    catalogue = {"secrets": {"llm": {"target": "llm", "remote": {"vault": "x"}, "syncWave": -50, "keys": {"A": {}}}}}
    (manifest,) = expected_manifests(environment(fetch="bundle", secrets={"llm": {}}), catalogue)
    assert manifest["spec"]["target"]["template"]["data"] == {"A": "{{ .A }}"}
    assert manifest["spec"]["target"]["template"]["metadata"]["labels"] == manifest["metadata"]["labels"]
    (source,) = manifest["spec"]["dataFrom"]
    assert source["extract"] == {
        "key": "x",
        "conversionStrategy": "Default",
        "decodingStrategy": "None",
        "metadataPolicy": "None",
    }
    assert "data" not in manifest["spec"]


def test_a_disabled_secret_is_none() -> None:
    assert list(enabled_secrets(environment(secrets={"github": {"enabled": False}}), CATALOGUE)) == []


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("1h", "1h0m0s"), ("90m", "1h30m0s"), ("60s", "1m0s"), ("45s", "45s"), ("1.5h", "1h30m0s"), ("1000ms", "1s")],
)
def test_durations_are_written_as_go_prints_them(text: str, canonical: str) -> None:
    assert _go_duration(text) == canonical


def test_a_value_of_another_entry_lies_where_that_one_has_it() -> None:
    ci = {
        "keys": {"CI_HOOK": {"from": "github/HOOK"}, "AGAIN": {"from": "ci/CI_HOOK"}, "ID": {"from": "github/APP_ID"}}
    }
    catalogue = {"secrets": {**CATALOGUE["secrets"], "ci": ci}}
    hook = {"key": "team/github", "property": "hook"}
    assert references({}, {}, ci, catalogue, VAULT) == {
        "CI_HOOK": hook,
        "AGAIN": hook,
        "ID": {"key": "team/github", "property": "APP_ID"},
    }
    said = {"secrets": {"github": {"enabled": False, "use": ["pat"], "remote": {"vault": "mine"}}}}
    hook = {"key": "mine", "property": "hook"}
    assert references(said, {}, ci, catalogue, VAULT) == {"CI_HOOK": hook, "AGAIN": hook}

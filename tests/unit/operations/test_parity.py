import json
import shutil
import threading
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from compiler.helm import Helm, HelmError, helm_at
from compiler.model.environment import Project
from compiler.operations import parity
from compiler.operations.parity import (
    _go_duration,
    differences,
    enabled_secrets,
    expected_manifests,
    expected_stores,
    is_one_bundle,
    parent_chart,
    prove,
    references,
    targets,
)
from compiler.stages.emit import read_values
from tests.conftest import Helm as Installed
from tests.platforms import base_text, project_of, write_project

ROOT = Path(__file__).resolve().parents[3]
HELMS = (Helm(Path("helm4"), "4.3"), Helm(Path("helm3"), "3.22"))

CATALOGUE = """
secrets:
  llm: {description: LLM, target: llm-secrets, remote: {vault: team/llm, azurekv: team-llm}, syncWave: -50,
    keys: {LLM_KEY: {description: Key, remote: {azurekv: {name: llm-key, whole: true}}}}}
  only: {description: Only, target: only-secrets, remote: {vault: team/only}, syncWave: -49,
    keys: {ONLY: {description: Only}}}
"""
ENVIRONMENT = base_text(
    "{llm: {store: vault, fetch: bundle}, only: {}}",
    namespace="team",
    vault="name: vault-secret-store, server: https://vault.example.com",
    azure="name: azure-keyvault-store, vaultUrl: https://team.vault.azure.net",
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    write_project(tmp_path, catalogue=CATALOGUE, one=ENVIRONMENT)
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart/Chart.yaml").write_text("name: platform-secrets\n")
    return project_of(tmp_path)


@pytest.fixture
def rendering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Helm, dict[str, Any]], str]], list[Any]]:
    """Puts a function of Helm and values in Helm's place; what it was given is in the list."""

    def install(render: Callable[[Helm, dict[str, Any]], str]) -> list[Any]:
        asked: list[Any] = []
        lock = threading.Lock()

        def template(helm: Helm, chart: Path, values_files: Sequence[Path]) -> str:
            (path,) = values_files
            values: Any = read_values(path.read_text())
            with lock:
                asked.append((helm.version, values))
            return render(helm, values)

        monkeypatch.setattr(parity, "template", template)
        return asked

    return install


def test_every_secret_is_put_on_every_store_that_it_has_a_name_for(
    project: Project, tmp_path: Path, rendering: Callable[..., list[Any]]
) -> None:
    asked = rendering(lambda _helm, _values: "")
    prove(project, tmp_path / "chart", HELMS[:1])
    tried = {
        tuple((name, each["storeRef"]["name"], each["fetch"]) for name, each in values["externalSecrets"].items())
        for _, values in asked
    }
    # A bundle where it could not be one is read key by key, and what has no name there stays out.
    assert tried == {
        (("llm", "vault-secret-store", "bundle"), ("only", "vault-secret-store", "perKey")),
        (("llm", "azure-keyvault-store", "perKey"),),
    }
    assert len(asked) == 3


def test_a_difference_is_one_diagnostic_at_the_secret_with_all_that_saw_it(
    project: Project, tmp_path: Path, rendering: Callable[..., list[Any]]
) -> None:
    rendering(lambda _helm, _values: "")
    first, *_ = prove(project, tmp_path / "chart", HELMS)
    assert first.rule == "unproven-chart"
    assert first.message == 'in "one", ExternalSecret "team/llm-secrets" is not rendered'
    assert first.span.where == "environments/one.yaml:8:11"
    assert first.help == (
        "seen with Helm 4.3, as configured; Helm 3.22, as configured; "
        'Helm 4.3, with every secret on the store "vault"; Helm 3.22, with every secret on the store "vault"; '
        'Helm 4.3, with every secret on the store "azure"; Helm 3.22, with every secret on the store "azure"'
    )


def test_keys_that_depend_on_the_store_are_seen_without_the_table(
    project: Project, tmp_path: Path, rendering: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(_helm: Helm, values: dict[str, Any]) -> str:
        store = values["externalSecrets"]["llm"]["storeRef"]["name"]
        return (
            "{kind: ExternalSecret, metadata: {name: llm-secrets, namespace: team}, "
            f"spec: {{target: {{name: llm-secrets}}, data: [{{secretKey: {store}}}]}}}}"
        )

    rendering(render)
    monkeypatch.setattr(parity, "differences", lambda _expected, _rendered: ())
    (found,) = prove(project, tmp_path / "chart", HELMS[:1])
    assert found.message == 'in "one", the Secret "llm-secrets" has different keys than as configured'
    assert found.help == 'seen with Helm 4.3, with every secret on the store "azure"'


def test_a_refusal_of_helm_is_a_diagnostic_without_its_words(
    project: Project, tmp_path: Path, rendering: Callable[..., list[Any]]
) -> None:
    def refuse(_helm: Helm, _values: dict[str, Any]) -> str:
        raise HelmError("refused", "sentinel")

    rendering(refuse)
    (found,) = prove(project, tmp_path / "chart", HELMS)
    assert found.message == 'in "one", Helm refuses the chart with these values'
    assert "sentinel" not in repr(found)


def test_a_helm_that_cannot_be_run_ends_it(
    project: Project, tmp_path: Path, rendering: Callable[..., list[Any]]
) -> None:
    def fail(_helm: Helm, _values: dict[str, Any]) -> str:
        raise HelmError("cannot be run")

    rendering(fail)
    with pytest.raises(HelmError, match="cannot be run"):
        prove(project, tmp_path / "chart", HELMS)


def test_what_is_no_yaml_is_a_diagnostic(project: Project, tmp_path: Path, rendering: Callable[..., list[Any]]) -> None:
    rendering(lambda _helm, _values: "{")
    (found,) = prove(project, tmp_path / "chart", HELMS)
    assert found.message == 'in "one", the output of Helm is not YAML'


@pytest.mark.heavy
def test_the_shipped_environments_are_proven(helms: tuple[Installed, ...]) -> None:
    assert prove(project_of(ROOT), ROOT / "chart", [helm_at(Path(helm.path)) for helm in helms]) == ()


def test_the_table_counts_each_shipped_secret() -> None:
    project = project_of(ROOT)
    catalogue: Any = project.catalogue.document.root.plain_data()
    for environment in project.environments:
        data: Any = environment.root.plain_data()
        assert len(expected_manifests(data, catalogue)) == len(environment.secrets)


def nested(tmp_path: Path, name: str = "secrets") -> Project:
    (tmp_path / "environments").mkdir(exist_ok=True)
    (tmp_path / "environments/catalogue.yaml").write_text(CATALOGUE)
    (tmp_path / "environments/one.yaml").write_text(f"{ENVIRONMENT}subchart: {name}\n")
    return project_of(tmp_path, may_fail=True)


def test_a_subchart_is_proven_through_a_parent(tmp_path: Path, helms: tuple[Installed, ...]) -> None:
    project = nested(tmp_path)
    assert prove(project, ROOT / "chart", [helm_at(Path(helm.path)) for helm in helms]) == ()


def test_values_under_another_name_than_the_parents_are_found(
    tmp_path: Path, helms: tuple[Installed, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "parent_chart", lambda folder, chart, _name: parent_chart(folder, chart, "other"))
    found = prove(nested(tmp_path), ROOT / "chart", [helm_at(Path(helms[-1].path))])
    # The chart refuses to print nothing.
    assert 'in "one", Helm refuses the chart with these values' in {each.message for each in found}


def test_the_parent_is_given_the_values_as_they_are_written(
    tmp_path: Path, rendering: Callable[..., list[Any]]
) -> None:
    asked = rendering(lambda _helm, _values: "")
    prove(nested(tmp_path, "on"), ROOT / "chart", HELMS[:1])
    assert len(asked) == 3
    assert all(list(values) == ["on"] and "externalSecrets" in values["on"] for _, values in asked)


TREE_CATALOGUE: dict[str, Any] = {
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
    entry = TREE_CATALOGUE["secrets"]["github"]
    assert references({}, {}, entry, TREE_CATALOGUE, VAULT) == {
        "APP_ID": {"key": "team/github", "property": "APP_ID"},
        "APP_KEY": {"key": "team/github", "property": "APP_KEY"},
        "HOOK": {"key": "team/github", "property": "hook"},
    }
    assert references({}, {"use": ["pat"], "remote": {"azurekv": "other"}}, entry, TREE_CATALOGUE, AZURE) == {
        "PAT": {"key": "one-other", "property": "PAT"},
        "HOOK": {"key": "one-team-hooks", "property": "HOOK"},
    }
    assert references({}, {"use": ["app"]}, entry, TREE_CATALOGUE, AZURE)["APP_KEY"] == {"key": "one-github-app-key"}


def test_without_any_choice_all_variants_are_had_and_without_a_name_there_is_no_place() -> None:
    entry = {"keys": TREE_CATALOGUE["secrets"]["github"]["keys"]}
    assert references({}, {}, entry, TREE_CATALOGUE, AZURE) == {
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
    (manifest,) = expected_manifests(said, TREE_CATALOGUE)
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
    (manifest,) = expected_manifests(said, TREE_CATALOGUE)
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
    assert list(enabled_secrets(environment(secrets={"github": {"enabled": False}}), TREE_CATALOGUE)) == []


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
    catalogue = {"secrets": {**TREE_CATALOGUE["secrets"], "ci": ci}}
    hook = {"key": "team/github", "property": "hook"}
    assert references({}, {}, ci, catalogue, VAULT) == {
        "CI_HOOK": hook,
        "AGAIN": hook,
        "ID": {"key": "team/github", "property": "APP_ID"},
    }
    said = {"secrets": {"github": {"enabled": False, "use": ["pat"], "remote": {"vault": "mine"}}}}
    hook = {"key": "mine", "property": "hook"}
    assert references(said, {}, ci, catalogue, VAULT) == {"CI_HOOK": hook, "AGAIN": hook}


ACCOUNT = {"name": "eso", "namespace": "eso", "audiences": ["vault"]}
REFERENCE = {"name": "login", "key": "token"}


def provider(operator: str = "2.9", **store: object) -> dict[str, Any]:
    said = {"name": "s", "kind": "SecretStore", "render": True, **store}
    (manifest,) = expected_stores({"namespace": "team", "externalSecretsOperator": operator, "stores": {"s": said}})
    found: dict[str, Any] = manifest["spec"]["provider"][str(store["provider"])]
    return found


@pytest.mark.parametrize(
    ("auth", "rendered"),
    [
        ({"token": REFERENCE}, {"tokenSecretRef": REFERENCE}),
        ({"kubernetes": {"role": "r"}}, {"kubernetes": {"mountPath": "kubernetes", "role": "r"}}),
        (
            {"kubernetes": {"role": "r", "mountPath": "k8s", "serviceAccount": ACCOUNT}},
            {"kubernetes": {"mountPath": "k8s", "role": "r", "serviceAccountRef": ACCOUNT}},
        ),
        (
            {"appRole": {"roleId": "id", "secretId": REFERENCE}},
            {"appRole": {"path": "approle", "roleId": "id", "secretRef": REFERENCE}},
        ),
        (
            {"jwt": {"role": "r", "serviceAccount": ACCOUNT}},
            {"jwt": {"path": "jwt", "role": "r", "kubernetesServiceAccountToken": {"serviceAccountRef": ACCOUNT}}},
        ),
    ],
)
def test_each_login_of_vault(auth: dict[str, Any], rendered: dict[str, Any]) -> None:
    found = provider(provider="vault", server="https://v", auth=auth)
    assert found == {"server": "https://v", "path": "secret", "version": "v2", "auth": rendered}


def test_what_else_a_vault_store_may_say() -> None:
    found = provider(
        provider="vault", server="https://v", mount="kv", vaultNamespace="n", caProvider=REFERENCE, auth={"token": {}}
    )
    assert found == {
        "server": "https://v",
        "path": "kv",
        "version": "v2",
        "namespace": "n",
        "caProvider": REFERENCE,
        "auth": {"tokenSecretRef": {}},
    }
    assert provider(provider="vault", server="https://v", caBundle="LS0t", auth={"token": {}})["caBundle"] == "LS0t"
    endpoints = {"activeDirectoryEndpoint": "https://a"}
    china = provider(
        provider="azurekv",
        vaultUrl="https://u",
        auth={"managedIdentity": {}},
        useAzureSDK=True,
        customCloudConfig=endpoints,
    )
    assert (china["useAzureSDK"], china["customCloudConfig"]) == (True, endpoints)


@pytest.mark.parametrize(
    ("auth", "rendered"),
    [
        ({"workloadIdentity": {"serviceAccount": ACCOUNT}}, {"serviceAccountRef": ACCOUNT}),
        ({"managedIdentity": {"clientId": "c"}}, {"identityId": "c"}),
        ({"managedIdentity": {}}, {}),
        (
            {"servicePrincipal": {"clientId": REFERENCE, "clientSecret": REFERENCE}},
            {"authSecretRef": {"clientId": REFERENCE, "clientSecret": REFERENCE}},
        ),
    ],
)
def test_each_login_of_key_vault(auth: dict[str, Any], rendered: dict[str, Any]) -> None:
    found = provider("0.19", provider="azurekv", vaultUrl="https://u", tenantId="t", auth=auth)
    (form,) = auth
    assert found == {
        "vaultUrl": "https://u",
        "environmentType": "PublicCloud",
        "tenantId": "t",
        "authType": form[0].upper() + form[1:],
        **rendered,
    }


@pytest.mark.parametrize(("operator", "written"), [("0.19", False), ("0.20", True), ("1.0", True), ("2.9", True)])
def test_the_sdk_field_is_written_since_it_is_defaulted(operator: str, *, written: bool) -> None:
    found = provider(operator, provider="azurekv", vaultUrl="https://u", auth={"managedIdentity": {}})
    assert ("useAzureSDK" in found) is written


def test_a_cluster_store_has_conditions_and_no_namespace_and_a_store_that_is_not_rendered_is_none() -> None:
    store = {"provider": "vault", "name": "v", "server": "https://v", "auth": {"token": REFERENCE}}
    said = {"a": {**store, "render": True, "conditions": {"namespaces": ["team"]}}, "b": store}
    (manifest,) = expected_stores({"namespace": "team", "stores": said})
    assert manifest["kind"] == "ClusterSecretStore"
    assert manifest["spec"]["conditions"] == [{"namespaces": ["team"]}]
    assert manifest["metadata"] == {
        "name": "v",
        "labels": {
            "app.kubernetes.io/name": "v",
            "app.kubernetes.io/component": "secret-store",
            "app.kubernetes.io/part-of": "ai-platform-engineering",
            "app.kubernetes.io/managed-by": "Helm",
        },
        "annotations": {"argocd.argoproj.io/sync-wave": "-60"},
    }


def test_a_store_is_a_part_of_what_the_environment_says() -> None:
    store = {
        "provider": "vault",
        "name": "v",
        "kind": "SecretStore",
        "render": True,
        "server": "s",
        "auth": {"token": {}},
    }
    (manifest,) = expected_stores({"namespace": "n", "partOf": "shop", "stores": {"a": store}})
    assert manifest["metadata"]["labels"]["app.kubernetes.io/part-of"] == "shop"


def manifest(*keys: str) -> dict[str, Any]:
    return {
        "kind": "ExternalSecret",
        "metadata": {"name": "a", "namespace": "team", "labels": {"x": "sentinel"}},
        "spec": {
            "target": {"name": "a", "template": {"metadata": {"annotations": {"x": "sentinel"}}}},
            "count": 1,
            "list": ["x"],
            "data": [{"secretKey": key, "remoteRef": {"key": "r", "property": key}} for key in keys or ("K", "L")],
        },
    }


def changed(*path: str | int, to: object) -> dict[str, Any]:
    result = deepcopy(manifest())
    node: Any = result
    for part in path[:-1]:
        node = node[part]
    if to is None:
        del node[path[-1]]
    else:
        node[path[-1]] = to
    return result


def test_the_order_of_keys_and_manifests_does_not_matter() -> None:
    other = {"kind": "Other", "metadata": {"name": "b"}}
    assert list(differences([manifest("K", "L"), other], [other, manifest("L", "K")])) == []


@pytest.mark.parametrize(
    ("rendered", "message"),
    [
        (
            changed("spec", "data", 0, "remoteRef", "key", to="s"),
            'spec.data.K.remoteRef.key of ExternalSecret "team/a" is "s" and not "r"',
        ),
        (changed("spec", "target", to=None), 'spec.target of ExternalSecret "team/a" is missing'),
        (changed("spec", "more", to="m"), 'spec.more of ExternalSecret "team/a" should not be there'),
        (changed("metadata", "labels", "x", to="y"), 'metadata.labels.x of ExternalSecret "team/a" differs'),
        (
            changed("spec", "target", "template", "metadata", "annotations", "x", to="y"),
            'spec.target.template.metadata.annotations.x of ExternalSecret "team/a" differs',
        ),
        (changed("spec", "count", to=True), 'spec.count of ExternalSecret "team/a" differs'),
        (changed("spec", "list", to=["y"]), 'spec.list.0 of ExternalSecret "team/a" is "y" and not "x"'),
        (changed("spec", "list", to=["x", "x"]), 'spec.list of ExternalSecret "team/a" differs'),
        (manifest("K"), 'spec.data.L of ExternalSecret "team/a" is missing'),
        (manifest("K", "L", "L"), 'spec.data of ExternalSecret "team/a" differs'),
    ],
)
def test_a_difference_has_its_path(rendered: dict[str, Any], message: str) -> None:
    assert list(differences([manifest()], [rendered])) == [("a", message)]


def test_objects_too_few_too_many_and_twice() -> None:
    other = {"kind": "Other", "metadata": {"name": "b"}}
    assert [message for _, message in differences([manifest()], [])] == ['ExternalSecret "team/a" is not rendered']
    assert [message for _, message in differences([], [other])] == ['Other "b" is rendered, but not expected']
    assert [message for _, message in differences([other], [other, other])] == ['Other "b" is rendered 2 times']
    assert [message for _, message in differences([], ["text"])] == ["something is rendered that is not a manifest"]


def test_what_pods_see_of_keys_one_by_one_and_of_a_bundle() -> None:
    bundle = changed("spec", "target", to={"name": "b", "template": {"data": {"M": "{{ .M }}"}}})
    assert targets([manifest(), bundle, {"kind": "Other"}, None]) == {
        ("team", "a"): {"K", "L"},
        ("team", "b"): {"M"},
    }


VALUES = ROOT / "tests/chart/values/mixed.yaml"


def manifests_in(rendered: str) -> list[object]:
    return list(yaml.load_all(rendered, yaml.CSafeLoader))


@cache
def alone(helm: Installed) -> list[object]:
    """What the chart prints by itself."""
    return manifests_in(helm.template(VALUES))


@pytest.mark.parametrize("alias", ["secrets", "platform-secrets", "y"])
def test_the_parent_prints_what_the_chart_prints(alias: str, helm: Installed, tmp_path: Path) -> None:
    chart = parent_chart(tmp_path / "parent", ROOT / "chart", alias)
    nested = tmp_path / "nested.yaml"
    nested.write_text(json.dumps({alias: yaml.safe_load(VALUES.read_text("utf-8"))}), "utf-8")
    rendered = manifests_in(helm.template(nested, chart=chart))
    assert rendered == alone(helm)
    assert rendered
    # What is not under the name does not reach it.
    done = helm.run("template", "parent", chart, "--values", VALUES)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no ExternalSecret and no store is given" in done.stderr


def test_the_dependency_is_the_chart_by_its_own_name_and_of_any_version(helm: Installed, tmp_path: Path) -> None:
    chart = shutil.copytree(ROOT / "chart", tmp_path / "chart")
    text = (chart / "Chart.yaml").read_text("utf-8")
    (chart / "Chart.yaml").write_text(
        text.replace("name: platform-secrets", "name: ours").replace("version: 1.0.0", "version: 1.0.0-rc.1"), "utf-8"
    )
    parent = parent_chart(tmp_path / "parent", chart, "secrets")
    (dependency,) = json.loads((parent / "Chart.yaml").read_text("utf-8"))["dependencies"]
    assert (dependency["name"], dependency["alias"]) == ("ours", "secrets")
    nested = tmp_path / "nested.yaml"
    nested.write_text(json.dumps({"secrets": yaml.safe_load(VALUES.read_text("utf-8"))}), "utf-8")
    assert "kind: ExternalSecret" in helm.template(nested, chart=parent)


def test_no_values_of_an_environment_come_along(tmp_path: Path) -> None:
    parent = parent_chart(tmp_path / "parent", ROOT / "chart", "secrets")
    names = {path.name for path in (parent / "charts/secrets").iterdir()}
    assert "values.yaml" in names
    assert not [name for name in names if name.startswith("values-")]


def test_a_chart_without_a_name_is_left_for_helm_to_refuse(tmp_path: Path) -> None:
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart/Chart.yaml").write_text("- a\n", "utf-8")
    parent = parent_chart(tmp_path / "parent", tmp_path / "chart", "secrets")
    (dependency,) = json.loads((parent / "Chart.yaml").read_text("utf-8"))["dependencies"]
    assert dependency["name"] is None

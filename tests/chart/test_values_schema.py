"""schemas/values.schema.json: closed, local, readable by Go's regular expressions, and strict about forms."""

import copy
import json
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.conftest import Helm

ROOT = Path(__file__).resolve().parents[2]
VALUES = Path(__file__).parent / "values"
SCHEMAS = ("values", "manifests")
SAMPLES = ("mixed", "templates", "vault-auth", "azure-auth")

GITHUB = "externalSecrets.github"
GLOBAL = "externalSecrets.global"
VAULT = "clusterSecretStores.vault"
AZURE = "secretStores.azure"
LONG = "a" * 64

JIRA = yaml.load((VALUES / "mixed.yaml").read_text("utf-8"), yaml.CSafeLoader)["externalSecrets"]["jira"]
KEY_VAULT = {"vaultUrl": "https://a.vault.azure.net", "environmentType": "PublicCloud", "authType": "ManagedIdentity"}

# What is spoilt, where in the sample, and by what; nothing else is wrong with it.
REFUSED: dict[str, tuple[str, object]] = {
    "an unknown value": ("externalSecret", {}),
    "a misspelt field": (f"{GITHUB}.refreshinterval", "1h0m0s"),
    "null": (f"{GITHUB}.labels", None),
    "an id in capitals": ("externalSecrets.GitHub", JIRA),
    "a name in capitals": (f"{GITHUB}.name", "Agent"),
    "a name too long for a label": (f"{GITHUB}.name", LONG),
    "a namespace with a dot": (f"{GITHUB}.namespace", "a.b"),
    "a namespace with a line": (f"{GITHUB}.namespace", "chat\ninjected: true"),
    "a namespace that ends its line": (f"{GITHUB}.namespace", "chat\n"),
    "a namespace with a template": (f"{GITHUB}.namespace", "{{ .Release.Name }}"),
    "a label with a space": (f"{GITHUB}.labels.team", "the platform"),
    "a label too long": (f"{GITHUB}.labels.team", LONG),
    "a label that is a number": (f"{GITHUB}.labels.tier", 1),
    "a contract label": (f"{GITHUB}.labels", {"app.kubernetes.io/name": "x"}),
    "Argo CD's label on both": (f"{GITHUB}.labels", {"app.kubernetes.io/instance": "x"}),
    "Argo CD's label on the Secret": (f"{GITHUB}.secretLabels", {"app.kubernetes.io/instance": "x"}),
    "a key of Argo CD on the Secret": (f"{GITHUB}.secretAnnotations", {"argocd.argoproj.io/tracking-id": "x"}),
    "a key of the operator on the Secret": (f"{GITHUB}.secretLabels", {"reconcile.external-secrets.io/managed": "x"}),
    "a contract label on the Secret": (f"{GITHUB}.secretLabels", {"app.kubernetes.io/name": "x"}),
    "a label of the Secret with a space": (f"{GITHUB}.secretLabels.team", "the platform"),
    "an annotation of the Secret that is a number": (f"{GITHUB}.secretAnnotations.count", 1),
    "an annotation of the Secret that is a template": (f"{GITHUB}.secretAnnotations.token", "{{ .TOKEN }}"),
    "an annotation of the Secret with a template below": (f"{GITHUB}.secretAnnotations.token", "{a}\n{{ .TOKEN }}"),
    "labels of the Secret that are none": (f"{GITHUB}.secretLabels", {}),
    "nothing that all is a part of": ("partOf", ""),
    "what all is a part of with a space": ("partOf", "the platform"),
    "an annotation that is a boolean": (f"{GITHUB}.annotations.reviewed", True),
    "the sync wave as an annotation": (f"{GITHUB}.annotations", {"argocd.argoproj.io/sync-wave": "1"}),
    "a kind of store that is none": (f"{GITHUB}.storeRef.kind", "Store"),
    "a duration as people write it": (f"{GITHUB}.refreshInterval", "1h"),
    "a duration with too many minutes": (f"{GITHUB}.refreshInterval", "90m0s"),
    "no duration": (f"{GITHUB}.refreshInterval", "0s"),
    "a wave that is a number": (f"{GITHUB}.syncWave", -49),
    "a wave that is text": (f"{GITHUB}.syncWave", "first"),
    "a wave with a leading zero": (f"{GITHUB}.syncWave", "-049"),
    "an unknown way to fetch": (f"{GITHUB}.fetch", "all"),
    "an empty remote key": (f"{GITHUB}.remoteKey", ""),
    "a remote key of two lines": (f"{GITHUB}.remoteKey", "a\nb"),
    "no keys": (f"{GITHUB}.keys", []),
    "a key twice": (f"{GITHUB}.keys", ["A", "A"]),
    "a key with a space": (f"{GITHUB}.keys", ["A B"]),
    "a place with an unknown field": (f"{GITHUB}.data.A", {"key": "a", "version": "1"}),
    "a place without its remote secret": (f"{GITHUB}.data.A", {"property": "a"}),
    "a bundle with a place elsewhere": (f"{GLOBAL}.data", {"A": {"key": "a"}}),
    "a bundle with a key that no template can name": (f"{GLOBAL}.keys", ["MY-KEY"]),
    "automatic decoding": ("remoteRefDefaults.decodingStrategy", "Auto"),
    "an unknown defaulted field": ("remoteRefDefaults.version", "1"),
    "a store for every namespace": (f"{VAULT}.conditions", []),
    "conditions on no namespace": (f"{VAULT}.conditions", [{"namespaces": []}]),
    "conditions on patterns": (f"{VAULT}.conditions", [{"namespaceRegexes": [".*"]}]),
    "a server that is no address": (f"{VAULT}.provider.vault.server", "vault:8200"),
    "KV version 1": (f"{VAULT}.provider.vault.version", "v1"),
    "two ways to sign in": (f"{VAULT}.provider.vault.auth.kubernetes", {"mountPath": "k", "role": "r"}),
    "no way to sign in": (f"{VAULT}.provider.vault.auth", {}),
    "two providers": (f"{VAULT}.provider.azurekv", KEY_VAULT),
    "a vault without TLS": (f"{AZURE}.provider.azurekv.vaultUrl", "http://ai-platform-prod.vault.azure.net"),
    "an identity for a workload identity": (f"{AZURE}.provider.azurekv.identityId", "x"),
    "a service principal without credentials": (f"{AZURE}.provider.azurekv.authType", "ServicePrincipal"),
    "a managed identity with a service account": (f"{AZURE}.provider.azurekv.authType", "ManagedIdentity"),
    "conditions on a SecretStore": (f"{AZURE}.conditions", [{"namespaces": ["a"]}]),
    "endpoints without the SDK": (
        f"{AZURE}.provider.azurekv.customCloudConfig",
        {"activeDirectoryEndpoint": "https://login.example.com"},
    ),
    "endpoints without a log-in": (
        f"{AZURE}.provider.azurekv",
        {**KEY_VAULT, "useAzureSDK": True, "customCloudConfig": {"keyVaultEndpoint": "https://a"}},
    ),
    "a log-in without TLS": (
        f"{AZURE}.provider.azurekv",
        {**KEY_VAULT, "useAzureSDK": True, "customCloudConfig": {"activeDirectoryEndpoint": "http://a"}},
    ),
    "a certificate that is a path": (f"{VAULT}.provider.vault.caBundle", "/etc/ssl/ca.pem"),
    "the SDK as text": (f"{AZURE}.provider.azurekv.useAzureSDK", "false"),
}
# As values of a subchart Helm 4 takes it for a field that is not there.
ALONE = ("null",)
SOUND = "a sound sample"
REFUSAL = "values don't meet the specifications of the schema"


def sample(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.load((VALUES / f"{name}.yaml").read_text("utf-8"), yaml.CSafeLoader)
    return values


def schema(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / f"schemas/{name}.schema.json").read_text("utf-8"))
    return document


def changed(values: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """The values with one more or another value at a dotted path."""
    result = copy.deepcopy(values)
    *parents, last = path.split(".")
    place = result
    for step in parents:
        place = place.setdefault(step, {})
    place[last] = value
    return result


def nodes(node: object, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield path, node
        for name, child in node.items():
            yield from nodes(child, f"{path}/{name}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from nodes(child, f"{path}/{index}")


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_draft_07_and_refers_to_itself_only(name: str) -> None:
    jsonschema.Draft7Validator.check_schema(schema(name))
    assert schema(name)["$schema"] == "http://json-schema.org/draft-07/schema#"
    for path, node in nodes(schema(name)):
        if "$ref" in node:
            target = node["$ref"].removeprefix("#/definitions/")
            assert target in schema(name)["definitions"], path


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_object_is_closed(name: str) -> None:
    for path, node in nodes(schema(name)):
        if node.get("type") == "object":
            # False closes it; a schema types what people may name.
            assert node["additionalProperties"] is False or "propertyNames" in node, path


@pytest.mark.parametrize("name", SCHEMAS)
def test_patterns_are_anchored_and_within_go_s_syntax(name: str) -> None:
    patterns = {path: node["pattern"] for path, node in nodes(schema(name)) if isinstance(node.get("pattern"), str)}
    assert len(patterns) > 5
    for path, pattern in patterns.items():
        assert pattern.startswith("^"), path
        assert pattern.endswith("$"), path
        assert not re.search(r"\(\?|\\[1-9uZz]", pattern), path


def test_every_field_explains_itself() -> None:
    for path, node in nodes(schema("values")):
        if re.search(r"/properties/\w+$", path) and not re.search(r"/(if|then|else)/", path):
            sentence = node.get("description") or schema("values")["definitions"][node["$ref"][14:]]["description"]
            assert sentence.endswith("."), path


def test_what_both_schemas_define_is_the_same() -> None:
    values, manifests = schema("values")["definitions"], schema("manifests")["definitions"]
    printed_otherwise = {"externalSecret", "clusterSecretStore", "secretStore"}
    shared = values.keys() & manifests.keys() - printed_otherwise
    assert {"provider", "vault", "azurekv", "conditions"} <= shared
    assert {name: values[name] for name in shared} == {name: manifests[name] for name in shared}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_accepted(name: str) -> None:
    jsonschema.Draft7Validator(schema("values")).validate(sample(name))


@pytest.mark.parametrize(
    "duration", ["1s", "59s", "1.5s", "1m0s", "59m59s", "1h0m0s", "24h0m0s", "720h30m1s", "1h0m0.000000001s"]
)
def test_canonical_durations_are_accepted(duration: str) -> None:
    values = changed(sample("mixed"), f"{GITHUB}.refreshInterval", duration)
    jsonschema.Draft7Validator(schema("values")).validate(values)


@pytest.mark.parametrize("text", ["", "{", "{a}", "a{b{c", "}} {", "two\nlines {\n{ end\n"])
def test_annotations_of_a_secret_may_be_any_text_that_is_no_template(text: str) -> None:
    values = changed(sample("mixed"), f"{GITHUB}.secretAnnotations.note", text)
    jsonschema.Draft7Validator(schema("values")).validate(values)


@pytest.mark.parametrize("missing", ["name", "namespace", "storeRef", "refreshInterval", "syncWave", "fetch"])
def test_what_every_secret_needs_is_required(missing: str) -> None:
    values = sample("mixed")
    del values["externalSecrets"]["github"][missing]
    assert not jsonschema.Draft7Validator(schema("values")).is_valid(values)


@pytest.mark.parametrize(
    ("secret", "missing"), [("github", "keys"), ("github", "remoteKey"), ("jira", "data"), ("global", "keys")]
)
def test_a_secret_without_keys_or_their_place_is_refused(secret: str, missing: str) -> None:
    values = sample("mixed")
    del values["externalSecrets"][secret][missing]
    assert not jsonschema.Draft7Validator(schema("values")).is_valid(values)


@pytest.fixture(scope="session")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Helm], dict[str, str]]:
    """What a Helm says of each case, and of a sound sample: all are subcharts of one parent, refused in one run."""
    parent = tmp_path_factory.mktemp("parent")
    shutil.copytree(ROOT / "chart", parent / "charts/platform-secrets")
    values = {SOUND: sample("mixed")} | {case: changed(sample("mixed"), *REFUSED[case]) for case in REFUSED}
    aliases = {case: f"case-{number}" for number, case in enumerate(values)}
    subchart = {"name": "platform-secrets", "version": "1.0.0", "repository": "file://charts/platform-secrets"}
    dependencies = [subchart | {"alias": alias} for alias in aliases.values()]
    chart = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": dependencies}
    (parent / "Chart.yaml").write_text(json.dumps(chart), "utf-8")
    (parent / "values.yaml").write_text(json.dumps({aliases[case]: values[case] for case in values}), "utf-8")

    @cache
    def said(helm: Helm) -> dict[str, str]:
        done = helm.run("template", "platform-secrets", parent)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert f"{REFUSAL}(s) in the following chart(s)" in done.stderr
        _, *parts = re.split(r"^(case-\d+):$", done.stderr, flags=re.MULTILINE)
        texts = dict(zip(parts[::2], parts[1::2], strict=True))
        return {case: texts[alias] for case, alias in aliases.items() if alias in texts}

    return said


@pytest.mark.parametrize("case", [case for case in REFUSED if case not in ALONE])
def test_helm_refuses(case: str, helm: Helm, refusals: Callable[[Helm], dict[str, str]]) -> None:
    """Offline, before it prints anything, and by the same schema that an editor uses."""
    assert "- at '" in refusals(helm).get(case, "it is taken")


def test_helm_refuses_nothing_of_a_sound_sample(helm: Helm, refusals: Callable[[Helm], dict[str, str]]) -> None:
    assert SOUND not in refusals(helm)


@pytest.mark.parametrize("case", ALONE)
def test_helm_refuses_it_in_values_of_the_chart_itself(case: str, helm: Helm, tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(json.dumps(changed(sample("mixed"), *REFUSED[case])), "utf-8")
    done = helm.run("template", "platform-secrets", ROOT / "chart", "--values", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert REFUSAL in done.stderr

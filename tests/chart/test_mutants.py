"""Each mistake that a template could make must be seen by tests/parity.py."""

import shutil
from pathlib import Path

import pytest

from compiler.helm import Helm as FoundHelm
from compiler.helm import helm_at
from compiler.model.environment import Project
from compiler.pipeline import compile_project
from tests.conftest import Helm
from tests.parity import prove

CHART = Path(__file__).resolve().parents[2] / "chart"
SECRET, LABELS, CLUSTER, STORE = (
    "external-secret.yaml",
    "_helpers.tpl",
    "cluster-secret-store.yaml",
    "secret-store.yaml",
)

LOOP = "{{- range $secret := .Values.externalSecrets }}"
DEFAULTS = "        {{- with $.Values.remoteRefDefaults }}\n        {{- toYaml . | nindent 8 }}\n        {{- end }}\n"
ANNOTATIONS = "        {{- with $secret.secretAnnotations }}\n        annotations:\n"
EXTRA = "---\napiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: extra, namespace: team}\n"

# Every form that the templates have: a bundle and keys one by one, a type, texts, policies and another name, keys
# elsewhere as property and as whole, both kinds of store, prefixes, labels, annotations, a namespace and an interval of
# its own, and a version with a fourth default.
FILES = {
    "catalogue": """
secrets:
  llm:
    description: The LLM
    target: llm-secrets
    remote: {vault: team/llm, azurekv: team-llm}
    syncWave: -50
    keys: {LLM_KEY: {description: Key}, LLM_URL: {description: URL}}
  github:
    description: GitHub
    target: github-secrets
    remote: {vault: team/github, azurekv: team-github}
    syncWave: -49
    keys:
      APP_ID: {description: App id}
      APP_KEY: {description: PEM text, remote: {azurekv: {name: github-app-key, whole: true}}}
      HOOK: {description: Hook, remote: {azurekv: {name: team-hooks, property: github}}}
  pull:
    description: A registry's pull Secret
    target: pull
    externalSecret: pull-of-old
    type: kubernetes.io/dockerconfigjson
    creationPolicy: Owner
    deletionPolicy: Delete
    template:
      data:
        .dockerconfigjson: |
          {{- $u := .user -}}
          {"auths": {"ghcr.io": {{ printf "%s:%s" $u .pass | b64enc | toJson }}}}
    remote: {vault: team/pull, azurekv: team-pull}
    syncWave: -49
    keys: {user: {description: User}, pass: {description: Password}}
  tls:
    description: A certificate
    target: tls
    creationPolicy: Orphan
    deletionPolicy: Merge
    remote: {vault: team/tls, azurekv: team-tls}
    syncWave: -49
    waive: {ambiguous-property: made by cert-manager}
    keys: {tls.crt: {description: Certificate}, tls.key: {description: Its key}}
  only-vault:
    description: Has no place in Key Vault
    target: only-vault-secrets
    remote: {vault: team/only}
    syncWave: -49
    keys: {ONLY: {description: Only}}
""",
    "one": """
namespace: team
store: vault
refreshInterval: 90m
externalSecretsOperator: "2.4"
partOf: shop
labels: {team: platform}
annotations: {example.com/owner: somebody}
secretLabels: {mounted: "yes"}
secretAnnotations: {reloader.stakater.com/match: "true"}
stores:
  vault:
    provider: vault
    name: vault-secret-store
    server: https://vault.example.com
    prefix: one/
    render: true
    conditions: {namespaces: [team, other]}
    auth: {kubernetes: {role: reader, serviceAccount: {name: eso, namespace: eso, audiences: [vault]}}}
  azure:
    provider: azurekv
    name: azure-keyvault-store
    kind: SecretStore
    prefix: one-
    vaultUrl: https://team-one.vault.azure.net
    render: true
    auth: {workloadIdentity: {serviceAccount: {name: eso}}}
secrets:
  llm: {fetch: bundle}
  github: {store: azure, labels: {tier: "1"}, secretLabels: {tier: "2"}, refreshInterval: 10m}
  pull: {}
  tls: {fetch: bundle}
  only-vault: {namespace: other}
""",
}

IN_SECRET: dict[str, tuple[str, ...]] = {
    "property": ("property: {{ . | quote }}", 'property: "value"'),
    "property in lower case": (
        "property: {{ . | quote }}\n        {{- with $.Values",
        "property: {{ . | lower | quote }}\n        {{- with $.Values",
    ),
    "whole becomes a property": (
        "{{- with $place.property }}\n        property: {{ . | quote }}",
        "{{- with $place.property | default $key }}\n        property: {{ . | quote }}",
    ),
    "a property becomes whole": (
        "{{- with $place.property }}\n        property: {{ . | quote }}\n        {{- end }}",
        "",
    ),
    "the key's name as property": (
        "{{- with $place.property }}\n        property: {{ . | quote }}",
        "{{- with $place.property }}\n        property: {{ $key | quote }}",
    ),
    "remote key": (
        "        key: {{ $secret.remoteKey | quote }}\n        property",
        "        key: {{ $secret.name | quote }}\n        property",
    ),
    "remote key of a key elsewhere": ("key: {{ $place.key | quote }}", "key: {{ $secret.remoteKey | quote }}"),
    "remote key of a bundle": (
        "    - extract:\n        key: {{ $secret.remoteKey | quote }}",
        "    - extract:\n        key: {{ $secret.name | quote }}",
    ),
    "secretKey": ("secretKey: {{ . | quote }}", "secretKey: {{ lower . | quote }}"),
    "secretKey of a key elsewhere": ("secretKey: {{ $key | quote }}", "secretKey: {{ $place.key | quote }}"),
    "keys elsewhere forgotten": ("range $key, $place := $secret.data", "range $key, $place := dict"),
    "own keys forgotten": ("  data:\n    {{- range $secret.keys }}", "  data:\n    {{- range rest $secret.keys }}"),
    "wave": ("sync-wave: {{ $secret.syncWave | quote }}", 'sync-wave: "-49"'),
    "no wave": ("argocd.argoproj.io/sync-wave: {{ $secret.syncWave | quote }}", 'example.com/wave: "0"'),
    "target": (
        "  target:\n    name: {{ $secret.name | quote }}",
        '  target:\n    name: {{ trimSuffix "s" $secret.name | quote }}',
    ),
    "name": (
        "or $secret.externalSecret $secret.name | quote }}",
        'or $secret.externalSecret $secret.name | printf "x-%s" | quote }}',
    ),
    "store kind": ("kind: {{ $secret.storeRef.kind | quote }}", 'kind: "ClusterSecretStore"'),
    "store name": ("name: {{ $secret.storeRef.name | quote }}", 'name: "vault-secret-store"'),
    "namespace": ("namespace: {{ $secret.namespace | quote }}", "namespace: {{ $.Release.Namespace | quote }}"),
    "no namespace": ("  namespace: {{ $secret.namespace | quote }}\n", ""),
    "creationPolicy": ('"Owner"', '"Orphan"'),
    "deletionPolicy": ('"Retain"', '"Delete"'),
    "creationPolicy forgotten": ('{{ or $secret.creationPolicy "Owner" | quote }}', '"Owner"'),
    "deletionPolicy forgotten": ('{{ or $secret.deletionPolicy "Retain" | quote }}', '"Retain"'),
    "no deletionPolicy": ('    deletionPolicy: {{ or $secret.deletionPolicy "Retain" | quote }}\n', ""),
    "type forgotten": ("{{- with $secret.type }}", '{{- with "" }}'),
    "a type where none is said": ("{{- with $secret.type }}", '{{- with $secret.type | default "Opaque" }}'),
    "template forgotten": ("{{- if $secret.templateData }}", "{{- if false }}"),
    "a text of a template changed": ("{{ $text | quote }}", '{{ $text | replace "\\n" " " | quote }}'),
    "a template that is executed": ("{{ $text | quote }}", "{{ tpl $text $ | quote }}"),
    "the ExternalSecret's own name forgotten": ("or $secret.externalSecret ", ""),
    "refreshInterval": ("{{ $secret.refreshInterval | quote }}", '"1h30m0s"'),
    "apiVersion": ("external-secrets.io/v1\n", "external-secrets.io/v1beta1\n"),
    "a default forgotten": (
        "{{- with $.Values.remoteRefDefaults }}",
        '{{- with omit $.Values.remoteRefDefaults "nullBytePolicy" }}',
    ),
    "all defaults forgotten on a bundle": (DEFAULTS + "  {{- else }}", "  {{- else }}"),
    "a bundle lacks a key": (
        "data:\n        {{- range $secret.keys }}",
        "data:\n        {{- range rest $secret.keys }}",
    ),
    "a bundle takes another key": (
        '{{ printf "{{ .%s }}" . | quote }}',
        '"{{ .LLM_KEY }}"'.replace("{{ .LLM_KEY }}", '{{ "{{ .LLM_KEY }}" }}'),
    ),
    "a bundle lets everything through": ('mergePolicy: "Replace"', 'mergePolicy: "Merge"'),
    "no labels of the Secret": ("metadata:\n        {{- /*", "metadata: {}\n      unused:\n        {{- /*"),
    "no template": (
        "    template:\n      engineVersion",
        '    {{- if eq $secret.fetch "bundle" }}\n    template:\n      engineVersion',
        "      {{- end }}\n  {{- if ne",
        "      {{- end }}\n    {{- end }}\n  {{- if ne",
    ),
    "a template with data per key": (
        '      {{- else if eq $secret.fetch "bundle" }}\n      data:',
        '      {{- else if ne $secret.fetch "never" }}\n      data:',
    ),
    "the ExternalSecret's labels on the Secret": ('"labels" $secret.secretLabels', '"labels" $secret.labels'),
    "the Secret's labels on the ExternalSecret": ('"labels" $secret.labels)', '"labels" $secret.secretLabels)'),
    "no annotations of the Secret": ("with $secret.secretAnnotations", "with dict"),
    "the ExternalSecret's annotations on the Secret": ("with $secret.secretAnnotations", "with $secret.annotations"),
    "the Secret's annotations on the ExternalSecret": (
        "with $secret.annotations }}",
        "with $secret.secretAnnotations }}",
    ),
    "the wave on the Secret": (ANNOTATIONS, f"{ANNOTATIONS}          argocd.argoproj.io/sync-wave: '0'\n"),
    "another engine": ('engineVersion: "v2"', 'engineVersion: "v1"'),
    "a bundle per key": ('eq $secret.fetch "bundle"', 'eq $secret.fetch "never"'),
    "annotations forgotten": ("{{- toYaml . | nindent 4 }}\n    {{- end }}\nspec", "{{- end }}\nspec"),
    "an extra ExternalSecret": (LOOP, EXTRA + LOOP),
    "an extra object": (LOOP, "---\napiVersion: v1\nkind: Secret\nmetadata: {name: extra}\n" + LOOP),
    "every ExternalSecret twice": (
        LOOP,
        "{{- range $secret := concat (values .Values.externalSecrets) (values .Values.externalSecrets) }}",
    ),
    "no ExternalSecret": ("range $secret := .Values.externalSecrets", "range $secret := dict"),
}
MUTANTS: dict[str, tuple[str, ...]] = {
    **{name: (SECRET, *edits) for name, edits in IN_SECRET.items()},
    "part of something else": (
        LABELS,
        'component: "secrets"\napp.kubernetes.io/part-of: {{ .root.Values.partOf | quote }}',
        'component: "secrets"\napp.kubernetes.io/part-of: "ai-platform-engineering"',
    ),
    "a store that is part of something else": (
        LABELS,
        'component: "secret-store"\napp.kubernetes.io/part-of: {{ .root.Values.partOf | quote }}',
        'component: "secret-store"\napp.kubernetes.io/part-of: "ai-platform-engineering"',
    ),
    "label": (LABELS, 'component: "secrets"', 'component: "secret"'),
    "labels forgotten": (LABELS, "{{ toYaml . }}", ""),
    "open cluster store": (
        CLUSTER,
        "{{- toYaml $store.conditions | nindent 4 }}",
        '[{namespaces: ["team", "other", "third"]}]',
    ),
    "name of a cluster store": (CLUSTER, "\n  name: {{ $store.name | quote }}", '\n  name: "store"'),
    "provider of a cluster store": (
        CLUSTER,
        "toYaml $store.provider",
        'toYaml (dict "vault" (omit $store.provider.vault "path"))',
    ),
    "kind of a store": (STORE, "kind: SecretStore", "kind: ClusterSecretStore"),
    "namespace of a store": (STORE, "namespace: {{ $store.namespace | quote }}", 'namespace: "other"'),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    (root / "environments").mkdir()
    for name, text in FILES.items():
        (root / f"environments/{name}.yaml").write_text(text)
    result = compile_project(root)
    assert result.project is not None
    assert not result.failed, [(each.span.where, each.message) for each in result.diagnostics]
    return result.project


@pytest.fixture(scope="module")
def found_helms(helms: tuple[Helm, ...]) -> list[FoundHelm]:
    """The Helms as the compiler knows them: each is asked for its version once."""
    return [helm_at(Path(helm.path)) for helm in helms]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(CHART, tmp_path / "chart", ignore=shutil.ignore_patterns("values-*.yaml"))
    return tmp_path


def test_the_chart_as_it_is_passes_through_every_helm(
    project: Project, root: Path, found_helms: list[FoundHelm]
) -> None:
    assert prove(project, root / "chart", found_helms) == {}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_fails(mutant: str, project: Project, root: Path, found_helms: list[FoundHelm]) -> None:
    # One rendering sees each: what `prove` finds with the secrets on every store in turn is more, never less.
    file, *edits = MUTANTS[mutant]
    path = root / "chart/templates" / file
    text = path.read_text()
    for old, new in zip(edits[::2], edits[1::2], strict=True):
        assert old in text, "the template has changed: give this mutant its new text"
        text = text.replace(old, new)
    path.write_text(text)
    found = prove(project, root / "chart", found_helms[-1:], on_every_store=False)
    assert found
    # A mutant that Helm itself refuses would prove nothing about the comparison.
    assert not [message for message in found if "Helm" in message]

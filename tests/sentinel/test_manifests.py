"""A secret that stands anywhere in manifests of other programs is in no output of `consumers` and `import`."""

from pathlib import Path

import pytest

from compiler.render.formats import FORMATS
from tests.commands import run_command
from tests.leaks import leaks
from tests.sentinel.conftest import PLAIN, SECRET_PARTS, SHAPES, write

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: agent-github-secrets}\n"
POD = """\
---
apiVersion: v1
kind: Pod
metadata: {name: pod, annotations: {note: "@"}}
spec:
  containers:
    - name: main
      args: ["@"]
      command: ["@", "@"]
      env: [{name: A, value: "@"}, {name: GITHUB_TOKEN, value: "@"}]
      envFrom: [{secretRef: {name: agent-github-secrets}}, {secretRef: {name: other}}, {secretRef: {name: unmade}}]
"""
# Where a value can stand in manifests; `@` is the secret. Each has something to be found in it.
WRITTEN = {
    "data": f"{SECRET}data: {{GITHUB_TOKEN: '@'}}\n",
    "stringData": f"{SECRET}stringData:\n  GITHUB_TOKEN: '@'\n",
    "written twice": f"{SECRET}stringData:\n  GITHUB_TOKEN: '@'\n  GITHUB_TOKEN: '@'\n",
    "written twice in one line": f"{SECRET}stringData: {{A: '@', A: '@', B: '@'}}\n",
    "block": f"{SECRET}stringData:\n  GITHUB_TOKEN: |\n    @\n    @\n",
    "before its kind": "stringData: {A: '@', A: '@'}\nkind: Secret\napiVersion: v1\nmetadata: {name: other}\n",
    "last applied": SECRET.replace("secrets}", 'secrets, annotations: {last-applied: \'{"data":{"A":"@"}}\'}}'),
    "config map": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {TOKEN: '@', TOKEN: '@'}\n",
    "not closed": f"{SECRET}stringData: {{A: '@'\n",
    "not closed quote": f"{SECRET}stringData:\n  A: '@\n  B: c\n",
    "stray": f"{SECRET}stringData:\n  A: '@'\n @: [@\n",
    "anchor": f"{SECRET}stringData: {{A: &a '@', B: *a, C: *b}}\n",
    "tag": f"{SECRET}stringData: {{A: !c '@'}}\n",
    "control": f"{SECRET}stringData: {{A: '@\x07'}}\n",
    "document": "'@'\n---\n- '@'\n",
    "value of a reference": f"{SECRET}stringData: {{A: '@'}}\n---\nkind: X\nspec: {{secretRef: {{token: '@'}}}}\n",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_no_value_of_a_manifest_is_shown(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(project)
    write(project, {})
    at = list(WRITTEN).index(name)
    for shape, secret in enumerate((PLAIN, *SHAPES.values())):
        text = (WRITTEN[name] + POD).replace("@", secret)
        part = dict(zip(SHAPES.values(), SECRET_PARTS.values(), strict=True)).get(secret, PLAIN)
        (project / "m.yaml").write_text(text, "utf-8")
        # What has no form is in every format, and each form in another one: over all texts, each in each.
        for form in FORMATS if secret == PLAIN else [list(FORMATS)[(at + shape) % len(FORMATS)]]:
            done = run_command(
                capsys, "consumers", "prod", "--manifests", "m.yaml", "--since", "m.yaml", "--format", form
            )
            assert done.code == 1
            assert "internal error" not in done.err
            assert not leaks(done.out + done.err, part), (name, form)


OPERATOR = "apiVersion: external-secrets.io/v1\nkind: %s\n"
OLD_OPERATOR = "apiVersion: kubernetes-client.io/v1\nkind: ExternalSecret\n"
DRIVER = "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\n"
EXTERNAL = OPERATOR % "ExternalSecret" + "metadata: {name: a, namespace: b}\nspec: "
DATA = "data: [{secretKey: A, remoteRef: {key: a, property: A}}]"
NAMED = "metadata: {name: a, namespace: b}\nspec: "
IMPORTED = {
    "Secret without metadata": "apiVersion: v1\nkind: Secret\nstringData: {A: '@'}\n",
    "Secret without a name": "apiVersion: v1\nkind: Secret\nmetadata: {annotations: {a: '@'}}\ndata: {A: '@'}\n",
    "name that is a map": OPERATOR % "ExternalSecret" + "metadata: {name: {a: '@'}}\nspec: {data: ['@']}\n",
    "data that is a text": f"{EXTERNAL}{{data: '@', dataFrom: ['@', {{find: {{name: '@'}}}}]}}\n",
    "template": f"{EXTERNAL}{{x: &a '@', target: {{template: {{data: {{A: *a, B: '@ {{{{ .A }}}}'}}}}}}, {DATA}}}\n",
    "literal": f"{EXTERNAL}{{target: {{template: {{templateFrom: [{{literal: '@'}}]}}}}, {DATA}}}\n",
    "interval": f"{EXTERNAL}{{refreshInterval: {{a: '@'}}, {DATA}}}\n",
    "generator": OPERATOR % "Fake" + "metadata: {name: a}\nspec: {data: [{key: a, value: '@'}]}\n",
    "fake store": OPERATOR % "ClusterSecretStore"
    + "metadata: {name: s}\nspec: {provider: {fake: {data: [{key: a, value: '@'}]}}}\n---\n"
    + f"{EXTERNAL}{{secretStoreRef: {{name: s, kind: ClusterSecretStore}}, {DATA}}}\n",
    "old operator without a name": OLD_OPERATOR + "metadata: {labels: {a: '@'}}\nspec: {backendType: '@'}\n",
    "old template": f"{OLD_OPERATOR}{NAMED}{{backendType: vault, type: '@', template: {{stringData: {{A: '@'}}}}}}\n",
    "driver without a name": f"{DRIVER}metadata: {{labels: {{a: '@'}}}}\nspec: {{provider: '@'}}\n",
    "objects": f"{DRIVER}{NAMED}{{provider: vault, parameters: {{objects: '- [@'}}, secretObjects: [{{type: '@'}}]}}\n",
}


@pytest.mark.parametrize("name", [*WRITTEN, *IMPORTED])
def test_no_value_of_a_manifest_is_shown_by_an_import(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(project)
    base = project / "environments/base.yaml"
    base.write_text(base.read_text("utf-8").replace("namespace:", "argocdProject:"), "utf-8")
    before = {path: path.read_bytes() for path in project.rglob("*.yaml")}
    text = {**WRITTEN, **IMPORTED}[name]
    form = "secret-provider-class" if DRIVER in text else "external-secrets"
    (project / "m.yaml").write_text(text.replace("@", PLAIN), "utf-8")
    # An object without a namespace is named too.
    for words in ((), ("--namespace", "n", "--apply", "--format", "json")):
        done = run_command(capsys, "--debug", "import", form, "m.yaml", "--environment", "new", *words)
        assert done.code
        assert "internal error" not in done.err
        assert not leaks(done.out + done.err, PLAIN), words
    assert {path: path.read_bytes() for path in before} == before
    assert not (project / "environments/new.yaml").exists()

"""A secret that stands anywhere in manifests of other programs is in no output of `consumers`."""

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
    for secret, part in ((PLAIN, PLAIN), *((SHAPES[shape], SECRET_PARTS[shape]) for shape in SHAPES)):
        text = (WRITTEN[name] + POD).replace("@", secret)
        (project / "m.yaml").write_text(text, "utf-8")
        for form in FORMATS:
            done = run_command(
                capsys, "consumers", "prod", "--manifests", "m.yaml", "--since", "m.yaml", "--format", form
            )
            assert done.code == 1
            assert "internal error" not in done.err
            assert not leaks(done.out + done.err, part), (name, form)

"""Manifests that break every form end in a finding or a refusal, never in a traceback, and soon."""

import time
from pathlib import Path

import pytest

from tests.commands import run_command
from tests.pace import allowed
from tests.platforms import BASE, CATALOGUE, write_project

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
DRAWING = 'spec: {containers: [{name: a, envFrom: [{secretRef: {name: "x\\e[2J\\n::error::y"}}]}]}\n'
MERGING = "x: {" + ", ".join(f"<<: {{k{n}: v}}" for n in range(16_000)) + "}\n"
# Each of the containers takes all of the ConfigMap, which is written once.
TAKING = (
    f"{POD}spec: {{containers: ["
    + ", ".join(["{envFrom: [{configMapRef: {name: c}}, {secretRef: {name: agent-github-secrets}}]}"] * 1000)
    + "]}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {"
    + ", ".join(f"k{n}: v" for n in range(20_000))
    + "}\n"
)
CASES = {
    "alias bomb": (BOMB, 1),
    "aliases in a pod": (f"{POD}x: &x [a]\nspec: {{containers: *x, volumes: *x, imagePullSecrets: *x}}\n", 0),
    "deep": ("[" * 4000, 1),
    "deep maps": ("a: " + "{a: " * 500 + "b" + "}" * 500, 1),
    "many keys": (POD + "".join(f"a{n}: b\n" for n in range(20_000)), 0),
    "many repeated keys": (POD + "a: b\n" * 20_000, 0),
    "many merges": (POD + MERGING, 0),
    "many containers that take many keys": (TAKING, 0),
    "many documents": ("---\n" * 20_000 + POD, 0),
    "one long line": (f"{POD}spec: {{x: '{'y' * 5_000_000}'}}\n", 0),
    "kinds of any type": (f"{POD}---\nkind: {{a: b}}\n---\nkind: [Secret]\n---\nkind: 7\napiVersion: [v1]\n", 0),
    "names of any type": ("apiVersion: v1\nkind: Pod\nmetadata: {name: {a: b}, namespace: [c], labels: d}\n", 0),
    "lists in lists": ("kind: List\nitems: [{kind: List, items: [{kind: List, items: [a]}]}]\n---\n" + POD, 0),
    "an endless wave": (POD.replace("p}", f"p, annotations: {{argocd.argoproj.io/sync-wave: '{'9' * 9999}'}}}}"), 0),
    "drawing characters": (POD.replace("p}", '"\\e[2J\\r\\u202e\\n::error::x"}') + DRAWING, 1),
    "a byte that is no UTF-8": ("\udcff", 3),
    "zero bytes": ("\0" * 1000, 1),
    "binary": ("\x7fELF\x02\x01\x01" + "\x00\x80" * 500, 1),
    "no YAML": ("Error: INSTALLATION FAILED: chart not found\n", 1),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_project(tmp_path, base=BASE, catalogue=CATALOGUE, prod="labels: {a: b}\n")


@pytest.mark.parametrize("name", CASES)
def test_hostile_manifests_end_in_words(project: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    text, code = CASES[name]
    (project / "m.yaml").write_bytes(text.encode(errors="surrogateescape"))
    start = time.process_time()
    for form in ("text", "github"):
        done = run_command(capsys, "consumers", "prod", "--manifests", "m.yaml", "--format", form)
        assert "internal error" not in done.err
        assert done.code == code, done.err
        shown = done.out + done.err
        assert "\x1b" not in shown
        assert "\r" not in shown
        assert not any(line.startswith("::error::") for line in shown.splitlines())
    assert time.process_time() - start < allowed(4)

from pathlib import Path

import pytest

from compiler.consumers.look import look_at_chart
from compiler.helm import Helm, HelmError
from tests.unit.consumers.conftest import BOTH, Bench, deployment

# Says what it was given, and prints what lies beside it in place of a rendered chart.
PROGRAM = """#!/bin/sh
echo "$@" > "{folder}/arguments"
for each in "$@"; do case "$each" in --values=*) cat "${{each#--values=}}" >> "{folder}/values";; esac; done
cat "{folder}/manifests.yaml"
"""


def helm(folder: Path, manifests: str) -> Helm:
    (folder / "manifests.yaml").write_text(manifests, "utf-8")
    program = folder / "helm"
    program.write_text(PROGRAM.format(folder=folder), "utf-8")
    program.chmod(0o755)
    return Helm(program, "3.22")


def test_the_values_are_the_last_and_what_is_rendered_is_judged(bench: Bench, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("own: 1\n", "utf-8")
    environment = bench.environment()
    look = look_at_chart(environment, helm(tmp_path, deployment(BOTH)), tmp_path / "shop", "made: 2\n", [own], "one")
    assert look.diagnostics == ()
    assert look.gathered is not None
    assert (tmp_path / "values").read_text("utf-8") == "own: 1\nmade: 2\n"
    arguments = (tmp_path / "arguments").read_text("utf-8").split()
    assert f"--namespace={environment.root.text('namespace')}" in arguments
    assert arguments[-3:] == ["--", "one", str(tmp_path / "shop")]


def test_places_are_those_in_what_helm_printed(bench: Bench, tmp_path: Path) -> None:
    text = deployment(BOTH + "\n          env: [{name: A, valueFrom: {secretKeyRef: {name: other, key: B}}}]")
    look = look_at_chart(bench.environment(), helm(tmp_path, text), tmp_path / "shop", "", [], "one")
    (found,) = (each for each in look.diagnostics if each.rule == "unmade-secret")
    assert (found.span.path, found.span.line) == ("<shop>", len(text.rstrip("\n").split("\n")))


def test_a_helm_that_cannot_be_run_is_told(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(HelmError):
        look_at_chart(bench.environment(), Helm(tmp_path / "no", "3.22"), tmp_path, "", [], "one")

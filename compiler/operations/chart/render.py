"""Renders the manifests of a compiled environment through Helm, from values in a private folder."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from compiler.operations.chart.helm import RELEASE, Helm, template
from compiler.pipeline import plan_values, write_values
from compiler.refusal import Refusal

if TYPE_CHECKING:
    from compiler.model.project import Project


def rendered(project: Project, helm: Helm, chart: Path, release: str = RELEASE, namespace: str | None = None) -> str:
    """The manifests of the only environment of `project`, by `chart`; no values file is touched.

    The chart is one that `find_chart` gave. It is given its own values, also where the environment's file nests them
    for a parent chart, which prints the same of them. The namespace of the release is the environment's own for None.
    Raises HelmError and Refusal.
    """
    (environment,) = project.environments
    with TemporaryDirectory() as folder:
        root = Path(folder)
        files, diagnostics = plan_values(project, root, "", root, nests=False)
        if diagnostics or write_values(files, root):
            raise Refusal("cannot run", "the values cannot be written to a temporary folder", "check TMPDIR")
        namespace = namespace or environment.root.text("namespace")
        return template(helm, chart, [files[0].output.path], release=release, namespace=namespace)

"""Renders the manifests of a compiled environment through Helm, from values in a private folder."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from compiler.operations.chart.helm import RELEASE, Helm, HelmError, chart_in, find_helms, helm_at, template
from compiler.pipeline import plan_values, write_values
from compiler.refusal import Refusal

if TYPE_CHECKING:
    from compiler.model.project import Project

_INSTALL = "put Helm 3 or 4 on PATH, name one with --helm, or run scripts/install_helm.sh"


def helm_to_use(root: Path, path: str | None) -> Helm:
    """The Helm at `path`, or the first at hand where None is named. Raises HelmError."""
    if path is not None:
        return helm_at(Path(path))
    found = find_helms(root)
    if not found:
        raise HelmError("no Helm is installed", help_text=_INSTALL)
    return found[0]


def rendered(
    project: Project, root: Path, helm_path: str | None = None, release: str = RELEASE, namespace: str | None = None
) -> str:
    """The manifests of the only environment of `project`, by the chart in `root`; no values file is touched.

    The namespace of the release is the environment's own for None. Raises HelmError and Refusal.
    """
    chart, helm = chart_in(root), helm_to_use(root, helm_path)
    (environment,) = project.environments
    with TemporaryDirectory() as folder:
        files, diagnostics = plan_values(project, Path(folder), "")
        if diagnostics or write_values(files):
            raise Refusal("cannot run", "the values cannot be written to a temporary folder", "look at TMPDIR")
        namespace = namespace or environment.root.text("namespace")
        return template(helm, chart, [files[0].output.path], release=release, namespace=namespace, options=())

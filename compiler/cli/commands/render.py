"""`render`: an environment's manifests, as Helm makes them of the chart; no values file is touched."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from compiler.cli.compiling import compiled, environments
from compiler.cli.errors import CannotRunError
from compiler.cli.exit_codes import FOUND, OK
from compiler.cli.options import add_store
from compiler.cli.outside import outside
from compiler.cli.terminal.outlet import standard_output
from compiler.operations.chart.helm import RELEASE, Helm, HelmError, chart_in, find_helms, helm_at, template
from compiler.pipeline import plan_values, write_values

if TYPE_CHECKING:
    from argparse import Namespace

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser
    from compiler.model.project import Project

DESCRIPTION = "Prints the manifests of an environment: compiled in a private folder, and rendered by `helm template`."
EXAMPLES = (
    "platform-secrets render prod",
    "platform-secrets render prod --store vault --release ai-platform",
)
_INSTALL = "put Helm 3 or 4 on PATH, name one with --helm, or run scripts/install_helm.sh"


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment")
    parser.add_argument("--helm", metavar="PATH", help="the Helm to use; by default the one on PATH, then .tools/")
    add_store(parser, "take this store in place of the environment's own `store:`")
    parser.add_argument("--release", metavar="NAME", default=RELEASE, help=f"the release's name; {RELEASE} by default")
    parser.add_argument("--namespace", metavar="NAME", help="the release's namespace; the environment's by default")


def run(arguments: Namespace, invocation: Invocation) -> int:
    root, names = invocation.root, [arguments.environment]
    said = outside(arguments.store, names)
    result = compiled(root, names, said)
    if not environments(result) or result.project is None:
        return FOUND
    try:
        chart, helm = chart_in(root), _helm(arguments.helm, root)
        standard_output().product(_rendered(result.project, helm, chart, arguments))
    except HelmError as error:
        raise CannotRunError(str(error), error.help, error.details) from None
    return OK


def _helm(path: str | None, root: Path) -> Helm:
    if path is not None:
        return helm_at(Path(path))
    found = find_helms(root)
    if not found:
        raise HelmError("no Helm is installed", help_text=_INSTALL)
    return found[0]


def _rendered(project: Project, helm: Helm, chart: Path, arguments: Namespace) -> str:
    (environment,) = project.environments
    with TemporaryDirectory() as folder:
        files, diagnostics = plan_values(project, Path(folder), "")
        if diagnostics or write_values(files):
            raise CannotRunError("the values cannot be written to a temporary folder", "look at TMPDIR")
        namespace = arguments.namespace or environment.root.text("namespace")
        return template(helm, chart, [files[0].output.path], release=arguments.release, namespace=namespace, options=())

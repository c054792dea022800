"""`render`: an environment's manifests, as Helm makes them of the chart; no values file is touched."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from compiler.cli.compiling import compiled, environments
from compiler.cli.exit_codes import FOUND, OK
from compiler.cli.options import add_store
from compiler.cli.outside import outside
from compiler.operations.chart.helm import RELEASE
from compiler.operations.chart.render import rendered

if TYPE_CHECKING:
    from argparse import Namespace

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser

DESCRIPTION = "Prints the manifests of an environment: compiled in a private folder, and rendered by `helm template`."
EXAMPLES = (
    "platform-secrets render prod",
    "platform-secrets render prod --store vault --release ai-platform",
)


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
    if not environments(result, invocation) or result.project is None:
        return FOUND
    sys.stdout.write(rendered(result.project, root, arguments.helm, arguments.release, arguments.namespace))
    return OK

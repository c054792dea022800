"""Runs `consumers`, which compares the Secrets that pods read with those that an environment makes."""

from __future__ import annotations

import os
from argparse import Namespace

from compiler.cli.compiling import compiled, report
from compiler.cli.exit_codes import code_of
from compiler.cli.invocation import Invocation
from compiler.cli.parser import Parser, add_all, add_format, see_all
from compiler.cli.terminal.interrupts import NOTHING_WRITTEN, interruption, orderly_termination
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.cluster.connect import connected
from compiler.consumers.look import STDIN, Look, look_at_cluster, look_at_manifests
from compiler.model.environment import Environment
from compiler.refusal import Refusal
from compiler.render.content import Run
from compiler.render.reports.consumers import consumers_content, consumers_nothing, lines
from compiler.stages.resolve import outside_of

DESCRIPTION = """Finds which Secrets pods read, and compares them with what the environment makes: Secrets and keys that
are missing, read by nobody, made twice, hidden by other variables, or needed by a hook too early. Reads rendered
manifests of any application, or the live workloads of a cluster; never the value of a Secret.

With --since it also prints, as commands to paste, what must exist before the new manifests replace the old ones, and
lists what nobody needs afterwards.

List Secrets that others make under `madeElsewhere:` of the environment. Exits 1 for an error."""
EXAMPLES = (
    "helm template platform ./caipe -f values.yaml | platform-secrets consumers prod --manifests -",
    "platform-secrets consumers prod --manifests rendered/ --namespace ai-platform",
    "platform-secrets consumers prod --manifests new.yaml --since old.yaml",
    "platform-secrets consumers prod --cluster --context prod-admin",
)


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment")
    parser.add_argument(
        "--manifests",
        metavar="FILE",
        nargs="+",
        action="extend",
        default=[],
        help="rendered manifests: files, folders, or - for standard input",
    )
    parser.add_argument(
        "--since",
        metavar="OLD",
        nargs="+",
        action="extend",
        default=[],
        help="manifests before an upgrade, to compare with --manifests",
    )
    parser.add_cluster("look at the cluster")
    parser.add_argument(
        "--namespace", metavar="NAME", help="namespace of manifests that name none, or the only one of the cluster"
    )
    parser.add_argument("--strict", action="store_true", help="exit 1 for warnings as well")
    parser.add_argument("--quiet", action="store_true", help="print only diagnostics")
    add_all(parser)
    add_format(parser)


def run(arguments: Namespace, invocation: Invocation) -> int:
    with orderly_termination(), interruption(NOTHING_WRITTEN):
        return _run(arguments, invocation)


def _run(arguments: Namespace, invocation: Invocation) -> int:
    _refuse_contradictions(arguments)
    result = compiled(invocation.root, [arguments.environment], outside_of(None, os.environ, variable_counts=False))
    if result.failed or result.project is None or not result.project.environments:
        code = code_of(result.diagnostics)
        run_ = Run(
            "consumers", arguments.environment, code, content=consumers_nothing(arguments.manifests, arguments.since)
        )
        report(result.diagnostics, run_, arguments.format, see_all(arguments))
        return code
    (environment,) = result.project.environments
    look = _look(arguments, environment)
    if not arguments.quiet:
        for note in look.notes:
            standard_error().note(note)
    code = code_of(look.diagnostics, is_strict=arguments.strict)
    told = consumers_content(look, arguments.manifests, arguments.since)
    run_ = Run("consumers", arguments.environment, code, content=told)
    report(look.diagnostics, run_, arguments.format, see_all(arguments))
    if not arguments.quiet:
        # Last: the end of the output is what stays on the screen.
        outlet = standard_output() if arguments.format == "text" else standard_error()
        outlet.lines(lines(look))
    return code


def _look(arguments: Namespace, environment: Environment) -> Look:
    if arguments.cluster:
        return look_at_cluster(environment, connected(os.environ, arguments.context), arguments.namespace)
    return look_at_manifests(environment, arguments.manifests, arguments.since, arguments.namespace)


def _refuse_contradictions(arguments: Namespace) -> None:
    if arguments.cluster and (arguments.manifests or arguments.since):
        other = "--manifests" if arguments.manifests else "--since"
        raise Refusal("usage", f"--cluster cannot be combined with {other}", "give one of them")
    if not arguments.cluster and not arguments.manifests:
        raise Refusal("usage", "nothing to look at", "name rendered manifests with --manifests, or give --cluster")
    if [*arguments.manifests, *arguments.since].count(STDIN) > 1:
        raise Refusal("usage", "standard input can be read once", "write the other manifests to a file")

"""Runs `consumers`, which compares the Secrets that pods read with those that an environment makes."""

import os

from compiler.cli.invocation import Invocation, files_alone
from compiler.cli.parser import Parser, add_all, add_format
from compiler.cluster.view import connect_cluster
from compiler.consumers.look import STDIN, look_at_cluster, look_at_manifests
from compiler.consumers.readers import OPTIONAL
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from compiler.render.reports.consumers import consumers_content, lines

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
    parser.add_several("--manifests", "FILE", "rendered manifests: files, folders, or - for standard input")
    parser.add_several("--since", "OLD", "manifests before an upgrade, to compare with --manifests")
    parser.add_cluster("look at the cluster")
    parser.exclude("--cluster", "--manifests", "--since", way_out="give one of them")
    parser.add_option("--namespace", "NAME", "namespace of manifests that name none, or the only one of the cluster")
    parser.add_flag("--strict", "exit 1 for warnings as well")
    parser.add_flag("--quiet", "print only diagnostics")
    add_all(parser)
    add_format(parser)


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    if not arguments.cluster and not arguments.manifests:
        raise Refusal("usage", "nothing to look at", "name rendered manifests with --manifests, or give --cluster")
    if [*arguments.manifests, *arguments.since].count(STDIN) > 1:
        raise Refusal("usage", "standard input can be read once", "write the other manifests to a file")
    result = compile_project(invocation.root, [arguments.environment], files_alone())
    if result.failed or result.project is None or not result.project.environments:
        nothing = consumers_content(None, arguments.manifests, arguments.since)
        return invocation.findings(result.diagnostics, arguments.environment, content=nothing)
    (environment,) = result.project.environments
    if arguments.cluster:
        view = connect_cluster(os.environ, arguments.context, environment.cluster, OPTIONAL)
        look = look_at_cluster(environment, view, arguments.namespace)
    else:
        look = look_at_manifests(environment, arguments.manifests, arguments.since, arguments.namespace)
    invocation.note(*look.notes)
    content = consumers_content(look, arguments.manifests, arguments.since)
    code = invocation.findings(look.diagnostics, arguments.environment, content=content)
    invocation.summary(lines(look))
    return code

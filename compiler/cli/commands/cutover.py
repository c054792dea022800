"""Runs `cutover`, which checks that secrets can be served by another store and edits the environment to say so."""

import os
from argparse import Namespace
from contextlib import ExitStack
from typing import TYPE_CHECKING

from compiler.change.run_files import run_lock
from compiler.cli.invocation import (
    NOTHING_WRITTEN,
    Invocation,
    files_alone,
    interruption,
    live_environments,
    open_stores,
    refusals,
    tell_waiting,
    working_folder,
)
from compiler.cli.parser import REPORT_FORMATS, Parser, add_accept_cluster, add_format, context_of
from compiler.cli.terminal.outlet import standard_output
from compiler.live.stores import open_stores_for_reading
from compiler.model.environment import Environment
from compiler.model.files import missing_for_cluster
from compiler.operations.cutover import Cutover, commit, plan_cutover, refuse_contradictions, write
from compiler.operations.cutover_gate import CutoverRequest, Mode
from compiler.refusal import COULD_NOT_RUN, FOUND, OK
from compiler.render.reports.cutover import cutover_content, end_lines, head_lines, values_lines

if TYPE_CHECKING:
    from compiler.operations.cutover_cluster import ClusterGate

DESCRIPTION = """Switches secrets of an environment to another store, by editing the environment's file. A gate comes
first: the new store holds what the cluster will read, with the same values as the present one, and the Secrets and
their keys stay the same. What the gate refuses changes nothing; a refusal shows the command that fixes it, if one does.

Without --apply it only shows the gate, the edit, and what it means in the cluster. With --apply it writes the
environment and its values file, and prints the commit to make. Stores are only read.

--back works even if the store that it leaves is down, for secrets that were in the other one before: `moves:`, a lower
layer, their own `store:` or a mark `# before:` shows that. Others are checked as on the way forward. --next takes the
first step of `moves:` that is not complete. --finish makes a store the environment's, and drops the overrides that name
it.

Exits 1 if the gate refuses, 3 if a store that it needs does not answer."""
EXAMPLES = (
    "platform-secrets cutover staging jira --to azure",
    "platform-secrets cutover staging jira --to azure --apply",
    "platform-secrets cutover staging jira --back --apply",
    "platform-secrets cutover staging all --back --to vault --apply",
    "platform-secrets cutover staging --next --cluster --apply",
    "platform-secrets cutover staging --finish --to azure --apply",
)
_BOTH_OR_NONE = "either the environment and its values file were both written or neither"
_WRITTEN = "the environment and its values file were written; commit them"


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment")
    parser.add_argument("secrets", metavar="SECRET", nargs="*", help="the secrets to switch; `all` for all of them")
    parser.add_option("--to", "ID", "id of the store that is to serve them")
    parser.add_flag("--back", "go back to the previous store; add --to if the files do not name it")
    parser.add_flag("--next", "switch the next step of `moves:`")
    parser.add_flag("--finish", "make --to the environment's store and remove overrides")
    parser.exclude("--back", "--next", "--finish")
    parser.exclude("--next", "--finish")
    parser.add_several(
        "--accept-differences", "KEY", "accept another value of these keys in the new store; KEY or SECRET/KEY"
    )
    parser.add_several(
        "--accept-ending",
        "SECRET",
        "accept that the new store, a Vault, will delete its versions of these secrets at a set time",
    )
    parser.add_flag("--without-comparison", "switch although the present store does not answer")
    parser.add_flag("--with-dependants", "also switch environments that extend this one")
    parser.add_flag("--apply", "write; without it, only show the plan")
    parser.add_cluster("also check the objects in the cluster")
    add_accept_cluster(parser)
    add_format(parser, REPORT_FORMATS)


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    mode = next((mode for mode in (Mode.BACK, Mode.NEXT, Mode.FINISH) if getattr(arguments, mode)), Mode.TO)
    refuse_contradictions(mode, arguments.secrets, arguments.to)
    with ExitStack() as stack:
        if arguments.apply:
            # Whatever deletes from a store asks under the same lock what the environments read.
            with refusals():
                stack.enter_context(run_lock(invocation.root, f"cutover {arguments.environment}", tell_waiting))
        (environment,) = live_environments([arguments.environment], invocation)
        cluster = _cluster_gate(arguments, environment) if arguments.cluster else None
        with refusals(), open_stores(invocation, open_stores_for_reading) as stores:
            request = _request(arguments, mode)
            cutover = plan_cutover(environment, request, invocation.root, files_alone(), stores, cluster)
        return _carry_out(cutover, invocation)


def _cluster_gate(arguments: Namespace, environment: Environment) -> "ClusterGate":
    # What only --cluster needs.
    from compiler.cluster.view import connect_cluster  # noqa: PLC0415
    from compiler.operations.cutover_cluster import OPTIONAL, ClusterGate  # noqa: PLC0415

    return ClusterGate(connect_cluster(os.environ, arguments.context, environment.cluster, OPTIONAL))


def _request(arguments: Namespace, mode: Mode) -> CutoverRequest:
    return CutoverRequest(
        arguments.environment,
        mode,
        tuple(arguments.secrets),
        arguments.to,
        tuple(arguments.accept_differences),
        tuple(arguments.accept_ending),
        arguments.without_comparison,
        arguments.with_dependants,
        ("--cluster", *context_of(arguments)) if arguments.cluster else (),
        arguments.apply,
    )


def _carry_out(cutover: Cutover, invocation: Invocation) -> int:
    """Shows the plan, writes it where that was asked for and may be, and tells the end."""
    code = COULD_NOT_RUN if cutover.is_unanswered else FOUND if cutover.is_refused else OK
    invocation.lines(head_lines(cutover))
    is_open = not (cutover.is_refused or cutover.is_nothing)
    if is_open and not invocation.is_json:
        standard_output().block(cutover.diff())
        invocation.lines(values_lines(cutover))
    written: tuple[str, ...] = ()
    proposed = commit(cutover, invocation.named_root, working_folder()) if is_open else None
    if is_open and invocation.arguments.apply:
        with interruption(_BOTH_OR_NONE):
            written = write(cutover)
    with interruption(_WRITTEN if written else NOTHING_WRITTEN):
        missing = missing_for_cluster(os.environ) if written else None
        invocation.lines(end_lines(cutover, written, proposed or ("", ""), missing))
        name = cutover.request.environment
        return invocation.report(lambda: cutover_content(cutover, written, proposed), code, name)

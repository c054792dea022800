"""`verify`: every reference of an environment or a values file, asked of the live stores as the cluster will ask."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from compiler.cli.compiling import compiled, report, tell_notes
from compiler.cli.exit_codes import COULD_NOT_RUN, FOUND, OK
from compiler.cli.options import add_all, add_format, add_store, see_all
from compiler.cli.terminal.interrupts import interruption
from compiler.cli.terminal.termination import orderly_termination
from compiler.model.diagnostic import Severity
from compiler.operations.cluster.look import look_into
from compiler.operations.cluster.verify import expected_of
from compiler.operations.verify.asked import asked_of_environment, asked_of_values, stores_to_ask
from compiler.operations.verify.verify import EXPIRES_WITHIN, verify
from compiler.refusal import Refusal
from compiler.render.reports.changes import safe
from compiler.stages.outside import STORE_VARIABLE, VAULT_NAME_VARIABLE, Outside
from compiler.text.wording import counted

if TYPE_CHECKING:
    from argparse import Namespace

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser
    from compiler.model.environment import Environment
    from compiler.operations.verify.verify import Verification
    from compiler.pipeline import Result

DESCRIPTION = """Reads each remote secret once, as you, and says which keys External Secrets Operator would not get, or
would get wrongly, at the lines that ask for them. Changes nothing. Exits 1 for an error, 3 where no store could be
asked."""
EXAMPLES = (
    "platform-secrets verify prod",
    "platform-secrets verify prod github jira --store azure",
    "VAULT_ADDR=http://127.0.0.1:8200 platform-secrets verify dev",
    "platform-secrets verify prod --cluster --context prod-admin",
    "platform-secrets verify --values chart/values-prod.yaml --format github",
)


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", nargs="?", help="the environment; not with --values")
    parser.add_argument("secrets", metavar="SECRET", nargs="*", help="only these secrets")
    add_store(parser, "ask this store for every secret, in place of the one in use")
    parser.add_argument("--values", metavar="FILE", help="take a values file in place of an environment")
    parser.add_argument(
        "--expires-within",
        metavar="DAYS",
        type=days,
        default=EXPIRES_WITHIN,
        help=f"warn of what expires within so many days; {EXPIRES_WITHIN.days} by default",
    )
    parser.add_argument("--cluster", action="store_true", help="look at what is in the cluster too; needs the extra")
    parser.add_argument(
        "--context", metavar="NAME", help="the kubeconfig's context for --cluster; the current one else"
    )
    parser.add_argument("--strict", action="store_true", help="exit 1 for warnings too")
    parser.add_argument("--quiet", action="store_true", help="say nothing but diagnostics")
    add_all(parser)
    add_format(parser)


def run(arguments: Namespace, invocation: Invocation) -> int:
    with orderly_termination(), interruption("verify changes nothing"):
        return _run(arguments, invocation)


def _run(arguments: Namespace, invocation: Invocation) -> int:
    if os.environ.get(STORE_VARIABLE):
        sys.stderr.write(f"note: {STORE_VARIABLE} is ignored: name another store with --store\n")
    environment: Environment | None = None
    if arguments.values is not None:
        _refuse_contradictions(arguments)
        named = [name for name in (arguments.environment, *arguments.secrets) if name is not None]
        asked = asked_of_values(arguments.values, named, os.environ)
    else:
        result = _compiled(arguments, invocation)
        if result.failed or result.project is None or not result.project.environments:
            report(result.diagnostics, invocation, arguments.format, see_all(arguments))
            return FOUND
        if not arguments.quiet:
            tell_notes(result)
        (environment,) = result.project.environments
        asked = asked_of_environment(environment, arguments.secrets, arguments.store)
    if asked.references is None:
        report(asked.diagnostics, invocation, arguments.format, see_all(arguments))
        return FOUND
    wanted = expected_of(environment, arguments.secrets) if arguments.cluster and environment is not None else ()
    look = look_into(wanted, os.environ, arguments.context)
    with stores_to_ask(os.environ) as stores:
        found = verify(asked.references, stores, expires_within=arguments.expires_within)
    if not arguments.quiet:
        _tell(asked.subject, found, is_text=arguments.format == "text")
    every = (*asked.diagnostics, *found.diagnostics, *look(found.read))
    report(every, invocation, arguments.format, see_all(arguments))
    if not found.answered:
        return COULD_NOT_RUN
    failed = any(each.severity is Severity.ERROR for each in every)
    return FOUND if failed or (arguments.strict and every) else OK


def _compiled(arguments: Namespace, invocation: Invocation) -> Result:
    if arguments.environment is None:
        raise Refusal("usage", "no environment is named", "name one, or a values file with --values")
    said = Outside(vault_name=os.environ.get(VAULT_NAME_VARIABLE) or None)
    return compiled(invocation.root, [arguments.environment], said)


def _refuse_contradictions(arguments: Namespace) -> None:
    for other in ("store", "cluster"):
        if getattr(arguments, other):
            raise Refusal("usage", f"--values and --{other} do not go together", "name the environment instead")


def _tell(subject: str, found: Verification, *, is_text: bool) -> None:
    """Who looked and what came of it, on standard output; on standard error where that belongs to a program."""
    stream = sys.stdout if is_text else sys.stderr
    for seen in found.seen:
        who = "an unknown identity"
        if seen.identity is not None:
            who = f'"{seen.identity.subject}" by {seen.identity.method}'
        stream.write(f"{safe(f'{seen.store}: read from {seen.address} as {who}')}\n")
    sound = sum(status.is_sound for status in found.keys)
    remotes = f"{counted(found.remotes, 'remote secret')} read"
    stream.write(f"{safe(subject)}: {sound} of {len(found.keys)} keys sound, {remotes}\n")


def days(text: str) -> timedelta:
    # Ten thousand days lie beyond every date that a store takes; argparse names the option for a ValueError.
    days = int(text)
    if not 0 <= days <= 10_000:  # noqa: PLR2004 - see above
        raise ValueError("more days than any date has")
    return timedelta(days=days)

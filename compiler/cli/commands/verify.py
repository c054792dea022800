"""Runs `verify`, which checks every reference of an environment or a values file in the live stores."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from datetime import timedelta

from compiler.cli.compiling import compiled, report, tell_notes
from compiler.cli.exit_codes import code_of
from compiler.cli.invocation import Invocation
from compiler.cli.parser import Parser, add_accept_cluster, add_all, add_format, add_store, see_all
from compiler.cli.terminal.interrupts import NOTHING_WRITTEN, interruption, orderly_termination
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.cluster.verify import Check, cluster_checker, expected_of
from compiler.live.stores import store_named
from compiler.model.diagnostic import Diagnostic
from compiler.model.environment import Environment
from compiler.operations.parity import manifests_of
from compiler.operations.references import asked_of_environment, asked_of_values, stores_to_ask
from compiler.operations.verify import EXPIRES_WITHIN, Verification, dates_of, verify
from compiler.pipeline import Result
from compiler.refusal import Refusal
from compiler.render.content import Run
from compiler.render.reports.verification import run_of
from compiler.stages.resolve import STORE_VARIABLE, VAULT_NAME_VARIABLE, Outside
from compiler.text.wording import counted

DESCRIPTION = """Reads each remote secret once, with your credentials, and reports the keys that External Secrets
Operator could not read or would read wrongly, at the lines that reference them. Changes nothing. Exits 1 for an error,
3 if no store could be read."""
EXAMPLES = (
    "platform-secrets verify prod",
    "platform-secrets verify prod github jira --store azure",
    "VAULT_ADDR=http://127.0.0.1:8200 platform-secrets verify dev",
    "platform-secrets verify prod --cluster --context prod-admin",
    "platform-secrets verify --values chart/values-prod.yaml --format github",
)


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", nargs="?", help="the environment to verify; not with --values")
    parser.add_argument("secrets", metavar="SECRET", nargs="*", help="only these secrets")
    add_store(parser, "read every secret from this store instead of the one in use")
    parser.add_argument("--values", metavar="FILE", help="verify a values file instead of an environment")
    parser.add_argument(
        "--expires-within",
        metavar="DAYS",
        type=days,
        default=EXPIRES_WITHIN,
        help=f"warn of secrets that expire within this many days; {EXPIRES_WITHIN.days} by default",
    )
    parser.add_cluster("also check the objects in the cluster")
    parser.add_argument("--strict", action="store_true", help="exit 1 for warnings as well")
    parser.add_argument("--quiet", action="store_true", help="print only diagnostics")
    add_accept_cluster(parser)
    add_all(parser)
    add_format(parser)


def run(arguments: Namespace, invocation: Invocation) -> int:
    with orderly_termination(), interruption(NOTHING_WRITTEN):
        return _run(arguments, invocation)


def _run(arguments: Namespace, invocation: Invocation) -> int:
    if os.environ.get(STORE_VARIABLE):
        standard_error().note(f"{STORE_VARIABLE} is ignored; name another store with --store")
    environment: Environment | None = None
    if arguments.values is not None:
        _refuse_contradictions(arguments)
        named = [name for name in (arguments.environment, *arguments.secrets) if name is not None]
        asked = asked_of_values(arguments.values, named, os.environ)
    else:
        result = _compiled(arguments, invocation)
        if result.failed or result.project is None or not result.project.environments:
            return _unasked(arguments, result.diagnostics)
        if not arguments.quiet:
            tell_notes(result)
        (environment,) = result.project.environments
        asked = asked_of_environment(environment, arguments.secrets, arguments.store, result.project.names)
    if asked.references is None:
        return _unasked(arguments, asked.diagnostics)
    check = _cluster_check(arguments, environment, is_debug=invocation.options.is_debug)
    with stores_to_ask(os.environ) as stores:
        if not arguments.quiet:
            stores.tell_by(standard_error().note)
        stores.accept(arguments.accept_cluster)
        found = verify(asked.references, stores, expires_within=arguments.expires_within)
    every = (*asked.diagnostics, *found.diagnostics, *check(found.read, dates_of(found)))
    code = code_of(every, is_strict=arguments.strict, is_answered=found.answered)
    report(every, _run_of(arguments, found, every, code), arguments.format, see_all(arguments))
    if not arguments.quiet:
        # Last: the end of the output is what stays on the screen.
        _tell(asked.subject, found, environment, is_text=arguments.format == "text")
    return code


def _cluster_check(arguments: Namespace, environment: Environment | None, *, is_debug: bool) -> Check:
    """Connects to the cluster before the stores are read; what it returns checks it once their values are known."""
    if environment is None or not arguments.cluster:
        return lambda _read, _dates: ()
    other = store_named(environment, arguments.store) if arguments.store is not None else None
    expected = expected_of(environment, manifests_of(environment), arguments.secrets)
    return cluster_checker(expected, os.environ, arguments.context, other, is_whole=is_debug)


def _unasked(arguments: Namespace, diagnostics: Sequence[Diagnostic]) -> int:
    """Shows the errors of the input, because of which no store was read; returns the exit code."""
    code = code_of(diagnostics)
    report(diagnostics, _run_of(arguments, None, diagnostics, code), arguments.format, see_all(arguments))
    return code


def _run_of(arguments: Namespace, found: Verification | None, every: Sequence[Diagnostic], code: int) -> Run:
    environment = arguments.environment if arguments.values is None else None
    return run_of(environment, arguments.values, found, every, code)


def _compiled(arguments: Namespace, invocation: Invocation) -> Result:
    if arguments.environment is None:
        raise Refusal("usage", "no environment given", "name one, or a values file with --values")
    said = Outside(vault_name=os.environ.get(VAULT_NAME_VARIABLE) or None)
    return compiled(invocation.root, [arguments.environment], said)


def _refuse_contradictions(arguments: Namespace) -> None:
    for other in ("store", "cluster"):
        if getattr(arguments, other):
            raise Refusal("usage", f"--values cannot be combined with --{other}", "name the environment instead")


def _tell(subject: str, found: Verification, environment: Environment | None, *, is_text: bool) -> None:
    """Shows which identity read each store and the result; on standard error where the format is for programs."""
    stores = environment.stores if environment is not None else {}
    outlet = standard_output() if is_text else standard_error()
    for seen in found.seen:
        who = "an unknown identity"
        if seen.identity is not None:
            source = f" ({seen.identity.source})" if seen.identity.source else ""
            who = f'"{seen.identity.subject}" by {seen.identity.method}{source}'
        this = f"; this Vault is {seen.cluster}" if seen.cluster is not None else ""
        outlet.lines([f"{seen.store}: read from {seen.address} as {who}{this}"])
        if seen.cluster is not None and seen.store in stores and stores[seen.store].cluster_id is None:
            where = f"stores.{seen.store} in environments/{subject}.yaml"
            line = f'clusterId: "{seen.cluster.id}"'
            outlet.lines([f"help: to have every command refuse another Vault, add to {where}: {line}"])
    sound = sum(status.is_sound for status in found.keys)
    remotes = f"{counted(found.remotes, 'remote secret')} read"
    outlet.lines([(subject, f": {sound} of {len(found.keys)} keys OK, {remotes}")])


def days(text: str) -> timedelta:
    # Ten thousand days lie beyond every date that a store takes; argparse names the option for a ValueError.
    days = int(text)
    if not 0 <= days <= 10_000:  # noqa: PLR2004 - see above
        raise ValueError("more days than any date has")
    return timedelta(days=days)

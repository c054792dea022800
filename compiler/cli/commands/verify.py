"""`verify`: every reference of an environment or a values file, asked of the live stores as the cluster will ask."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.cli.compiling import compiled, report, tell_notes
from compiler.cli.errors import CannotRunError, UsageError
from compiler.cli.exit_codes import code_of
from compiler.cli.live_environment import refusals
from compiler.cli.options import add_format, add_store
from compiler.cli.terminal.interrupts import interruption
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.cli.terminal.termination import orderly_termination
from compiler.operations.cluster.objects import ClusterError
from compiler.operations.cluster.verify import expected_of, unreachable, verify_cluster
from compiler.operations.live.stores import LiveStores
from compiler.operations.migrate.routes import store_named
from compiler.operations.verify.references import references_of
from compiler.operations.verify.values_references import (
    SECRETS,
    UnknownProviderError,
    references_of_values,
    secrets_of_values,
)
from compiler.operations.verify.verify import EXPIRES_WITHIN, verify
from compiler.render.reports.verification import run_of
from compiler.stages.load import load_text
from compiler.stages.outside import STORE_VARIABLE, VAULT_NAME_VARIABLE, Outside
from compiler.stages.read import read_text
from compiler.stages.validate import validate
from compiler.stores.open import open_store
from compiler.stores.options import StoreOptions
from compiler.stores.sending.retry import RetryPolicy
from compiler.text.suggestion import suggest
from compiler.text.wording import counted

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser
    from compiler.model.diagnostic import Diagnostic
    from compiler.model.document import Document
    from compiler.model.store_address import StoreAddress
    from compiler.operations.cluster.verify import Expected
    from compiler.operations.verify.references import Reference
    from compiler.operations.verify.verify import Verification
    from compiler.render.interface import Run
    from compiler.stores.interface import RemoteSecret, SecretWriter

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
# The window of Key Vault's limits is 10 s: long enough to outlast it, short enough to wait for.
_PATIENCE = 30.0
_EXTRA = "run: pip install platform-secrets[cluster]"


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
    add_format(parser)


def run(arguments: Namespace, invocation: Invocation) -> int:
    with orderly_termination(), interruption("verify changes nothing"):
        return _run(arguments, invocation)


def _run(arguments: Namespace, invocation: Invocation) -> int:
    if os.environ.get(STORE_VARIABLE):
        standard_error().note(f"{STORE_VARIABLE} is ignored: name another store with --store")
    asked = _asked(arguments, invocation)
    if asked.references is None:
        code = code_of(asked.diagnostics)
        report(asked.diagnostics, _run_of(arguments, None, asked.diagnostics, code), arguments.format)
        return code
    look = _look_into_cluster(arguments, asked.expected)
    with LiveStores(os.environ, _open) as stores:
        found = verify(asked.references, stores, expires_within=arguments.expires_within)
    if not arguments.quiet:
        _tell(asked.subject, found, is_text=arguments.format == "text")
    every = (*asked.diagnostics, *found.diagnostics, *look(found.read))
    code = code_of(every, is_strict=arguments.strict, is_answered=found.answered)
    report(every, _run_of(arguments, found, every, code), arguments.format)
    return code


def _run_of(arguments: Namespace, found: Verification | None, every: Sequence[Diagnostic], code: int) -> Run:
    environment = arguments.environment if arguments.values is None else None
    return run_of(environment, arguments.values, found, every, code)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What to verify: no references where the input cannot be used, and then `diagnostics` say why."""

    subject: str
    references: tuple[Reference, ...] | None
    diagnostics: tuple[Diagnostic, ...] = ()
    expected: tuple[Expected, ...] = ()


def _asked(arguments: Namespace, invocation: Invocation) -> _Asked:
    if arguments.values is not None:
        return _asked_by_values(arguments)
    if arguments.environment is None:
        raise UsageError("no environment is named", "name one, or a values file with --values")
    said = Outside(vault_name=os.environ.get(VAULT_NAME_VARIABLE) or None)
    result = compiled(invocation.root, [arguments.environment], said)
    if result.failed or result.project is None or not result.project.environments:
        return _Asked(arguments.environment, None, result.diagnostics)
    if not arguments.quiet:
        tell_notes(result)
    (environment,) = result.project.environments
    _refuse_unknown(arguments.secrets, environment.secrets, environment.disabled)
    with refusals():
        store = store_named(environment, arguments.store) if arguments.store is not None else None
    references, diagnostics = references_of(environment, arguments.secrets, store)
    return _Asked(arguments.environment, references, diagnostics, expected_of(environment, arguments.secrets))


def _look_into_cluster(
    arguments: Namespace, expected: Sequence[Expected]
) -> Callable[[Sequence[RemoteSecret]], tuple[Diagnostic, ...]]:
    """What looks into the cluster, hiding what it is given; ready before the stores are asked."""
    if not arguments.cluster or not expected:
        return lambda _read: ()
    try:
        # 0.6 s of import that only this option needs.
        from compiler.operations.cluster.client import KubernetesCluster  # noqa: PLC0415
    except ModuleNotFoundError:
        raise CannotRunError("--cluster needs the client of Kubernetes", _EXTRA) from None
    try:
        cluster = KubernetesCluster(os.environ, arguments.context)
    except ClusterError as error:
        # What the stores hold is told all the same.
        silent = unreachable(expected, error)
        return lambda _read: (silent,)
    return lambda read: verify_cluster(expected, cluster, read)


def _asked_by_values(arguments: Namespace) -> _Asked:
    for other in ("store", "cluster"):
        if getattr(arguments, other):
            raise UsageError(f"--values and --{other} do not go together", "name the environment instead")
    secrets = [name for name in (arguments.environment, *arguments.secrets) if name is not None]
    document, diagnostics = _values(arguments.values)
    if document is None:
        return _Asked(arguments.values, None, diagnostics)
    known = secrets_of_values(document)
    first = arguments.environment
    if first is not None and first not in known:
        message = f'with --values, "{first}" is read as a secret, and there is none of this name in the file'
        closer = suggest(first, known, "secrets")
        raise UsageError(message, "; ".join(filter(None, ("name secrets only, no environment", closer))))
    _refuse_unknown(secrets, known)
    try:
        return _Asked(arguments.values, references_of_values(document, os.environ, secrets))
    except UnknownProviderError as error:
        raise UsageError(str(error), f"set VAULT_ADDR or {VAULT_NAME_VARIABLE}, one of the two") from None


def _values(shown: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    path = Path(shown)
    text, unreadable = read_text(path.parent, path.name)
    if text is None:
        return None, tuple(_shown_as(shown, each) for each in unreadable)
    document, diagnostics = load_text(shown, text)
    if document is None:
        return None, diagnostics
    if document.root.get(SECRETS) is None:
        # Not "nothing to look at, so all is sound": most often it is another file than was meant.
        raise UsageError(f'{shown} has no "{SECRETS}"', "name a compiled values file, chart/values-<env>.yaml")
    document, diagnostics = validate(document, "values")
    return (None, diagnostics) if diagnostics else (document, ())


def _shown_as(path: str, diagnostic: Diagnostic) -> Diagnostic:
    span = diagnostic.span
    return replace(diagnostic, span=replace(span, source=replace(span.source, path=path)))


def _refuse_unknown(secrets: Iterable[str], known: Iterable[str], disabled: Iterable[str] = ()) -> None:
    for name in secrets:
        if name in disabled:
            raise UsageError(f'the secret "{name}" is disabled here', "it has `enabled: false`")
        if name not in known:
            raise UsageError(f'there is no secret "{name}" here', suggest(name, known, "secrets"))


def _open(address: StoreAddress, environ: Mapping[str, str]) -> SecretWriter:
    return open_store(address, environ, StoreOptions(retry=RetryPolicy(patience=_PATIENCE)))


def _tell(subject: str, found: Verification, *, is_text: bool) -> None:
    """Who looked and what came of it, on standard output; on standard error where that belongs to a program."""
    outlet = standard_output() if is_text else standard_error()
    for seen in found.seen:
        who = "an unknown identity"
        if seen.identity is not None:
            who = f'"{seen.identity.subject}" by {seen.identity.method}'
        outlet.lines([f"{seen.store}: read from {seen.address} as {who}"])
    sound = sum(status.is_sound for status in found.keys)
    remotes = f"{counted(found.remotes, 'remote secret')} read"
    outlet.lines([(subject, f": {sound} of {len(found.keys)} keys sound, {remotes}")])


def days(text: str) -> timedelta:
    # Ten thousand days lie beyond every date that a store takes; argparse names the option for a ValueError.
    days = int(text)
    if not 0 <= days <= 10_000:  # noqa: PLR2004 - see above
        raise ValueError("more days than any date has")
    return timedelta(days=days)

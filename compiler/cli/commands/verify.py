"""Runs `verify`, which checks every key of an environment or a values file in the live stores."""

from __future__ import annotations

import os
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from compiler.cli.invocation import Invocation, files_alone, open_stores
from compiler.cli.parser import Parser, add_accept_cluster, add_accept_store, add_all, add_format, days
from compiler.cli.terminal.outlet import standard_error
from compiler.live.stores import LiveStores, open_stores_for_reading, store_named
from compiler.model.document import Diagnostic
from compiler.model.environment import Environment
from compiler.model.inventory import Cell
from compiler.operations.references import cells_of, cells_of_file
from compiler.operations.verify import (
    EXPIRES_WITHIN,
    KeyStatus,
    ReadStore,
    Verification,
    values_read,
    values_written,
    verify,
    verify_access,
)
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from compiler.render.content import Line, members
from compiler.stages.resolve import STORE_VARIABLE
from compiler.stores.interface import Role
from compiler.text.wording import pluralize

if TYPE_CHECKING:
    from compiler.cluster.verify import Check
    from compiler.cluster.view import ClusterName


DESCRIPTION = """Reads each remote secret once, with your credentials, and reports the keys that External Secrets
Operator could not read or would read wrongly, at the lines that reference them. Changes nothing. Exits 1 for an error,
3 if no store could be read."""
EXAMPLES = (
    "platform-secrets verify prod",
    "platform-secrets verify prod github jira --store azure",
    "VAULT_ADDR=http://127.0.0.1:8200 platform-secrets verify dev",
    "platform-secrets verify prod --cluster --context prod-admin",
    "platform-secrets verify prod --access --for writer",
    "platform-secrets verify --values chart/values-prod.yaml --format github",
)
_ROLES = [str(role) for role in Role]


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", nargs="?", help="the environment to verify; not with --values")
    parser.add_argument("secrets", metavar="SECRET", nargs="*", help="only these secrets")
    parser.add_option("--store", "ID", "read every secret from this store instead of the one in use")
    parser.add_option("--values", "FILE", "verify a values file instead of an environment")
    parser.add_option(
        "--expires-within",
        "DAYS",
        f"warn of secrets that expire within this many days, such as 30d; {EXPIRES_WITHIN.days}d by default",
        type=days,
        default=EXPIRES_WITHIN,
    )
    parser.add_option(
        "--shared-with",
        "ENV",
        "also find keys that have one value: in the environment itself, and in these ones",
        nargs="*",
    )
    parser.add_cluster("also check the objects in the cluster")
    add_accept_store(parser, "--cluster")
    parser.exclude("--values", "--store", "--cluster", way_out="name the environment instead")
    parser.exclude("--values", "--shared-with", way_out="name the environment instead")
    parser.exclude("--store", "--shared-with")
    parser.add_flag("--access", "also check what your credentials may do in the stores")
    parser.add_argument("--for", choices=_ROLES, help="with --access: the role to check for (default: reader)")
    parser.exclude("--values", "--access", way_out="name the environment instead")
    parser.require("--for", "--access")
    parser.add_flag("--strict", "exit 1 for warnings as well")
    parser.add_flag("--quiet", "print only diagnostics")
    add_accept_cluster(parser)
    add_all(parser)
    add_format(parser)


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    if os.environ.get(STORE_VARIABLE):
        standard_error().note(f"{STORE_VARIABLE} is ignored; name another store with --store")
    environment: Environment | None = None
    others: list[Environment] = []
    if arguments.values is not None:
        named = [name for name in (arguments.environment, *arguments.secrets) if name is not None]
        subject = arguments.values
        cells, diagnostics = cells_of_file(arguments.values, named, os.environ)
    elif arguments.environment is None:
        raise Refusal("usage", "no environment given", "name one, or a values file with --values")
    else:
        names = dict.fromkeys((arguments.environment, *(arguments.shared_with or ())))
        result = compile_project(invocation.root, list(names), files_alone())
        if result.failed or result.project is None or not result.project.environments:
            return _tell_findings(invocation, None, result.diagnostics)
        invocation.note(*result.notes)
        by_name = {each.name: each for each in result.project.environments}
        environment, *others = (by_name[name] for name in names)
        subject = environment.name
        cells, diagnostics = cells_of(environment, arguments.secrets, arguments.store)
    if cells is None:
        return _tell_findings(invocation, None, diagnostics)
    check, cluster = _cluster_check(arguments, environment)
    with open_stores(invocation, open_stores_for_reading, is_quiet=arguments.quiet) as stores:
        # First, so that what is refused then is told with all that the role takes.
        access = _access(arguments, environment, cells, stores)
        found = verify(cells, stores, expires_within=arguments.expires_within)
        shared, answered = _shared_values(invocation, environment, others, found, stores)
    told = {each.help for each in found.diagnostics}
    access = [each for each in access if each.help is None or each.help not in told]
    in_cluster = check(values_written(found), values_read(found))
    every = (*diagnostics, *found.diagnostics, *access, *in_cluster, *shared)
    code = _tell_findings(invocation, found, every, cluster, is_answered=found.answered and answered)
    invocation.summary(_summary(subject, found, environment, cluster))
    return code


def _access(
    arguments: Namespace, environment: Environment | None, cells: Sequence[Cell], stores: LiveStores
) -> Sequence[Diagnostic]:
    if environment is None or not arguments.access:
        return ()
    return verify_access(environment, cells, Role(getattr(arguments, "for") or Role.READER), stores)


def _shared_values(
    invocation: Invocation,
    environment: Environment | None,
    others: Sequence[Environment],
    found: Verification,
    stores: LiveStores,
) -> tuple[tuple[Diagnostic, ...], bool]:
    """What is found of values that keys share, and of reading the `others`; whether all of these answered."""
    if environment is None or invocation.arguments.shared_with is None:
        return (), True
    from compiler.operations.shared_values import shared_values  # noqa: PLC0415 - few ask for it

    shared, unproven, answered = shared_values(environment, found, others, stores)
    invocation.note(*unproven)
    return shared, answered


def _tell_findings(
    invocation: Invocation,
    found: Verification | None,
    every: Sequence[Diagnostic],
    cluster: ClusterName | None = None,
    *,
    is_answered: bool = True,
) -> int:
    """Shows `every` finding; `found` is None where errors of the input kept it from asking. Returns the exit code."""
    values = invocation.arguments.values
    return invocation.findings(
        every,
        invocation.arguments.environment if values is None else None,
        content=verification_content(values, found, cluster),
        is_answered=is_answered,
    )


def _cluster_check(arguments: Namespace, environment: Environment | None) -> tuple[Check, ClusterName | None]:
    """Connects to the cluster before the stores are read; what it returns checks it afterwards."""
    if environment is None or not arguments.cluster:
        return (lambda _written, _values: ()), None
    from compiler.cluster.verify import OPTIONAL, cluster_checker  # noqa: PLC0415 - only --cluster asks it
    from compiler.cluster.view import open_view  # noqa: PLC0415
    from compiler.model.values import manifests_of  # noqa: PLC0415

    other = store_named(environment, arguments.store) if arguments.store is not None else None
    manifests = tuple(manifests_of(environment, arguments.secrets).values())
    accepted = [store_named(environment, each).id for each in arguments.accept_store]
    connect = partial(open_view, os.environ, arguments.context, environment.cluster, OPTIONAL)
    return cluster_checker(manifests, connect, other, accepted=accepted)


def _summary(
    subject: str, found: Verification, environment: Environment | None, cluster: ClusterName | None
) -> Iterator[Line]:
    """Which cluster was asked, which identity read each store, and the result."""
    if cluster is not None:
        yield "cluster: ", str(cluster)
    stores = environment.stores if environment is not None else {}
    for seen in found.seen:
        who = "an unknown identity"
        if seen.identity is not None:
            source = f" ({seen.identity.source})" if seen.identity.source else ""
            who = f'"{seen.identity.subject}" by {seen.identity.method}{source}'
        this = f"; this Vault is {seen.cluster}" if seen.cluster is not None else ""
        yield f"{seen.store}: read from {seen.address} as {who}{this}"
        if seen.cluster is not None and seen.store in stores and stores[seen.store].cluster_id is None:
            where = f"stores.{seen.store} in environments/{subject}.yaml"
            line = f'clusterId: "{seen.cluster.id}"'
            yield f"help: to have every command refuse another Vault, add to {where}: {line}"
    sound = sum(status.key_count for status in found.keys if status.is_sound)
    every = sum(status.key_count for status in found.keys)
    remotes = f"{pluralize(len(found.read), 'remote secret')} read"
    yield subject, f": {sound} of {every} keys OK, {remotes}"


def verification_content(
    values_file: str | None, found: Verification | None, cluster: ClusterName | None = None
) -> dict[str, Any]:
    """The members of the report beside diagnostics; `found` is None where the input kept `verify` from asking."""
    keys = found.keys if found is not None else ()
    counts = Counter(status.word for status in keys)
    return {
        "valuesFile": values_file,
        "cluster": members(cluster, "context", "server") if cluster is not None else None,
        "stores": [_store(seen) for seen in found.seen] if found is not None else [],
        "remoteSecrets": len(found.read) if found is not None else 0,
        "counts": {"keys": len(keys), **{word: counts[word] for word in ("ok", "warning", "error")}},
        "keys": [_key(status) for status in keys],
    }


def _store(seen: ReadStore) -> dict[str, Any]:
    return {
        **members(seen, "store", "address"),
        "caller": seen.identity.subject if seen.identity is not None else None,
        "clusterId": seen.cluster.id if seen.cluster is not None else None,
    }


def _key(status: KeyStatus) -> dict[str, Any]:
    cell = status.cell
    return {
        **members(cell, "secret", "key"),
        "store": cell.store.id,
        "name": cell.remote_key,
        **members(cell, "property"),
        "status": status.word,
        "rules": list(dict.fromkeys(status.rules)),
    }

"""Runs `retire`, which plans and, with `--apply`, deletes from a store what no environment reads there any more."""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from compiler.change.plan import Options
from compiler.cli.invocation import Invocation, files_alone
from compiler.cli.parser import REPORT_FORMATS, Parser, add_format, add_writing, require_store
from compiler.cli.running import Answer, run_writing
from compiler.live.readers import Reader, unproven_stores, way_out
from compiler.model.environment import Environment
from compiler.operations.retire import Retirement, retire
from compiler.refusal import Refusal
from compiler.render.content import HANGING, Line, Wrapped, members
from compiler.text.wording import pieces_of

DESCRIPTION = """Deletes an environment's remote secrets from a store that no longer serves them, so that the old values
cannot be read there. Without --apply it only reads, and shows the plan.

A remote secret stays where any environment of the project reads it, and with --cluster where anything in the cluster
reads or writes it: in the store itself, or in one that may be the same, as nothing proves that it is another. If you
know that it is a different store, add --not-the-same STORE. --apply needs --cluster, or --without-cluster where no
cluster reads the store.

It is deleted only if the store that serves each of its keys now holds the same value. A key that differs, or that
cannot be compared, exits 1, and the plan is not applied.

The deletion is soft: in Vault, all versions that can still be read; in Key Vault, the secret. Nothing is destroyed or
purged. Each is read back and recorded in .platform-secrets/runs. After an interruption, run the same command again to
continue. --undo RUN brings back exactly the versions that the run deleted."""
EXAMPLES = (
    "platform-secrets retire prod --store vault",
    "platform-secrets retire prod --store vault --cluster --apply --audit audit.jsonl",
    "platform-secrets retire prod --store vault jira --without-cluster --apply",
    "platform-secrets retire prod --undo 20250131-120000-4fa1c2 --apply",
)
_UNASKED = "no cluster was asked who reads the store: retire --apply needs --cluster or --without-cluster"


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment whose secrets to delete there")
    parser.add_argument("secrets", metavar="SECRET", nargs="*", help="only these secrets; by default all")
    parser.add_option("--store", "ID", "id of the store to delete from")
    parser.add_cluster("also ask the cluster who reads it")
    parser.add_flag("--without-cluster", "ask no cluster, as none reads the store")
    parser.exclude("--cluster", "--without-cluster")
    parser.add_flag("--continue-on-error", "delete the others if some cannot be deleted")
    add_writing(parser, apply_help="delete; without it, only show the plan", deletes=True)
    add_format(parser, REPORT_FORMATS)


def _answer(invocation: Invocation, environment: Environment, options: Options) -> Answer:
    arguments = invocation.arguments
    store = require_store(arguments, "--store", environment.stores)
    if arguments.apply and not (arguments.cluster or arguments.without_cluster):
        message = "add --cluster; if no cluster reads the store, add --without-cluster"
        raise Refusal("usage", _UNASKED, message)
    cluster = None
    if arguments.cluster:
        from compiler.cluster.view import connect_cluster  # noqa: PLC0415 - only where it is to be asked

        cluster = connect_cluster(os.environ, arguments.context, environment.cluster)
    part: dict[str, Any] = {}

    def tell(found: Retirement) -> None:
        others = options.not_the_same
        unseen = unseen_readers(asked_cluster=arguments.cluster, without_cluster=arguments.without_cluster)
        invocation.lines(retirement_lines(found, others, unseen))
        part.update(retirement_part(found, others, unseen, asked_cluster=arguments.cluster))

    return retire(environment, store, arguments.secrets, cluster, options, files_alone(), tell), part


run = partial(run_writing, _answer, deletes=True)


_INDENT = 12
# Readers of one remote secret in a line; the report for programs has all.
_MOST_READERS = 5
_NOTE = (len("note: "), HANGING)


def retirement_lines(found: Retirement, not_the_same: Sequence[str], unseen: Sequence[str]) -> Iterator[Line]:
    """The remote secrets that stay because somebody reads them, and who may read the others."""
    for remote in found.read:
        yield "  in use    ", f"{found.store.id}:{remote.name}"
        yield Wrapped(("read by ", *pieces_of(_names(remote.readers), _MOST_READERS)), _INDENT)
    if other := way_out(reader for remote in found.read for reader in remote.readers):
        yield Wrapped(("note: a store may be the same, as nothing proves that it is another: ", other), *_NOTE)
    if not_the_same:
        yield Wrapped(("note: taken for other stores: ", ", ".join(not_the_same)), *_NOTE)
    yield Wrapped(("note: not seen here: ", ", ".join(unseen)), *_NOTE)


def _names(readers: tuple[Reader, ...]) -> list[str]:
    return list(dict.fromkeys(each.name if each.is_proven else f"{each.name} in {each.store}" for each in readers))


def retirement_part(
    found: Retirement, not_the_same: Sequence[str], unseen: Sequence[str], *, asked_cluster: bool
) -> dict[str, Any]:
    """The command's own part of the report."""
    return {
        "store": found.store.id,
        "inUse": [
            {
                **members(remote, "name", "secrets"),
                "readers": list(dict.fromkeys(each.name for each in remote.readers)),
                "unproven": list(unproven_stores(remote.readers)),
            }
            for remote in found.read
        ],
        "notTheSame": not_the_same,
        "askedCluster": asked_cluster,
        "notSeen": unseen,
    }


def unseen_readers(*, asked_cluster: bool, without_cluster: bool) -> list[str]:
    """Who may read a store unseen; `without_cluster` where a person knows that no cluster reads it."""
    needed = "" if without_cluster else "; --apply needs --cluster or --without-cluster"
    clusters = "other clusters" if asked_cluster else f"clusters (--cluster asks one{needed})"
    return [clusters, "programs and people that read the store directly"]

"""Judges a project's environments together: places that two share, and values files that belong to none."""

from collections.abc import Iterable

from compiler.model.document import Related, Source, Span
from compiler.model.environment import Environment, Project, Secret, Store
from compiler.model.inventory import reads_of
from compiler.model.store import StoreIdentity, identity_from_files, parse_address
from compiler.rules.api import PROJECT, WARNING, Finding, Findings, rule, top_of, waiver
from compiler.text.wording import closest, command_line, list_names, pluralize, quote

# All of a usual catalogue, since each wants its own waiver; a thousand names in a thousand messages help nobody.
_MOST_SECRETS = 20


def gather_shared_places(findings: Iterable[Finding]) -> Findings:
    """One finding for each two environments, in place of one for each secret that both read."""
    of_two: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        of_two.setdefault(finding.names, []).append(finding)
    for names, together in of_two.items():
        yield together[0] if len(together) == 1 else _join_shared(names, together)


@rule("shared-place", WARNING, PROJECT, gather=gather_shared_places, waivable=True)
def find_shared_place(project: Project) -> Findings:
    for readers in _by_address(project).values():
        if len(readers) > 1 and readers[0][0] is not readers[-1][0]:
            yield from _find_shared(readers)


def _by_address(project: Project) -> dict[StoreIdentity, list[tuple[Environment, Store]]]:
    """The environments with their stores that secrets are read from, by the store's identity."""
    readers: dict[StoreIdentity, list[tuple[Environment, Store]]] = {}
    for environment in project.environments:
        for store in environment.stores_in_use():
            if (address := _absolute(store)) is not None:
                readers.setdefault(address, []).append((environment, store))
    return readers


def _absolute(store: Store) -> StoreIdentity | None:
    address = parse_address(store.address) if store.address else None
    if address is None or address.extra:
        return None
    return identity_from_files(store.identity)


def _find_shared(readers: list[tuple[Environment, Store]]) -> Findings:
    seen: dict[str, tuple[Environment, Secret]] = {}
    for environment, store in readers:
        said: set[str] = set()
        reads = ((each.secret, each.place.remote_key) for each in reads_of(environment, store))
        # Each remote secret that a secret reads, once, in an order that does not depend on hashing.
        for secret, name in dict.fromkeys(reads):
            place = store.provider.remote_name(name)
            first, first_secret = seen.setdefault(place, (environment, secret))
            if first is not environment and place not in said:
                said.add(place)
                yield _shared_finding(name, environment, secret, first, first_secret)


def _shared_finding(name: str, later: Environment, secret: Secret, first: Environment, first_secret: Secret) -> Finding:
    return Finding(
        f'environments "{later.name}" and "{first.name}" both read {quote(name)} from the same store',
        _place_of_reading(later, secret),
        help=f"give each its own store or a `prefix`; {waiver('shared-place', secret.id)}",
        related=(Related(f'read by "{first.name}" because of this', _place_of_reading(first, first_secret)),),
        scope=("secrets", secret.id),
        names=(later.name, first.name),
    )


def _place_of_reading(environment: Environment, secret: Secret) -> Span:
    """The place in the environment's own file that makes it read there: a waiver belongs beside it."""
    source = environment.document.source
    candidates = [secret.store_node]
    if secret.store is not None:
        candidates += [
            secret.store.node.get(field) for field in (secret.store.provider.address, "mount", "prefix", "clusterId")
        ]
    for node in candidates:
        if node is not None and node.source is source:
            return node.span
    return top_of(environment.document)


def _join_shared(names: tuple[str, ...], findings: list[Finding]) -> Finding:
    later, first = names
    secrets = list(dict.fromkeys(finding.scope[-1] for finding in findings))
    read = f"{pluralize(len(secrets), 'secret')} from the same places: {list_names(secrets, _MOST_SECRETS)}"
    return findings[0]._replace(
        message=f'environments "{later}" and "{first}" both read {read}',
        help=f"give each its own store or a `prefix`; {waiver('shared-place', secrets[0])}, and to the others",
    )


# A guess compares with every name there is: one for each of a thousand files would take seconds, ten thousand minutes.
_MOST_GUESSES = 20
_ARGO_CD = (
    "Argo CD fails to render an Application that reads a removed file, and keeps its Secrets unless it has "
    "`ignoreMissingValueFiles: true`"
)


@rule("orphan-values", WARNING, PROJECT)
def find_orphan_values(project: Project) -> Findings:
    names = set(project.names)
    orphans = ((name, path) for name, path in project.values_files.items() if name not in names)
    new = next((name for name in project.names if name not in project.values_files), None)
    for count, (name, path) in enumerate(orphans):
        unread = project.unread_files.get(name)
        match = (closest(name, project.names) or new) if count < _MOST_GUESSES else None
        message = f"no environment is named {quote(name)}"
        if unread is not None:
            message += f", and {quote(unread)} is not read as one"
            way_out = f"move that to {quote(f'environments/{name}.yaml')}"
        elif match is not None:
            way_out = (
                f'if "{match}" is its new name, have its Application read values-{match}.yaml, then remove this file'
            )
        else:
            way_out = f"once no Application reads it, `{command_line('compile', '--prune')}` removes it; {_ARGO_CD}"
        yield Finding(message, Span(Source(path)), help=way_out)

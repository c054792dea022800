"""Says of stored versions who wrote them and when, which is the later one, and how one is kept or copied."""

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from compiler.model.environment import Store
from compiler.model.store import StoreAddress
from compiler.stores.errors import StoreError
from compiler.stores.interface import ROTATION, Attributes, Limit, RemoteSecret, SecretReader
from compiler.text.wording import command_line, quote, shell_line

# The run of this project that wrote a version, None for any other writer.
WriterOf = Callable[["StoredVersion"], "PastRun | None"]

# A run's id: the moment at which it was begun, in UTC, and a part by chance.
RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}", re.ASCII)
SECOND = len("20250131-120000")


def start_time(run_id: str) -> datetime:
    """When the run began, by its id. Raises ValueError for an impossible date."""
    return datetime.strptime(run_id[:SECOND], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)


def start_time_if_valid(run_id: str) -> datetime | None:
    """The same, and None for an impossible date, as of a file that somebody named."""
    with suppress(ValueError):
        return start_time(run_id)
    return None


def rotation_of(attributes: Attributes) -> str | None:
    """The run that rotates what has these tags; None too for a tag of that name that is not this program's."""
    run = attributes.tags.get(ROTATION, "")
    return run if RUN_ID.fullmatch(run) and start_time_if_valid(run) is not None else None


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run, with the command and the environment that undo it."""

    id: str
    command: str
    environment: str
    # The secrets and keys that it writes, and whether something of it is left to undo.
    keys: frozenset[tuple[str, str]] = field(default=frozenset(), compare=False)
    can_undo: bool = field(default=True, compare=False)

    @property
    def undo(self) -> str:
        """The command line that plans its undo."""
        return command_line(self.command, self.environment, "--undo", self.id)


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version in the store `store` of an environment, at the absolute `address`; `created` as the store says it."""

    store: str
    address: str
    name: str
    version: str
    created: datetime | None


def version_of(store: str, address: str, remote: RemoteSecret) -> StoredVersion:
    return StoredVersion(store, address, remote.name, remote.version, remote.attributes.created)


def no_writer(version: StoredVersion) -> PastRun | None:
    """The writer of a version where no runs are known."""
    del version
    return None


def is_later(one: StoredVersion, other: StoredVersion) -> bool:
    """Whether `one` is known to be written later. Key Vault tells no fractions of a second."""
    if one.created is None or other.created is None:
        return False
    return one.created.replace(microsecond=0) > other.created.replace(microsecond=0)


def describe_writes(one: StoredVersion, other: StoredVersion, writer_of: WriterOf) -> str:
    """When each was written, and by which run; the later one first, else `one`. Empty where none of it is known."""
    if one.created is None and other.created is None:
        return ""
    first, second = _later_first(one, other)
    later = " later," if is_later(first, second) else ""
    return (
        f"{quote(first.store)} was written{later} {describe_write(first, writer_of)}, "
        f"{quote(second.store)} {describe_write(second, writer_of)}"
    )


def describe_write(version: StoredVersion, writer_of: WriterOf) -> str:
    """When a version was written, and by which run."""
    run = writer_of(version)
    by = f" by {run.command}, run {run.id}" if run is not None else ""
    time = f"{version.created:%Y-%m-%d %H:%M:%S} UTC" if version.created is not None else "at an unknown time"
    return f"{time}{by}"


def run_of_later(one: StoredVersion, other: StoredVersion, writer_of: WriterOf) -> PastRun | None:
    """The run that wrote the later one: undoing it brings back what stood there before."""
    first, second = _later_first(one, other)
    return writer_of(first) if is_later(first, second) else None


def remedies(
    environment: str,
    secret: str,
    one: StoredVersion,
    other: StoredVersion,
    writer_of: WriterOf,
    incomplete: str | None = None,
) -> tuple[str, ...]:
    """What to run where the value of the later version is right, and where it is not.

    The run that wrote a wrong one is undone; else the right one is written over it. From the store `incomplete`, where
    another key of the secret is missing or blank, nothing can be copied.
    """
    first, second = _later_first(one, other)
    run = run_of_later(one, other, writer_of)
    ways = ((first, second, ""), (second, first, run.undo if run is not None else ""))
    return tuple(
        f"if that of {quote(right.store)} is right: {undo or copy_command(environment, secret, right, wrong)}"
        for right, wrong, undo in ways
        if undo or right.store != incomplete
    )


def copy_command(environment: str, secret: str, right: StoredVersion, wrong: StoredVersion) -> str:
    """The line that plans writing the value of `right` over that of `wrong`."""
    ends = ("--to", wrong.store, "--from", right.store)
    return command_line("migrate", environment, *ends, "--only", secret, "--on-conflict", "overwrite")


def _later_first(one: StoredVersion, other: StoredVersion) -> tuple[StoredVersion, StoredVersion]:
    return (other, one) if is_later(other, one) else (one, other)


def end_before(new: Store, found: RemoteSecret, old: Store, serving: RemoteSecret | None) -> datetime | None:
    """When `found` in the store `new` deletes itself, where that is before `serving` in `old` does; else None.

    Only a Vault deletes: what a Key Vault holds is served after its expiry date too. What is not known to end later,
    as its store did not answer, does not.
    """
    ends = found.attributes.expires
    if not new.provider.expires_by_itself or ends is None:
        return None
    own = serving.attributes.expires if serving is not None and old.provider.expires_by_itself else None
    return ends if own is None or ends < own else None


def keep_command(store: SecretReader, name: str, version: str) -> str:
    """The line by which a version in a Vault does not delete itself, after asking which settings say that it does."""
    try:
        dropped = store.losses_of_write(name)
    except StoreError:
        limits: Collection[Limit] = tuple(Limit)
    else:
        limits = dropped.limits if dropped is not None else ()
    return lasting_command(store.address, name, limits, version)


def lasting_command(
    store: StoreAddress | Store, name: str, limits: Collection[Limit], version: str | None = None
) -> str:
    """The line by which versions of `name` in a Vault no longer delete themselves, nor does the present one, `version`.

    `limits` are the settings that say so; the mount's is that of all its secrets. A version keeps its end until it is
    undeleted, and gets a new one where a setting still says so (measured on OpenBao 2.7).
    """
    lines = []
    if Limit.MOUNT in limits:
        config = f"{store.mount.strip('/')}/config"
        lines.append(shell_line("bao", "write", *_namespace(store), config, "delete_version_after=0s"))
    if Limit.NAME in limits:
        lines.append(kv_line(store, ("metadata", "put"), "-delete-version-after=0s", name))
    if version is not None:
        lines.append(kv_line(store, ("undelete",), f"-versions={version}", name))
    return " && ".join(lines)


def kv_line(store: StoreAddress | Store, verb: Sequence[str], option: str, name: str) -> str:
    """The line by which `bao kv` does something with one remote secret of a Vault."""
    mount = f"-mount={store.mount.strip('/')}"
    return shell_line("bao", "kv", *verb, *_namespace(store), mount, option, name)


def _namespace(store: StoreAddress | Store) -> list[str]:
    return [f"-namespace={store.vault_namespace}"] if store.vault_namespace else []

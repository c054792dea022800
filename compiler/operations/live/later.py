"""Says which of two stores' different values was written later, when, by which run, and what to run in each case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.text.command_line import command_line
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from compiler.model.store_address import StoreAddress
    from compiler.stores.interface import RemoteSecret

    # The run of this project that wrote a version, None for any other writer.
    WriterOf = Callable[["StoredVersion"], "PastRun | None"]


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run, with the command and the environment that undo it."""

    id: str
    command: str
    environment: str

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


def version_of(store: str, address: StoreAddress, remote: RemoteSecret) -> StoredVersion:
    return StoredVersion(store, address.absolute, remote.name, remote.version, remote.attributes.created)


def written(created: datetime | None) -> str:
    return f"{created:%Y-%m-%d %H:%M:%S} UTC" if created is not None else "at an unknown time"


def nobody(version: StoredVersion) -> PastRun | None:
    """The writer of a version where no runs are known."""
    del version
    return None


def is_later(one: StoredVersion, other: StoredVersion) -> bool:
    """Whether `one` is known to be written later. Key Vault tells no fractions of a second."""
    if one.created is None or other.created is None:
        return False
    return one.created.replace(microsecond=0) > other.created.replace(microsecond=0)


def when(one: StoredVersion, other: StoredVersion, writer_of: WriterOf) -> str:
    """When each was written, and by which run; the later one first, else `one`. Empty where none of it is known."""
    if one.created is None and other.created is None:
        return ""
    first, second = _later_first(one, other)
    later = " later," if is_later(first, second) else ""
    return (
        f"{quoted(first.store)} was written{later} {at(first, writer_of)}, "
        f"{quoted(second.store)} {at(second, writer_of)}"
    )


def at(version: StoredVersion, writer_of: WriterOf) -> str:
    """When a version was written, and by which run."""
    run = writer_of(version)
    by = f" by {run.command}, run {run.id}" if run is not None else ""
    return f"{written(version.created)}{by}"


def run_of_later(one: StoredVersion, other: StoredVersion, writer_of: WriterOf) -> PastRun | None:
    """The run that wrote the later one: undoing it brings back what stood there before."""
    first, second = _later_first(one, other)
    return writer_of(first) if is_later(first, second) else None


def remedies(
    environment: str, secret: str, one: StoredVersion, other: StoredVersion, writer_of: WriterOf
) -> tuple[str, str]:
    """What to run where the value of the later version is right, and where it is not.

    The run that wrote a wrong one is undone; else the right one is written over it.
    """
    first, second = _later_first(one, other)
    run = run_of_later(one, other, writer_of)
    undo = run.undo if run is not None else copy_command(environment, secret, second, first)
    return (
        f"if that of {quoted(first.store)} is right: {copy_command(environment, secret, first, second)}",
        f"if that of {quoted(second.store)} is right: {undo}",
    )


def copy_command(environment: str, secret: str, right: StoredVersion, wrong: StoredVersion) -> str:
    """The line that plans writing the value of `right` over that of `wrong`."""
    ends = ("--to", wrong.store, "--from", right.store)
    return command_line("migrate", environment, *ends, "--only", secret, "--on-conflict", "overwrite")


def _later_first(one: StoredVersion, other: StoredVersion) -> tuple[StoredVersion, StoredVersion]:
    return (other, one) if is_later(other, one) else (one, other)

"""The two stores of a scenario, in memory: versions are numbered, and a Key Vault keeps each secret as a JSON text."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, DisabledError
from compiler.stores.interface import Dropped, Identity, Limit, Problem, RemoteSecret
from compiler.stores.secret_value import SecretValue, write_object
from tests.memory_store import MemoryStore, secrets
from tests.providers import KEY_VAULT, VAULT

# Where the stores of tests/scenarios/project are.
STORES = {
    "vault": StoreAddress(VAULT, "https://vault.example.com:8200"),
    "azure": StoreAddress(KEY_VAULT, "https://shop.vault.azure.net"),
}


class ScenarioStore(MemoryStore):
    """A store that a scenario calls `name`; another one than those of the project has the first label of its host."""

    has_texts = True

    def __init__(self, name: str, address: StoreAddress, order: Iterator[int]) -> None:
        super().__init__(address)
        self.name = name
        self.days = 0.0  # the age of what is written from now on
        self.is_silent = False
        # Each version of a scenario is a second later than the one before, in whichever store.
        start = datetime.now(UTC) - timedelta(hours=1)
        self.clock = lambda: start - timedelta(days=self.days) + timedelta(seconds=next(order))

    def put(self, secret: str, values: Mapping[str, str]) -> None:
        """Another writer's version."""
        if self.is_vault:
            self.hold(secret, secrets(**values))
        else:
            self.hold(secret, {}, write_object({key: SecretValue(value) for key, value in values.items()}))

    def remove(self, secret: str) -> None:
        """Another writer's soft deletion of the newest version."""
        self._delete(secret, [self.versions[secret][-1].version])

    def end(self, secret: str) -> None:
        """The newest version has a `delete_version_after`."""
        newest = self.versions[secret][-1]
        attributes = replace(newest.attributes, expires=datetime.now(UTC) + timedelta(days=90))
        self.versions[secret][-1] = replace(newest, attributes=attributes)
        self.drops[secret] = Dropped((), 10, 60, (Limit.NAME,))

    def tag(self, secret: str, tag: str) -> None:
        """The newest version has the tag NAME=VALUE."""
        name, _, value = tag.partition("=")
        newest = self.versions[secret][-1]
        self.versions[secret][-1] = replace(newest, attributes=replace(newest.attributes, tags={name: value}))

    def disable(self, secret: str) -> None:
        """Its newest version cannot be read."""
        self.failures["read", secret] = DisabledError(self.place(secret), Action.READ, "it is disabled", "enable it")

    def deny(self, secret: str) -> None:
        """The caller may not write it."""
        self.denied = (Problem("forbidden", secret, "you may not write it", "get a role"),)

    def whoami(self) -> Identity:
        if self.is_silent:
            raise self.unavailable("whoami")
        return super().whoami()

    def _called(self, method: str, name: str) -> None:
        super()._called(method, name)
        if self.is_silent:
            raise self.unavailable(name)

    def contents(self) -> dict[str, str]:
        """A line for each remote secret: its newest version and properties, or that it is deleted."""
        return {f"{self.name} {secret}": self._show(secret, found[-1]) for secret, found in self.versions.items()}

    def _show(self, secret: str, newest: RemoteSecret) -> str:
        if secret in self.deleted:
            return f"deleted, {len(self._readable(secret))} versions readable" if self.is_vault else "deleted"
        tags = "".join(f" {name}={value}" for name, value in sorted(newest.attributes.tags.items()))
        values = " ".join(f"{key}={value.reveal()}" for key, value in sorted(newest.properties.items()))
        if not newest.properties and newest.whole is not None:
            values = newest.whole.reveal()
        return f"{newest.version}: {values}" + (f" [{tags[1:]}]" if tags else "")

    def _next_version(self, name: str) -> str:
        number = len(self.versions[name]) + 1
        return str(number) if self.is_vault else f"v{number}"


def new_stores() -> dict[str, ScenarioStore]:
    """The empty stores of the project, by the names that scenarios give them."""
    order = count()
    return {name: ScenarioStore(name, address, order) for name, address in STORES.items()}

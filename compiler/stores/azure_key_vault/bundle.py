"""Defines what the adapter asks of a Key Vault client, one method a request, and a version as the vault shows it."""

from dataclasses import dataclass
from typing import Protocol

from compiler.stores.errors import Action
from compiler.stores.interface import Attributes, Identity
from compiler.stores.values.secret import SecretValue


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version; `value` is None in lists and of deleted secrets."""

    name: str
    version: str | None
    value: SecretValue | None
    attributes: Attributes


class VaultClient(Protocol):
    """One request each, sent once; raises StoreErrors only. `action` is what a refusal says was being done.

    A page comes with the token of the next one, None after the last. `ask` is for what any answer brings along.
    """

    def get(self, name: str, version: str | None, action: Action) -> Bundle: ...

    def set(self, name: str, value: SecretValue, attributes: Attributes) -> Bundle: ...

    def get_deleted(self, name: str, action: Action) -> Bundle: ...

    def delete(self, name: str) -> Bundle: ...

    def recover(self, name: str) -> Bundle: ...

    def ask(self) -> None: ...

    def page_of_versions(self, name: str, token: str | None, action: Action) -> tuple[list[Bundle], str | None]: ...

    def identity(self) -> Identity | None: ...

    def close(self) -> None: ...

"""Knows of a project what ways out may name: its environments, and the names that no secret has."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from compiler.text.command_line import command_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Words of the schema and of every example; no secret is one of them.
_WORDS = frozenset({"base", "vault", "azure", "azurekv", "name", "provider", "key", "description", "value"})


# What `new project` calls the stores.
_STORES = frozenset({"vault", "azure"})
# The keys of an environment that are no map of names.
SETTINGS = frozenset(
    {
        *("extends", "namespace", "store", "refreshInterval", "fetch", "externalSecretsOperator"),
        *("secrets", "stores", "moves", "madeElsewhere", "partOf", "argocdProject", "subchart", "waive"),
        *("labels", "annotations", "secretLabels", "secretAnnotations"),
    }
)
# Those that one secret may have too.
_OF_A_SECRET = frozenset({"store", "namespace", "refreshInterval", "fetch"})


def of_setting(key: str) -> str:
    """The way out for one of `SETTINGS` that stands among the secrets."""
    if key == "secrets":
        return "`secrets:` stands twice: remove the second, and indent what is below it as the first one's"
    if key in _OF_A_SECRET:
        return f"`{key}:` is a setting: write it beside `secrets:`, or indent it below one secret"
    return f"`{key}:` is a setting of the environment: it stands a level higher, beside `secrets:`"


class Surroundings:
    """What is known beside the document: the project's environments and names, and which environment it is.

    `environment` is None for a document that several share. `words` is asked once, when a mistake is found; `secrets`
    are the ids of the catalogue, and `stores` those of stores, as far as these are read.
    """

    def __init__(
        self,
        environments: Sequence[str] = (),
        environment: str | None = None,
        words: Callable[[], Iterable[str]] = tuple,
        secrets: Callable[[], Iterable[str]] = tuple,
        stores: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._environments = environments
        self._environment = environment
        self._words = words
        self._secrets = secrets
        self._stores = stores

    @cached_property
    def words(self) -> frozenset[str]:
        """The names that may be shown wherever they stand."""
        return _WORDS.union(self._words())

    @cached_property
    def secrets(self) -> frozenset[str]:
        """The ids of the catalogue's entries."""
        return frozenset(self._secrets())

    def is_setting(self, key: str) -> bool:
        """Whether the key is one of an environment and no secret's id."""
        return key in SETTINGS and key not in self.secrets

    def is_store(self, word: object) -> bool:
        """Whether the word is the id of a store, as far as the stores are read."""
        return isinstance(word, str) and (word in _STORES or word in self._stores())

    def put(self, *names: str) -> str:
        """The command that sets a value in the store of an environment of the project."""
        known = self._environments
        environment = self._environment or ("dev" if "dev" in known else next(iter(known), "ENV"))
        return command_line("put", environment, *names)

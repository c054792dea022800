"""Opens shelves, which live in the process."""

import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, Code, StoreError
from compiler.stores.interface import Attributes, Changes, Identity, Problem, RemoteSecret, StoreOptions, Written
from compiler.stores.secret_value import UNWRITABLE, SecretValue, traits
from tests.memory_store import MemoryStore

_MOST_TAGS: Final = 9
_NAME: Final = re.compile(r"[a-z0-9-]+(?:/[a-z0-9-]+)*")
SHELVES: dict[str, "ShelfStore"] = {}


class ShelfStore(MemoryStore):
    """One shelf: opening it again finds what it held. A book is one text, taken away and brought back whole."""

    has_texts = True

    def __init__(self, address: StoreAddress, environ: Mapping[str, str], options: StoreOptions) -> None:
        super().__init__(address)
        self.clock = lambda: datetime.now(UTC)
        self._owner = environ.get("SHELF_CARD", "reader")
        self._lock = threading.RLock()
        first = SHELVES.setdefault(address.url, self)
        self.versions, self.deleted, self._lock = first.versions, first.deleted, first._lock
        options.on_contact(None)

    def whoami(self) -> Identity:
        return Identity(self._owner, "card")

    def check(
        self, name: str, content: Changes, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> tuple[Problem, ...]:
        del base, attributes
        named = {None: content} if isinstance(content, SecretValue) else content
        unfit = [key for key, value in named.items() if value is not None and traits(value) & UNWRITABLE]
        return (
            *(() if _NAME.fullmatch(name) else (Problem(Code.INVALID_NAME, name, "it is no name", "correct it"),)),
            *(Problem(Code.INVALID_VALUE, name, "it cannot be kept", "correct it", key) for key in unfit),
        )

    def write(
        self, name: str, content: Changes, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> Written:
        self._require_sound(name, self.check(name, content, base))
        return super().write(name, content, base, attributes)

    def _called(self, method: str, name: str) -> None:
        super()._called(method, name)
        if not _NAME.fullmatch(name):
            raise StoreError(self.place(name), Action.READ, "it is no name", "correct it", Code.INVALID_NAME)

    def _write(
        self,
        method: str,
        name: str,
        properties: Mapping[str, SecretValue],
        whole: SecretValue | None,
        base: RemoteSecret | None,
        attributes: Attributes | None,
    ) -> Written:
        with self._lock:
            if name in self.deleted:
                self._newest(name, Action.WRITE)
            return super()._write(method, name, properties, whole, base, attributes)

    def _require_sound(self, name: str, problems: tuple[Problem, ...]) -> None:
        for problem in problems:
            raise StoreError(self.place(name), Action.WRITE, problem.reason, problem.remedy, Code(problem.code))

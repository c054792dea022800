"""Plays each command of the table of access in every way that asks something of its own of a store."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pyrage import x25519  # type: ignore[import-untyped]

from tests.commands import Done
from tests.proofs.conftest import World
from tests.proofs.retiring import GITHUB, JIRA, NAMES, Retiring
from tests.proofs.writing import PEM, TOKEN, VALUES, VAULT, Writing

OTHERS = {"vault": "azure", "azure": "vault"}
NEWER = {"GITHUB_TOKEN": "token-9", "GITHUB_APP_KEY": "pem-9"}
TAGS = {"team": "payments"}


@dataclass
class Scenes:
    """Commands on the store `at` of a project. `step` runs each; all else is done as an administrator would."""

    world: World
    folder: Path
    at: str
    step: Callable[[Callable[[], Done]], None]

    def __post_init__(self) -> None:
        # A limit: some commands then look for how old a value is.
        catalogue = self.world.root / "environments/catalogue.yaml"
        text = catalogue.read_text("utf-8")
        for key in ("GITHUB_TOKEN: {", "JIRA_TOKEN: {"):
            text = text.replace(key, f"{key}rotate: 90d, ")
        catalogue.write_text(text, "utf-8")

    @property
    def other(self) -> str:
        return OTHERS[self.at]

    def play(self, command: str) -> None:
        """Run a command, as the table calls it, from what it needs to what is left of it."""
        name, _, option = command.partition(" ")
        if command == "import store":
            self._import_store()
        elif command in ("verify", "status", "cutover", "backup", "migrate --from"):
            self._read(name)
        elif name == "retire":
            self._retire(is_undone=option == "--undo")
        elif name == "rotate":
            self._rotate(option)
        elif option == "--recover":
            writing = self._deleted(name)
            self.step(lambda: writing("--recover", "--apply"))
        elif option == "--undo":
            self._undo(name)
        else:
            self._write(name, *filter(None, [option]))

    def _hold(self, store: str, index: int, values: dict[str, str], tags: dict[str, str] | None = None) -> None:
        name = NAMES[store][index]
        if store == "azure":
            self.world.azure.seed(name, json.dumps(values), tags=tags)
            return
        self.world.put(name, values)
        if tags:
            self.world.bao.call("POST", f"{self.world.mount}/metadata/{name}", {"custom_metadata": tags})

    def _delete(self) -> None:
        if self.at == "vault":
            self.world.bao.call("DELETE", f"{self.world.mount}/data/{VAULT}")
        else:
            for name in (TOKEN, PEM):
                self.world.azure.seed_deleted(name, "{}")

    def _import_store(self) -> None:
        if self.at == "vault":
            self.world.put("team/db", {"DB_PASSWORD": "token-7"})
        else:
            self.world.azure.seed("smtp-password", "token-7")
        self.step(lambda: self.world.run("import", "store", self.at, "--environment", "prod"))

    def _read(self, name: str) -> None:
        for store in OTHERS if name != "migrate" else (self.at,):
            self._hold(store, 0, GITHUB)
            self._hold(store, 1, JIRA)
        self.world.serve_from(self.at)
        key = str(x25519.Identity.generate().to_public())
        words = {
            "cutover": ("jira", "--to", self.other, "--apply"),
            "backup": (str(self.folder / "prod.age"), "--recipient", key),
            "migrate": ("--to", self.other, "--all-properties", "--apply"),
        }
        self.step(lambda: self.world.run(name, "prod", *words.get(name, ())))

    def _write(self, name: str, *options: str) -> None:
        writing = Writing(self.world, self.folder, name, self.at)
        self.step(lambda: writing("--apply", *options))
        writing.has(NEWER)
        self.step(lambda: writing("--apply", *options))
        if name == "migrate":
            self._hold(self.other, 1, JIRA, TAGS)
            self.step(lambda: self._tagged("--apply", *options))

    def _tagged(self, *options: str) -> Done:
        words = ("--to", self.at, "--from", self.other, "--only", "jira", "--on-conflict", "overwrite")
        return self.world.run("migrate", "prod", *words, *options)

    def _rotate(self, option: str) -> None:
        self._hold(self.at, 0, GITHUB)
        self.world.serve_from(self.at)
        (self.folder / "token").write_text("token-9")
        values = ("--from-file", str(self.folder / "token"), "--apply")
        words = ("rotate", "prod", "github", "GITHUB_TOKEN", "--without-cluster", *values)
        if not option:
            self.step(lambda: self.world.run(*words))
            return
        assert self.world.run(*words).code == 0
        (journal,) = self.world.journals()
        self.step(lambda: self.world.run("rotate", "prod", option, journal.stem, "--apply"))

    def _deleted(self, name: str) -> Writing:
        writing = Writing(self.world, self.folder, name, self.at)
        assert writing("--apply").code == 0
        self._delete()
        writing.has(NEWER)
        return writing

    def _undo(self, name: str) -> None:
        """The undo of an update, and of a create."""
        writing = Writing(self.world, self.folder, name, self.at)
        for values in (VALUES, NEWER):
            writing.has(values)
            assert writing("--apply").code == 0
        self.world.serve_from(self.other)
        self.step(lambda: writing.undo("--apply"))
        self._purge()
        writing.has(VALUES)
        assert writing("--apply").code == 0
        self.step(lambda: writing.undo("--apply"))

    def _purge(self) -> None:
        if self.at == "vault":
            self.world.bao.call("DELETE", f"{self.world.mount}/metadata/{VAULT}")
        else:
            for name in (TOKEN, PEM):
                with self.world.azure.lock:
                    self.world.azure.state.delete(self.world.azure.url, name)
                    self.world.azure.state.purge(name)

    def _retire(self, *, is_undone: bool) -> None:
        retiring = Retiring(self.world, self.at)
        if not is_undone:
            self.step(lambda: retiring("--apply"))
            return
        assert retiring("--apply").code == 0
        self.step(lambda: retiring.undo("--apply"))

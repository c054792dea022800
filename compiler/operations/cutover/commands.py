"""Writes the command lines that open the gate, take a switch back or commit it, ready to be pasted."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from compiler.operations.cutover.request import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from compiler.operations.cutover.request import Request

_PROGRAM = "platform-secrets"


@dataclass(frozen=True, slots=True)
class Commands:
    """How this run was called: the project's folder, as `given` with --root, and `here` where the caller stands.

    `retired` are the command lines that bring back what runs of this project deleted, by the store's absolute address
    and the remote name.
    """

    root: Path
    given: str | None
    here: Path
    environment: str
    request: Request
    cluster: tuple[str, ...] = ()
    retired: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    def again(self, *more: str) -> str:
        """This command with `more` options."""
        request = self.request
        words = [*request.secrets, *([f"--{request.mode}"] if request.mode is not Mode.TO else [])]
        words += ["--to", request.to] if request.to is not None else []
        words += ["--accept-differences", *request.accepted] if request.accepted else []
        words += ["--without-comparison"] if request.without_comparison else []
        words += ["--with-dependants"] if request.with_dependants else []
        return self._line("cutover", self.environment, *words, *self.cluster, *more)

    def accepting(self, keys: Sequence[str]) -> str:
        """This command with those keys accepted as different, and no others."""
        return replace(self, request=replace(self.request, accepted=tuple(keys))).again()

    def switch(self, environment: str, secrets: Iterable[str], to: str) -> str:
        """The switch of those secrets, as a plan."""
        return self._line("cutover", environment, *secrets, "--to", to)

    def back(self, secrets: Iterable[str], to: str) -> str:
        """The way back of a switch that left the store `to`."""
        return self._line("cutover", self.environment, *secrets, "--back", "--to", to, "--apply")

    def finish(self, to: str) -> str:
        return self._line("cutover", self.environment, "--finish", "--to", to)

    def migrate(self, environment: str, secrets: Iterable[str], to: str, *more: str) -> str:
        only = [word for secret in secrets for word in ("--only", secret)]
        return self._line("migrate", environment, "--to", to, *only, *more)

    def bring_back(self, address: str, name: str) -> str | None:
        """The undo of the run that deleted a remote secret, None where no run of this project did."""
        words = self.retired.get((address, name))
        return None if words is None else self._line(*words, "--apply")

    def verify(self, environment: str, secrets: Iterable[str], *more: str) -> str:
        return self._line("verify", environment, *secrets, *more)

    def rule(self, rule: str) -> str:
        """The page of a rule, where a finding of it says no way out."""
        return self._line("rules", rule)

    def compile(self, environments: Iterable[str]) -> str:
        return self._line("compile", *environments)

    def commit(self, files: Sequence[str], subject: str, body: str) -> tuple[str, str]:
        """What a person runs after an edit; the paths are as seen from where they stand."""
        git = ["git", *(["-C", self.given] if self.given is not None else [])]
        paths = [file if self.given is not None else os.path.relpath(self.root / file, self.here) for file in files]
        message = ["-m", subject, *(["-m", body] if body else [])]
        return shlex.join([*git, "add", *paths]), shlex.join([*git, "commit", *message])

    def _line(self, *words: str) -> str:
        root = ["--root", self.given] if self.given is not None else []
        return shlex.join([_PROGRAM, *root, *words])

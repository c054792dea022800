"""Writes the command lines that open the gate, take a switch back or commit it, ready to be pasted."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from compiler.operations.cutover.request import Mode
from compiler.operations.live.later import nobody
from compiler.text.command_line import command_line, shell_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from compiler.operations.cutover.request import Request
    from compiler.operations.live.later import PastRun, WriterOf

_FEW = 5


@dataclass(frozen=True, slots=True)
class Commands:
    """How this run was called: the project's folder, as `given` with --root, and `here` where the caller stands.

    `writer_of` knows the runs of this project that wrote a version.
    `applies` where it writes: a command that goes on with it does too, and one that goes back always.

    `retired` are the runs of this project that deleted a remote secret, by the store's absolute address and its name.
    """

    root: Path
    given: str | None
    here: Path
    environment: str
    request: Request
    cluster: tuple[str, ...] = ()
    retired: Mapping[tuple[str, str], PastRun] = field(default_factory=dict)
    applies: bool = False
    writer_of: WriterOf = nobody

    def again(self, *more: str) -> str:
        """This command with `more` options."""
        request = self.request
        words = [*request.secrets, *([f"--{request.mode}"] if request.mode is not Mode.TO else [])]
        words += ["--to", request.to] if request.to is not None else []
        words += ["--accept-differences", *request.accepted] if request.accepted else []
        words += ["--accept-ending", *request.ending] if request.ending else []
        words += ["--without-comparison"] if request.without_comparison else []
        words += ["--with-dependants"] if request.with_dependants else []
        apply = ["--apply"] if self.applies or request.mode is Mode.BACK else []
        return command_line("cutover", self.environment, *words, *self.cluster, *more, *apply)

    def accepting(self, keys: Sequence[str]) -> str:
        """This command with those keys accepted as different, and no others."""
        return replace(self, request=replace(self.request, accepted=tuple(keys))).again()

    def accepting_ending(self, secrets: Iterable[str]) -> str:
        """This command with those secrets accepted although what the new store holds of them deletes itself."""
        return replace(self, request=replace(self.request, ending=tuple(secrets))).again()

    def switch(self, environment: str, secrets: Iterable[str], to: str) -> str:
        """The switch of those secrets in place of this one."""
        apply = ["--apply"] if self.applies else []
        return command_line("cutover", environment, *secrets, "--to", to, *self.cluster, *apply)

    def back(self, secrets: Iterable[str], to: str) -> str:
        """The way back of a switch that left the store `to`."""
        return command_line("cutover", self.environment, *secrets, "--back", "--to", to, "--apply")

    def finish(self, to: str) -> str:
        return command_line("cutover", self.environment, "--finish", "--to", to)

    def migrate(self, environment: str, secrets: Iterable[str], to: str, *more: str) -> str:
        only = [word for secret in secrets for word in ("--only", secret)]
        return command_line("migrate", environment, "--to", to, *only, *more)

    def bring_back(self, address: str, name: str) -> str | None:
        """The undo of the run that deleted a remote secret, None where no run of this project did."""
        run = self.retired.get((address, name))
        return None if run is None else f"{run.undo} --apply"

    def verify(self, environment: str, secrets: Iterable[str], *more: str) -> str:
        return command_line("verify", environment, *secrets, *more)

    def watch(self, secrets: Sequence[str]) -> str:
        """The wait until those secrets are in effect; of many, until all of the environment are."""
        only = [word for secret in secrets for word in ("--only", secret)] if len(secrets) <= _FEW else []
        words = [word for word in self.cluster if word != "--cluster"]
        return command_line("status", self.environment, *only, "--wait", *words)

    def rule(self, rule: str) -> str:
        """The page of a rule, where a finding of it says no way out."""
        return command_line("rules", rule)

    def compile(self, environments: Iterable[str]) -> str:
        return command_line("compile", *environments)

    def diff(self, environment: str) -> str:
        return command_line("diff", environment)

    def commit(self, files: Sequence[str], subject: str, body: str) -> tuple[str, str]:
        """What a person runs after an edit; the paths are as seen from where they stand."""
        git = ["git", *(["-C", self.given] if self.given is not None else [])]
        paths = [file if self.given is not None else os.path.relpath(self.root / file, self.here) for file in files]
        message = ["-m", subject, *(["-m", body] if body else [])]
        return shell_line(*git, "add", *paths), shell_line(*git, "commit", *message)

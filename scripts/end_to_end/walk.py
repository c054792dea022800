"""Walks a platform from Vault to Key Vault and back while its Secrets are watched, and breaks the Key Vault on purpose.

It runs this program's own commands, as a person would, and Helm.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from compiler.cluster.view import container_states, ready_of, ready_reason
from compiler.model.values import child
from scripts.end_to_end.keeper import Keeper
from scripts.end_to_end.project import AZURE, ENVIRONMENT, FIRST, STEPS, Project
from scripts.end_to_end.room import Room, with_store_down, with_wrong_role
from scripts.end_to_end.typed import TAKEN, TAKEN_TARGET, taken_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Any, Self

    from scripts.end_to_end.setting import Setting

    LiveObject = Mapping[str, Any]
    Run = Callable[[Sequence[str]], int]
    Say = Callable[[str], None]

_INTERRUPTED = 130
# Between two looks at an ExternalSecret that is to fail, and how long that may take.
_LOOK, _FAILS_WITHIN = 0.1, 120.0


class BrokenPromiseError(Exception):
    """Something was not as the commands promise; the run is red."""


class CannotStartError(Exception):
    """A pod does not start, for which neither a Secret nor this program is to blame: nothing can be shown."""


class Walk:
    """One run named `name` with its files in `folder`; `run` carries out a command line and returns its exit code."""

    def __init__(self, setting: Setting, name: str, folder: Path, run: Run, say: Say) -> None:
        self._setting = setting
        self._run = run
        self._say = say
        self._specs = {provider: store["spec"] for provider, store in setting.stores.items()}
        self.room = Room(setting, name, folder)
        self.project = Project(folder / "project", setting, self.room)
        self.timeout = setting.timeout
        self.left: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._say("Cleaning up: the releases, the namespace, the values in both stores")
        name = self.room.name
        # What is true if a second interrupt ends the cleaning.
        self.left = (f'the releases of "{name}" in "default", by HELM_DRIVER=configmap, and values named "{name}…"',)
        self.left = (*self.room.close(), *self.project.empty())

    def whole(self) -> int:
        """All of it; returns how many events were seen of what was watched.

        Raises BrokenPromiseError, and CannotStartError where the pod of the run does not start.
        """
        self.open()
        with self.watch() as keeper:
            self.adopt()
            self.begin(keeper)
            self.there(keeper)
            self.back(keeper)
            self.missing_key(keeper)
            self.wrong_role(keeper)
            self.store_down(keeper)
        return keeper.events

    def open(self) -> None:
        """Make the namespace and the store objects."""
        self._say(f'Installing the namespace "{self.room.name}" with stores of its own')
        self.room.open(self._specs)

    def adopt(self) -> None:
        """Import an ExternalSecret that another release has deployed, as it is in the cluster."""
        self._say(f'Importing the ExternalSecret "{TAKEN}" of another release')
        self.project.fill_taken()
        self.room.install_others(taken_object(self.room.name, self.room.store_name("vault")))
        self._until(self._is_taken_there, f'the operator does not make the Secret "{TAKEN_TARGET}"')
        path = self.project.root / "others.json"
        path.write_text(json.dumps(self._setting.cluster.external_secret(self.room.name, TAKEN)), "utf-8")
        self._must("import", "external-secrets", str(path), "--environment", ENVIRONMENT, "--apply")
        self.project.name_taken()

    def watch(self) -> Keeper:
        """The watch over every Secret and pod."""
        cluster, namespace = self._setting.cluster, self.room.name
        names = (*self.project.secrets.values(), TAKEN_TARGET)
        return Keeper(cluster, namespace, names, lambda name: cluster.data_of(namespace, name))

    def begin(self, keeper: Keeper) -> None:
        """Fill both stores, deploy every agent on Vault, have a pod read every Secret, and keep all that."""
        self._say("Every agent on Vault")
        self.project.fill()
        self._must("compile", ENVIRONMENT)
        self._must("migrate", ENVIRONMENT, "--to", AZURE, "--apply", "--quiet")
        keeper.keep(only=(TAKEN_TARGET,))
        self._deploy()
        self.room.uninstall_others()
        self._must("status", ENVIRONMENT, "--wait", "--timeout", self.timeout, watched_by=keeper)
        self.room.read_by_pod(tuple(self.project.secrets.values()))
        # A pod that is not ready keeps what it reads from being in effect.
        has_started = self._is_met(self._has_readers)
        keeper.keep(self.project.held())
        self._still(keeper)
        if not has_started:
            reasons = ", ".join(sorted(self._waiting())) or "no node has taken it"
            message = f'the pod "{self.room.name}/reader" does not become ready within {_FAILS_WITHIN:g} s: {reasons}'
            raise CannotStartError(f"{message}; E2E_IMAGE names another image")

    def there(self, keeper: Keeper) -> None:
        """To the Key Vault, step by step."""
        for at in range(len(STEPS)):
            self._say(f"To the Key Vault, step {at + 1} of {len(STEPS)}")
            self.switch(keeper, "--next", "--cluster")

    def back(self, keeper: Keeper) -> None:
        """Back to Vault, in the same steps."""
        gone: list[str] = []
        for at, step in enumerate(STEPS):
            self._say(f"Back to Vault, step {at + 1} of {len(STEPS)}")
            names = [name for name in self.project.secrets if step == ("all",) or name in step]
            self.switch(keeper, *(name for name in names if name not in gone), "--back", "--cluster")
            gone += names

    def missing_key(self, keeper: Keeper) -> None:
        """The Key Vault loses a key of an agent that it serves."""
        self.switch(keeper, FIRST, "--to", AZURE, "--cluster")
        key = self.project.take_a_key(FIRST)
        self._say(f'Breaking the Key Vault: "{FIRST}" without {key}')
        self._must_fail(keeper)
        self.switch(keeper, FIRST, "--back", "--accept-differences", f"{FIRST}/{key}")
        self.project.give_it_back()

    def wrong_role(self, keeper: Keeper) -> None:
        """The operator's log-in to the Key Vault is taken away."""
        self._broken_store(keeper, with_wrong_role, "a role that may not read it")

    def store_down(self, keeper: Keeper) -> None:
        """The operator does not reach the Key Vault."""
        self._broken_store(keeper, with_store_down, "it does not answer")

    def switch(self, keeper: Keeper, *words: str) -> None:
        """One `cutover`, deployed and waited for. Raises BrokenPromiseError, also for what was seen meanwhile."""
        self._must("cutover", ENVIRONMENT, *words, "--apply")
        self._deploy()
        self._must("status", ENVIRONMENT, "--wait", "--timeout", self.timeout, watched_by=keeper)

    def _broken_store(self, keeper: Keeper, broken: Callable[[LiveObject], LiveObject], how: str) -> None:
        self.switch(keeper, FIRST, "--to", AZURE, "--cluster")
        self._say(f"Breaking the Key Vault: {how}")
        self.room.open({**self._specs, "azurekv": broken(self._specs["azurekv"])})
        self._must_fail(keeper)
        self.switch(keeper, FIRST, "--back")
        self.room.open(self._specs)
        # Before, whatever is switched to it next fails.
        self._until(self._is_store_ready, "the Key Vault's store does not become ready, although it was mended")

    def _must_fail(self, keeper: Keeper) -> None:
        """Show that the operator fails, and that the last good Secret is there all the same.

        The ExternalSecret fails, or the store object does, and then the operator is not asked.
        """
        self._command("status", ENVIRONMENT, "--only", FIRST, "--force-sync")
        self._until(self._is_failing, f'"{FIRST}" does not fail, although its store was broken')
        if self._command("status", ENVIRONMENT, "--only", FIRST, "--cluster") == 0:
            raise BrokenPromiseError(f'status says that "{FIRST}" is in effect, although its store was broken')
        self._still(keeper)
        name = self.project.secrets[FIRST]
        self._say(f'The last good Secret "{name}" is there as it was: {keeper.shown(name)}. The way back:')

    def _is_taken_there(self) -> bool:
        return self._setting.cluster.data_of(self.room.name, TAKEN_TARGET) is not None

    def _is_failing(self) -> bool:
        if not self._is_store_ready():
            return True
        found = self._setting.cluster.collection("externalsecrets", self.room.name)
        named = self.project.secrets[FIRST]
        return any(each["metadata"]["name"] == named and ready_reason(each) is not None for each in found)

    def _is_store_ready(self) -> bool:
        found = self._setting.cluster.store_object("ClusterSecretStore", self.room.store_name("azurekv"), "")
        return found is not None and ready_of(found).get("status") == "True"

    def _has_readers(self) -> bool:
        pods = self._setting.cluster.collection("pods", self.room.name)
        return bool(pods) and all(ready_of(pod).get("status") == "True" for pod in pods)

    def _waiting(self) -> set[str]:
        """Why containers of the run's pod have not started, in Kubernetes' own words."""
        pods = self._setting.cluster.collection("pods", self.room.name)
        waiting = (child(each, "state", "waiting") for pod in pods for each in container_states(pod))
        return {str(each["reason"]) for each in waiting if each.get("reason")}

    def _until(self, met: Callable[[], bool], failure: str) -> None:
        if not self._is_met(met):
            raise BrokenPromiseError(failure)

    def _is_met(self, met: Callable[[], bool]) -> bool:
        """Whether it is met within the time that things may take here."""
        end = time.monotonic() + _FAILS_WITHIN
        while not met():
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK)
        return True

    def _still(self, keeper: Keeper) -> None:
        if faults := keeper.faults():
            raise BrokenPromiseError("; ".join(faults))

    def _deploy(self) -> None:
        self.room.deploy(self.project.values_file)

    def _must(self, *words: str, watched_by: Keeper | None = None) -> None:
        """Run a command. A fault that was seen meanwhile is told first, as `status` may fail because of it."""
        code = self._command(*words)
        if watched_by is not None:
            self._still(watched_by)
        if code != 0:
            raise BrokenPromiseError(f"{' '.join(words)}: exit code {code}")

    def _command(self, *words: str) -> int:
        self._say(f"$ platform-secrets {' '.join(words)}")
        code = self._run(("--root", str(self.project.root), *words))
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
        return code

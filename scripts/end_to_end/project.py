"""Writes a project of a run's own over this one's catalogue, and puts made-up values where it will look for them."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from compiler.model.document import Severity
from compiler.model.store import DEFAULT_MOUNT, is_near
from compiler.operations.references import cells_to_read
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from compiler.stores.azure_key_vault.provider import DEFAULT_CLOUD, cloud_of
from compiler.stores.interface import StoreState, open_store
from compiler.stores.secret_value import SecretValue
from scripts.end_to_end.run_cluster import encoded
from scripts.end_to_end.setting import ROOT
from scripts.end_to_end.typed import SETTINGS, TAKEN_KEY, TYPED, UNLISTED, made_of, taken_place, typed_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from compiler.stores.interface import RemoteSecret
    from scripts.end_to_end.room import Room
    from scripts.end_to_end.setting import Setting

ENVIRONMENT = "e2e"
VAULT, AZURE = "vault", "azure"
# The id of a store in the project, and its provider.
_PROVIDERS = {VAULT: "vault", AZURE: "azurekv"}
FIRST = "jira"
STEPS = ((FIRST,), ("slack", "pagerduty"), ("all",))


class Project:
    """The project in `root`, whose environment reads Vault, and its values in both stores.

    `secrets` are the targets of its secrets, by id. Every remote name begins with the room's: a run shares a Vault
    and a Key Vault with whatever else lives there.
    """

    def __init__(self, root: Path, setting: Setting, room: Room) -> None:
        self.root = root
        self._room = room.name
        _write(root, setting, room)
        self._stores = {
            store: open_store(setting.addresses[provider], setting.variables) for store, provider in _PROVIDERS.items()
        }
        self._values: dict[str, dict[str, str]] = {}
        self._whole: RemoteSecret | None = None
        self.read()

    def read(self) -> None:
        """Compile what stands in the files now. Raises Refusal."""
        found = compile_project(self.root, [ENVIRONMENT])
        if found.failed or found.project is None:
            said = "; ".join(each.message for each in found.diagnostics if each.severity is Severity.ERROR)
            raise Refusal("cannot run", f"the project of the run does not compile: {said}")
        environment = found.project.environments[0]
        self.secrets = {secret.id: secret.entry.target for secret in environment.secrets.values()}
        self._remotes: dict[str, dict[str, tuple[str, list[str]]]] = {}
        for store in _PROVIDERS:
            remotes = self._remotes[store] = {}
            for each in cells_to_read(environment, (), environment.stores[store])[0]:
                remotes.setdefault(each.secret, (each.remote_key, []))[1].append(each.key)

    @property
    def values_file(self) -> Path:
        return self.root / f"chart/values-{ENVIRONMENT}.yaml"

    def fill(self) -> None:
        """Put a made-up value for each key into Vault, one of no list beside them. Raises StoreError."""
        for secret, (name, keys) in self._remotes[VAULT].items():
            if name not in self._values:
                self._put(name, [*keys, *([UNLISTED] if secret == SETTINGS else [])])

    def fill_taken(self) -> None:
        """The same for what another tool's ExternalSecret reads. Raises StoreError."""
        self._put(taken_place(self._room), [TAKEN_KEY])

    def name_taken(self) -> None:
        """Give what was imported from Vault a name in the Key Vault, and read it."""
        path, place = self.root / "environments/catalogue.yaml", taken_place(self._room)
        text = path.read_text("utf-8")
        named = f"{{vault: {place}, azurekv: {place.replace('/', '-')}}}"
        path.write_text(text.replace(f"{{vault: {place}}}", named), "utf-8")
        self.read()

    def held(self) -> dict[str, dict[str, str]]:
        """What each Secret has to hold, by its name in the cluster: what `fill` has put, as the API has it."""
        places = {secret: name for secret, (name, _) in self._remotes[VAULT].items()}
        made = {secret: made_of(secret, self._values[name]) for secret, name in places.items()}
        return {target: encoded(made[secret]) for secret, target in self.secrets.items()}

    def _put(self, name: str, keys: Iterable[str]) -> None:
        self._values[name] = {key: secrets.token_urlsafe(24) for key in keys}
        written = {key: SecretValue(value) for key, value in self._values[name].items()}
        self._stores[VAULT].write(name, written, None)

    def take_a_key(self, secret: str) -> str:
        """Write a secret of the Key Vault without one of its keys, whose name is returned. Raises StoreError."""
        name, keys = self._remotes[AZURE][secret]
        values = self._values[self._remotes[VAULT][secret][0]]
        kept = {key: values[key] for key in keys[1:]}
        self._whole = self._stores[AZURE].read(name)
        self._stores[AZURE].write(name, SecretValue(json.dumps(kept)), self._whole)
        return keys[0]

    def give_it_back(self) -> None:
        """Write once more what `take_a_key` found. Raises StoreError."""
        if (earlier := self._whole) is not None:
            self._stores[AZURE].restore(earlier, self._stores[AZURE].read(earlier.name))
            self._whole = None

    def empty(self) -> tuple[str, ...]:
        """Delete the run's values in both stores, softly; returns what could not be, in words."""
        left: list[str] = []
        for identity, store in self._stores.items():
            for name, _ in self._remotes[identity].values():
                try:
                    found = store.describe(name)
                    if found.state is StoreState.PRESENT and found.version is not None:
                        store.soft_delete(name, found.version)
                except Refusal as error:
                    left.append(f'delete "{name}" in {store.address.absolute}: {error.message}')
            store.close()
        return tuple(left)


def _write(root: Path, setting: Setting, room: Room) -> None:
    folder = root / "environments"
    folder.mkdir(parents=True)
    (root / "chart").mkdir()
    for name in ("base.yaml", "catalogue.yaml"):
        text = (ROOT / "environments" / name).read_text("utf-8")
        for end in "/-":
            text = text.replace(f": ai-platform-engineering{end}", f": {room.name}{end}")
        if name == "catalogue.yaml":
            text = text.replace("\nsecrets:\n", f"\nsecrets:{typed_entries(room.name)}\n", 1)
        (folder / name).write_text(text, "utf-8")
    (folder / f"{ENVIRONMENT}.yaml").write_text(_environment(setting, room), "utf-8")


def _environment(setting: Setting, room: Room) -> str:
    """What this run says beside base.yaml, in which everything is on Vault. JSON's strings are YAML's too."""
    lines = [
        f"namespace: {room.name}",
        *([f"externalSecretsOperator: {json.dumps(setting.operator)}"] if setting.operator else []),
        f"moves: {{to: {AZURE}, steps: {json.dumps(STEPS)}}}",
        "stores:",
        *(line for store in _PROVIDERS for line in _store(store, setting, room)),
        "secrets:",
        "  global:",
        "    use: [openai]",
        *(f"  {name}: {{}}" for name in TYPED),
    ]
    return "".join(f"{line}\n" for line in lines)


def _store(identity: str, setting: Setting, room: Room) -> Iterator[str]:
    """A store of the environment: the room's object, at the address by which the cluster reaches it."""
    provider = _PROVIDERS[identity]
    spec = setting.stores[provider]["spec"]["provider"][provider]
    yield f"  {identity}:"
    yield f"    name: {room.store_name(provider)}"
    if identity == AZURE:
        yield f"    vaultUrl: {json.dumps(spec['vaultUrl'])}"
        if (cloud := spec.get("environmentType") or DEFAULT_CLOUD) != DEFAULT_CLOUD:
            yield f"    environmentType: {json.dumps(cloud)}"
        if cloud_of(str(urlsplit(spec["vaultUrl"]).hostname)) is None:
            yield "    waive: {unexpected-vault-domain: an emulator}"
        return
    yield f"    server: {json.dumps(spec['server'])}"
    if (mount := setting.addresses[provider].mount) != DEFAULT_MOUNT:
        yield f"    mount: {json.dumps(mount)}"
    if namespace := spec.get("namespace"):
        yield f"    vaultNamespace: {json.dumps(namespace)}"
    address = urlsplit(spec["server"])
    if address.scheme == "http" and not is_near(str(address.hostname)):
        yield "    waive: {insecure-address: a Vault for tests}"

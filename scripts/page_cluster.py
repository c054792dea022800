"""Plays the cluster of the pages that tell a story: the API double, Argo CD, the operator and people.

For `<!-- cluster WORDS -->` of a page, its shell runs `page-cluster WORDS` (scripts/page_shell.py), which passes the
words to the process with the double.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import urllib.request
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self
from urllib.error import HTTPError

import yaml

from compiler.pipeline import compile_project
from tests.api_double import ESO, ApiDouble, kind_of
from tests.faulty_gateway import QuietHandler
from tests.live_platform import LivePlatform, provider_of
from tests.secret_maker import target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from compiler.demo.local_openbao import LocalOpenBao
    from compiler.model.environment import Environment
    from tests.faulty_key_vault import FaultyKeyVault

CONTROL = "PAGE_CLUSTER"
KUBECTL = "kubectl"
GET_ALL = ("get", "clustersecretstore,externalsecret", "--all-namespaces", "-o", "yaml")
# The event of ESO 0.16 to 2.9; the condition says less.
_OWNED = "unable to mutate secret {}: secret is owned by another ExternalSecret: {}"
_PATIENCE = 120.0
# Less than the pause between two rounds, and more than any between two requests; a whole second, as the cluster's times
# are: what the command wrote is then of an earlier one than what happens here.
_QUIET = 1.0


class PageCluster:
    """The double and its control server; both end with the `with` block."""

    def __init__(self, key_vault: FaultyKeyVault, openbao: LocalOpenBao | None = None) -> None:
        self._key_vault, self._openbao = key_vault, openbao
        self.double = ApiDouble()
        self.platform = LivePlatform(self.double)
        self.platform.run_operator()
        self._later: list[threading.Thread] = []
        # When a Secret was first given its data.
        self._changed: dict[str, str] = {}
        # What others have applied, by plural, namespace and name.
        self._applied: list[tuple[str, str, str]] = []
        cluster = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                try:
                    status, text = 200, cluster.do(Path(asked["folder"]), asked["words"]).encode()
                except (KeyError, ValueError, LookupError, TypeError, SystemExit) as error:
                    status, text = 500, f"{type(error).__name__}: {error}".encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self.double.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.double.__exit__()

    def variables(self, folder: Path) -> dict[str, str]:
        """What a page's shell gets: the kubeconfig, written into `folder`, and where the words go."""
        control = f"http://127.0.0.1:{self._server.server_port}"
        return {"KUBECONFIG": str(self.double.kubeconfig(folder)), CONTROL: control}

    def do(self, folder: Path, words: Sequence[str]) -> str:
        """One thing that happens, and what is printed of it; after `watched:`, once a command waits."""
        first, *rest = words
        if first == KUBECTL:
            return self._get_all(*rest)
        if first == "watched:":
            seen = len(self.double.asked)
            later = threading.Thread(target=self._once_waited, args=(seen, folder, rest), daemon=True)
            later.start()
            self._later.append(later)
            return ""
        actions: dict[str, Callable[..., None]] = {
            "apply": self._apply,
            "deploy": self._deploy,
            "fail": self._fail,
            "secret": self._make_secret,
            "external-secret": self._make_foreign_secret,
            "orphan": self._orphan,
            "delete": self._delete,
            "pod": self._pod,
            "refresh": self._refresh,
            "key-vault": self._firewall,
            "vault": self._lose,
        }
        actions[first](folder, *rest)
        return ""

    def _once_waited(self, seen: int, folder: Path, words: Sequence[str]) -> None:
        """In the pause behind the second round of lists: the first one is what the command compares with."""
        end, quiet = time.monotonic() + _PATIENCE, (0, 0.0)
        while time.monotonic() < end:
            asked = self.double.asked[seen:]
            if len(asked) != quiet[0]:
                quiet = len(asked), time.monotonic()
            rounds = sum(each.method == "GET" and each.path.endswith("/externalsecrets") for each in asked)
            if rounds > 1 and time.monotonic() - quiet[1] > _QUIET:
                self.do(folder, words)
                return
            time.sleep(0.05)

    def _deploy(self, folder: Path, name: str) -> None:
        """What Argo CD and then the operator do; a Secret of another ExternalSecret is left alone."""
        environment = _compile(folder, name)
        # Otherwise a command that watches might see a state in between.
        with self.double.at_once():
            for store in environment.stores.values():
                try:
                    self.double.get("clustersecretstores", "", store.name)
                except KeyError:
                    self.platform.store(store.name, provider_of(store))
            for found in self.platform.deploy(environment):
                space = environment.secrets[self.platform.secret_of(environment, found)].namespace or ""
                self._sync(space, found)

    def _sync(self, space: str, name: str) -> None:
        found = self.double.get("externalsecrets", space, name)
        owner = self._owner(space, target_of(found))
        if owner in (None, name):
            self.platform.sync(space, name, extracted=self._extracted_keys(found))
        else:
            self.platform.fail(space, name, _OWNED.format(target_of(found), owner), moment=_now())

    def _extracted_keys(self, found: dict[str, Any]) -> list[str]:
        """The names of properties that the stores hold; without those that a template leaves out."""
        spec, keys = found["spec"], list[str]()
        if spec["target"].get("template", {}).get("data"):
            return keys
        for each in spec.get("dataFrom") or ():
            key = each["extract"]["key"]
            if key in self._key_vault.state.names():
                keys += json.loads(self._key_vault.value(key))
            elif self._openbao is not None:
                keys += self._openbao.call("GET", f"secret/data/{key}")["data"]["data"]
        return keys

    def _apply(self, folder: Path, file: str) -> None:
        """What another tool deploys: the ExternalSecrets and stores of a file."""
        with self.double.at_once():
            for each in yaml.safe_load_all((folder / file).read_text("utf-8")):
                plural, metadata = f"{each['kind'].lower()}s", each["metadata"]
                self._applied.append((plural, metadata.get("namespace", ""), metadata["name"]))
                if plural == "clustersecretstores":
                    self.platform.store(metadata["name"], each["spec"]["provider"])
                else:
                    self.double.put(plural, each)
                    self._sync(metadata["namespace"], metadata["name"])

    def _get_all(self, *words: str) -> str:
        """What kubectl prints of all that others have applied, for the one line that pages have."""
        if words != GET_ALL:
            raise ValueError(" ".join(words))
        items = [
            {"apiVersion": ESO, "kind": kind_of(plural), **self.double.get(plural, space, name)}
            for plural, space, name in self._applied
        ]
        return str(yaml.safe_dump({"apiVersion": "v1", "items": items, "kind": "List"}))

    def _fail(self, folder: Path, name: str, secret: str, *message: str) -> None:
        """The cluster gets what is compiled, and the operator cannot read `secret`: the last good Secret stays."""
        environment = _compile(folder, name)
        self.platform.deploy(environment)
        found = environment.secrets[secret]
        self.platform.fail(found.namespace or "", found.entry.target, " ".join(message), moment=_now())

    def _make_secret(self, _: Path, space: str, name: str, *keys: str) -> None:
        self.platform.secret(space, name, keys, "hash-1")
        self._set_owner(space, name, None)

    def _make_foreign_secret(self, _: Path, space: str, name: str, target: str, *keys: str) -> None:
        found = {"metadata": {"name": name, "namespace": space}, "spec": {"target": {"name": target}}}
        self.double.put("externalsecrets", found)
        self.platform.secret(space, target, keys, "hash-1")
        self._set_owner(space, target, name)

    def _orphan(self, _: Path, space: str, name: str) -> None:
        """With `creationPolicy: Orphan` the operator takes its ownership away, and leaves the Secret."""
        found = self.double.get("externalsecrets", space, name)
        found["spec"]["target"]["creationPolicy"] = "Orphan"
        self.double.put("externalsecrets", found)
        self._set_owner(space, found["spec"]["target"]["name"], None)

    def _delete(self, _: Path, space: str, name: str) -> None:
        target = self.double.get("externalsecrets", space, name)["spec"]["target"]["name"]
        self.double.delete("externalsecrets", space, name)
        if self._owner(space, target) == name:
            self.double.delete("secrets", space, target)

    def _pod(self, _: Path, space: str, name: str, secret: str) -> None:
        self.platform.pod(space, name, secret)
        found = self.double.get("pods", space, name)
        found["metadata"] |= {
            "creationTimestamp": _in_seconds(datetime.now(UTC)),
            "uid": f"{name}-{time.monotonic_ns()}",
        }
        self.double.put("pods", found)

    def _refresh(self, _: Path, space: str, target: str, data: str) -> None:
        """The operator reads the store again; the Secret changes now where its data do."""
        with self.double.at_once():
            self.platform.sync(space, target, data)
            found = self.double.get("secrets", space, target)
            found["metadata"]["managedFields"][0]["time"] = self._changed.setdefault(
                data, _in_seconds(datetime.now(UTC))
            )
            self.double.put("secrets", found)

    def _firewall(self, _: Path, state: str) -> None:
        denied = self._key_vault.denied
        with self._key_vault.lock:
            for permission in ("get", "list"):
                denied.pop(permission, None)
                if state == "closed":
                    denied[permission] = "ForbiddenByFirewall"

    def _lose(self, _: Path, state: str) -> None:
        if state != "lost" or self._openbao is None:
            raise ValueError(state)
        self._openbao.stop()

    def _owner(self, space: str, name: str) -> str | None:
        try:
            owners = self.double.get("secrets", space, name)["metadata"].get("ownerReferences") or ()
        except KeyError:
            return None
        return next((str(each["name"]) for each in owners), None)

    def _set_owner(self, space: str, name: str, owner: str | None) -> None:
        found: dict[str, Any] = self.double.get("secrets", space, name)
        reference = {"kind": "ExternalSecret", "name": owner, "controller": True}
        found["metadata"]["ownerReferences"] = [reference] if owner is not None else []
        self.double.put("secrets", found)


def _in_seconds(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _compile(folder: Path, name: str) -> Environment:
    project = compile_project(folder, [name]).project
    if project is None:
        raise ValueError(f"{name} does not compile")
    return project.environments[0]


def main(words: Sequence[str]) -> int:
    body = json.dumps({"folder": str(Path.cwd()), "words": list(words)}).encode()
    try:
        with urllib.request.urlopen(os.environ[CONTROL], body, timeout=60) as reply:  # noqa: S310 - the server above
            sys.stdout.write(reply.read().decode())
    except HTTPError as error:
        sys.stderr.write(error.read().decode() + "\n")
        return 1
    return 0


def run() -> NoReturn:
    sys.exit(main(sys.argv[1:]))


def run_kubectl() -> NoReturn:
    """In place of kubectl, which not every machine has, and which asks more of a server than the double answers."""
    sys.exit(main((KUBECTL, *sys.argv[1:])))

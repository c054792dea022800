"""Two real OpenBao servers: a command that would go to the other one ends before it sends a token there.

Both stand behind one address, a relay that hears what is sent and may lead to either.
"""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from compiler.demo.local_openbao import LocalOpenBao, LocalOpenBaoError
from tests.openbao_servers import await_kv
from tests.proofs.conftest import World

HEALTH = "GET /v1/sys/health HTTP/1.1"


class Relay:
    """Hands connections on to `server`, and keeps what clients send."""

    def __init__(self, listener: socket.socket, server: LocalOpenBao) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.server = server
        self._listener = listener
        self._heard: list[bytes] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def heard(self) -> str:
        return b"".join(self._heard).decode("latin-1")

    def lead_to(self, server: LocalOpenBao) -> None:
        self.server = server
        self._heard.clear()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        host, port = self.server.url.removeprefix("http://").split(":")
        with client, socket.create_connection((host, int(port))) as server:
            back = threading.Thread(target=_pump, args=(server, client, []), daemon=True)
            back.start()
            _pump(client, server, self._heard)
            back.join()


def _pump(source: socket.socket, sink: socket.socket, kept: list[bytes]) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            kept.append(data)
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def relay_to(server: LocalOpenBao) -> Iterator[Relay]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = Relay(listener, server)
        try:
            yield relay
        finally:
            # It ends the wait for the next connection.
            listener.shutdown(socket.SHUT_RDWR)
            relay.thread.join()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalOpenBao]:
    with LocalOpenBao.start_dev(tmp_path_factory.mktemp("other")) as server:
        yield server


@pytest.fixture
def relay(world: World, other: LocalOpenBao) -> Iterator[Relay]:
    """The address in VAULT_ADDR; the other server has the same mount, secrets and token."""
    other.call("POST", f"sys/mounts/{world.mount}", {"type": "kv", "options": {"version": "2"}})
    await_kv(other, world.mount)
    with suppress(LocalOpenBaoError):  # it is there from the test before
        other.call("POST", "auth/token/create", {"id": world.bao.token, "policies": ["root"]})
    world.fill()
    for name in ("agents/github", "agents/jira"):
        other.call("POST", f"{world.mount}/data/{name}", {"data": dict.fromkeys(world.get(name), "other")})
    with relay_to(world.bao) as opened:
        world.variables["VAULT_ADDR"] = opened.url
        assert world.run("compile", "prod").code == 0
        yield opened


def cluster(server: LocalOpenBao) -> tuple[str, str]:
    about = server.call("GET", "sys/health")
    return str(about["cluster_id"]), str(about["cluster_name"])


def name_cluster(world: World, cluster_id: str) -> None:
    text = f'labels: {{team: platform}}\nstores: {{vault: {{clusterId: "{cluster_id}"}}}}\n'
    (world.root / "environments/prod.yaml").write_text(text, "utf-8")


def values(tmp_path: Path, value: str = "mine") -> tuple[str, ...]:
    file = tmp_path / "values.json"
    file.write_text(json.dumps({"JIRA_TOKEN": value}))
    return "put", "prod", "jira", "JIRA_TOKEN", "--from-file", str(file), "--input", "json"


def commands(tmp_path: Path) -> dict[str, tuple[str, ...]]:
    return {
        "put": (*values(tmp_path), "--apply"),
        "verify": ("verify", "prod"),
        "cutover": ("cutover", "prod", "jira", "--to", "azure", "--apply"),
        "migrate": ("migrate", "prod", "--to", "azure", "--apply"),
        "into": ("migrate", "prod", "--to", "vault", "--from", "azure", "--apply"),
        "retire": ("retire", "prod", "jira", "--store", "vault"),
        "status": ("status", "prod"),
    }


def of_earlier_release(text: str) -> str:
    lines = map(json.loads, text.splitlines())
    return "".join(f"{json.dumps({key: line[key] for key in line if key != 'servers'})}\n" for line in lines)


@pytest.mark.parametrize("name", ["put", "verify", "cutover", "migrate", "into", "retire", "status"])
def test_with_another_id_nothing_but_the_question_reaches_the_server(
    world: World, other: LocalOpenBao, relay: Relay, tmp_path: Path, name: str
) -> None:
    (ours, _), (theirs, their_name) = cluster(world.bao), cluster(other)
    assert ours != theirs
    world.azure.seed("agents-jira", json.dumps({"JIRA_TOKEN": "token-2", "JIRA_URL": "https://jira.example.com"}))
    name_cluster(world, ours)
    before = world.azure_versions(), {path: path.read_bytes() for path in world.root.rglob("*.yaml")}
    relay.lead_to(other)
    done = world.run(*commands(tmp_path)[name])
    assert done.code in (1, 3), done
    if name != "retire" or relay.heard:
        assert relay.heard.startswith(HEALTH)
    assert set(relay.heard.split("\r\n")) & {f"X-Vault-Token: {world.bao.token}", "X-Vault-Namespace"} == set()
    assert world.bao.token not in relay.heard
    assert relay.heard.count("HTTP/1.1") == relay.heard.count(HEALTH)
    if name not in ("retire", "status"):
        assert f'another Vault answers: "{their_name}" ({theirs})' in done.out + done.err
        assert f"--accept-cluster {theirs}" in done.out + done.err
    assert (world.azure_versions(), {path: path.read_bytes() for path in world.root.rglob("*.yaml")}) == before
    assert other.call("GET", f"{world.mount}/metadata/agents/jira")["data"]["current_version"] == 1
    assert world.journals() == []


@pytest.mark.parametrize("name", ["put", "verify", "migrate"])
def test_without_an_id_it_is_said_once_which_vault_stands_for_the_address(
    world: World, relay: Relay, tmp_path: Path, name: str
) -> None:
    ours, our_name = cluster(world.bao)
    done = world.run(*commands(tmp_path)[name])
    said = f'VAULT_ADDR replaces {world.bao.url} of prod; this Vault is "{our_name}" ({ours})'
    assert (done.code, done.err.count(f"note: {said}\n")) == (0, 1), done
    assert done.out.count(said) == (name != "verify")
    assert relay.heard.count(HEALTH) == 1
    # The first is asked without a token, and only the first.
    assert [part.count("X-Vault-Token") for part in relay.heard.split("\r\n\r\n")[:2]] == [0, 1]
    name_cluster(world, ours)
    assert world.run("verify", "prod", "jira").code == 0


def test_an_accepted_id_goes_through_once_and_stands_in_the_journal(
    world: World, other: LocalOpenBao, relay: Relay, tmp_path: Path
) -> None:
    (ours, _), (theirs, _) = cluster(world.bao), cluster(other)
    name_cluster(world, ours)
    relay.lead_to(other)
    assert world.run(*values(tmp_path), "--apply", "--accept-cluster", "another-one").code == 3
    assert world.bao.token not in relay.heard
    assert world.run(*values(tmp_path), "--apply", "--accept-cluster", theirs).code == 0
    (journal,) = world.journals()
    lines = map(json.loads, journal.read_text("utf-8").splitlines())
    (servers,) = [line["servers"] for line in lines if "servers" in line]
    assert servers == [{"store": "vault", "cluster": theirs, "accepted": True}]
    relay.lead_to(other)
    assert world.run(*values(tmp_path), "--apply").code == 3
    assert world.bao.token not in relay.heard


def test_an_undo_refuses_another_server_at_the_same_address(
    world: World, other: LocalOpenBao, relay: Relay, tmp_path: Path
) -> None:
    (ours, _), (theirs, _) = cluster(world.bao), cluster(other)
    assert world.run(*values(tmp_path), "--apply").code == 0
    (journal,) = world.journals()
    lines = journal.read_text("utf-8").splitlines(keepends=True)
    (servers,) = [found["servers"] for line in lines if "servers" in (found := json.loads(line))]
    assert servers == [{"store": "vault", "cluster": ours, "accepted": False}]
    undo = ("put", "prod", "--undo", journal.stem, "--apply")
    relay.lead_to(other)
    done = world.run(*undo)
    assert (done.code, world.bao.token in relay.heard) == (3, False), done
    assert f"the expected id is {ours}" in done.err
    assert f"--accept-cluster {theirs}" in done.err
    assert journal.read_text("utf-8") == "".join(lines)
    # A journal of an earlier release names no server.
    relay.lead_to(world.bao)
    journal.write_text(of_earlier_release("".join(lines)), "utf-8")
    assert world.run(*undo).code == 0
    assert world.get("agents/jira")["JIRA_TOKEN"] == "token-2"


def test_a_reachable_at_wins_and_is_no_part_of_what_the_store_is(
    world: World, other: LocalOpenBao, relay: Relay, tmp_path: Path
) -> None:
    text = f'labels: {{team: platform}}\nstores: {{vault: {{reachableAt: "{relay.url}"}}}}\n'
    (world.root / "environments/prod.yaml").write_text(text, "utf-8")
    assert world.run("compile", "prod", "--check").code == 0
    assert relay.url not in (world.root / "chart/values-prod.yaml").read_text("utf-8")
    world.variables["VAULT_ADDR"] = other.url
    done = world.run(*values(tmp_path), "--apply")
    assert done.code == 0
    ignored = 'note: VAULT_ADDR is ignored for "vault" of prod, which has a reachableAt of its own\n'
    assert done.err.count(ignored) == 1
    assert "replaces" not in done.err + done.out
    assert world.get("agents/jira")["JIRA_TOKEN"] == "mine"
    assert HEALTH in relay.heard
    # The run is undone where the same server is reached at another address of this machine.
    (journal,) = world.journals()
    assert json.loads(journal.read_text("utf-8").splitlines()[0])["destinations"] == [
        {"store": "vault", "address": f"{world.bao.url}/{world.mount}"}
    ]
    with relay_to(world.bao) as moved:
        (world.root / "environments/prod.yaml").write_text(text.replace(relay.url, moved.url), "utf-8")
        assert world.run("put", "prod", "--undo", journal.stem, "--apply").code == 0
    assert world.get("agents/jira")["JIRA_TOKEN"] == "token-2"

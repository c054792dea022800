"""Measures `status` of a large cluster against its budgets: 2,000 ExternalSecrets and 5,000 pods from the API double.

The double and the operation are processes of their own, so that the memory is the program's alone. `--quick` takes a
tenth of both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compiler.__main__ import leave_no_core  # noqa: E402
from scripts.bench import MEBIBYTE, Budget, Figure, parser_of, report, table  # noqa: E402
from scripts.bench_projects import compile_prod, generate_catalogue  # noqa: E402
from tests.api_double import ApiDouble  # noqa: E402 - the double that the tests trust
from tests.live_platform import LivePlatform, compiled_objects  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.model.environment import Environment

PAGE = ROOT / "docs/reference/performance-cluster.md"
SECRETS, PODS, BYTES = 2_000, 5_000, 4_096
RUNS = 3
# Without stores: those have a page of their own.
_WORDS = ("-m", "compiler", "status", "prod", "--offline", "--cluster")


@dataclass(frozen=True)
class Used:
    """What a finished process used and printed."""

    wall: float  # seconds
    cpu: float  # seconds
    memory: float  # the largest resident memory in MiB
    lines: int


def fill(double: ApiDouble, environment: Environment, pods: int) -> None:
    """Every ExternalSecret in effect, and `pods` that read their Secrets in turn, each of at least BYTES."""
    LivePlatform(double).run(environment)
    names = list(compiled_objects(environment))
    space = next(iter(compiled_objects(environment).values()))["metadata"]["namespace"]
    padding = [{"name": f"PLAIN_{number}", "value": "x" * 64} for number in range(BYTES // 96)]
    platform = LivePlatform(double)
    for number in range(pods):
        name = f"pod-{number:05d}"
        platform.pod(space, name, names[number % len(names)])
        pod = double.get("pods", space, name)
        pod["spec"]["containers"].append({"name": "beside", "env": padding})
        if len(json.dumps(pod)) < BYTES:
            raise SystemExit("the pods are too small")
        double.put("pods", pod)


def serve(root: Path, pods: int) -> int:
    """Serve until standard input ends; the first line of the output says that it is there."""
    with ApiDouble() as double:
        fill(double, compile_prod(root), pods)
        # From the second run on, the time of its encoder is no part of what is measured.
        double.is_final = True
        print(double.kubeconfig(root), flush=True)
        sys.stdin.read()
    return 0


@contextmanager
def run_double(root: Path, pods: int) -> Iterator[str]:
    """The path of the kubeconfig of a double in a process of its own."""
    words = (sys.executable, __file__, "--serve", str(root), "--pods", str(pods))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("the double has no pipes")
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait()


def measure_status(root: Path, kubeconfig: str) -> Used:
    """One status. Raises SystemExit where anything is not in effect."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "KUBECONFIG": kubeconfig}
    with (root / "out").open("wb") as out:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, *_WORDS], cwd=root, env=environ, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"status ended with exit code {process.returncode}")
    lines = len((root / "out").read_text("utf-8").splitlines())
    return Used(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / MEBIBYTE, lines)


def measure_all(root: Path, secrets: int, pods: int) -> list[Figure]:
    """The quickest run, as whatever else the machine does only adds to it, and the largest memory."""
    generate_catalogue(root, secrets)
    with run_double(root, pods) as kubeconfig:
        found = [measure_status(root, kubeconfig) for _ in range(RUNS)]
    what = f"`status --offline --cluster`, {secrets:,} ExternalSecrets and {pods:,} pods"
    return [
        Figure(Budget(f"{what}: wall, whole process", "s", 5, 5), min(each.wall for each in found)),
        Figure(Budget(f"{what}: processor time", "s", 5, 5), min(each.cpu for each in found)),
        Figure(Budget(f"{what}: peak memory", "MiB", 150, 150), max(each.memory for each in found)),
        Figure(Budget("lines that it prints", "", secrets + 4, secrets + 4), max(each.lines for each in found)),
    ]


def page(figures: Sequence[Figure]) -> str:
    return f"""# Performance in a large cluster

What `status --offline --cluster` costs, as `make bench-status` last measured it: whole processes, compiling included
and stores left out, the quickest of {RUNS} and the largest resident memory, on {os.cpu_count()} cores that the API
double shares with the program. Each ExternalSecret has four keys, each pod more than {BYTES:,} bytes of JSON; lists
come in pages of 500, and of Secrets metadata alone; the double encodes each once, in the first run.

{table(figures)}
The load average was {os.getloadavg()[0]:.1f} when it ended: on a busy machine wall seconds grow.

    scripts/bench.py status             # measures and prints; --quick takes a tenth
    scripts/bench.py status --json FILE # the same as JSON
    scripts/bench.py status --write     # and writes this page, as `make bench-status BENCH=--write` does
"""


def main(argv: Sequence[str]) -> int:
    parser = parser_of(__doc__, PAGE, quick="a tenth of everything")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--pods", type=int, default=PODS, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.serve:
        return serve(options.serve, options.pods)
    part = 10 if options.quick else 1
    with TemporaryDirectory() as folder:
        figures = measure_all(Path(folder), SECRETS // part, PODS // part)
    print(table(figures, beside="-"), end="")
    if options.write:
        PAGE.write_text(page(figures), encoding="utf-8")
    return report(figures, options, RUNS)


if __name__ == "__main__":
    leave_no_core()
    sys.exit(main(sys.argv[1:]))

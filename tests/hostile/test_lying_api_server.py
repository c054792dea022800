"""An API server that answers with as many values as it may fills no memory: a command refuses it after some of them."""

import json
import os
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from itertools import count
from pathlib import Path

import pytest

from tests.api_double import Address, ApiDouble, _send
from tests.own_process import OwnProcesses
from tests.pace import allowed

PROGRAM = """
import json, re, sys, time
from pathlib import Path
from compiler.cluster.client import KubernetesCluster
from compiler.cluster.view import ClusterError, ClusterView
view, start, said = ClusterView(KubernetesCluster({"KUBECONFIG": sys.argv[1]})), time.process_time(), ""
try:
    view.every_object("externalsecrets")
except ClusterError as error:
    said = str(error)
json.dump({
    "said": said,
    "seconds": time.process_time() - start,
    "megabytes": int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024,
}, sys.stdout)
"""
# What an object's spec is full of, as often as one answer may have it: values that take many times their bytes, and
# texts of four bytes a character.
FULL: dict[str, Callable[[], str]] = {
    "empty lists": lambda: ",".join(["[]"] * 249_000),
    "keys": lambda: "{" + ",".join(f'"PAGE-{each}":0' for each in range(490_000)) + "}",
    "wide texts": lambda: '"' + "a" * 16_000_000 + '\U0001f600"',
}


class Endless(ApiDouble):
    """Goes on with pages of one object each, full of `full`, where PAGE is the number of the page."""

    full: str

    def _list(self, handler: BaseHTTPRequestHandler, at: Address, query: dict[str, str]) -> None:
        del at, query
        page = next(self.pages)
        head = {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecretList",
            "metadata": {"continue": str(page)},
        }
        spec = f'{{"metadata":{{"name":"e{page}"}},"spec":{{"x":[{self.full.replace("PAGE", str(page))}]}}}}'
        _send(handler, 200, f'{json.dumps(head)[:-1]},"items":[{spec}]}}'.encode())

    def __post_init__(self) -> None:
        super().__post_init__()
        self.pages = count(1)


@pytest.mark.parametrize("name", FULL)
def test_it_takes_no_more_than_500_megabytes_and_some_seconds(
    own_processes: OwnProcesses, tmp_path: Path, name: str
) -> None:
    with Endless() as double:
        double.full = FULL[name]()
        done = own_processes.run(PROGRAM, str(double.kubeconfig(tmp_path)), variables={"PATH": os.defpath})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["said"].startswith("its answers to this command have more than 128 MiB, or take more than 256 MiB")
    assert found["megabytes"] < 500
    assert found["seconds"] < allowed(10)

"""The packed chart with a values file, by each Helm."""

import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import CHART, Helm
from tests.faulty_gateway import QuietHandler

VALUES = CHART / "values-prod.yaml"
ESO = "external-secrets.io/v1"
# What Helm 3 asks a cluster before it installs nothing: its version, and the kinds that it has.
CLUSTER = {
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {
        "kind": "APIGroupList",
        "groups": [{"name": "external-secrets.io", "versions": [{"groupVersion": ESO, "version": "v1"}]}],
    },
    f"/apis/{ESO}": {
        "kind": "APIResourceList",
        "groupVersion": ESO,
        "resources": [{"name": "externalsecrets", "namespaced": True, "kind": "ExternalSecret", "verbs": ["get"]}],
    },
}


class Cluster(QuietHandler):
    def do_GET(self) -> None:
        reply = CLUSTER.get(self.path.partition("?")[0])
        missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        body = json.dumps(reply or missing).encode()
        self.send_response(200 if reply else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def cluster() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_renders_as_the_folder_does(helm: Helm, chart: Path) -> None:
    rendered = helm.template(VALUES, chart=chart)
    assert rendered.count("kind: ExternalSecret") > 5
    assert rendered == helm.template(VALUES)


def test_a_dry_run_prints_what_it_would_install(helm: Helm, chart: Path, cluster: str) -> None:
    """By Helm 4 without a cluster; Helm 3 asks one also for `--dry-run=client`, and for the forms of all its kinds."""
    install = ("install", "platform-secrets", chart, "--values", VALUES, "--dry-run=client")
    done = helm.run(*install)
    if helm.major == 3:
        assert "cluster unreachable" in done.stderr
        done = helm.run(*install, "--disable-openapi-validation", "--kube-apiserver", cluster)
    assert done.returncode == 0, done.stderr
    # Below a head with the time.
    _, _, printed = done.stdout.partition("MANIFEST:\n")
    assert printed.partition("\nNOTES:")[0].strip() == helm.template(VALUES, chart=chart).strip()


def test_it_has_its_page_and_nobodys_values(chart: Path, tmp_path: Path) -> None:
    with tarfile.open(chart) as package:
        package.extractall(tmp_path, filter="data")
    unpacked = tmp_path / "platform-secrets"
    assert (unpacked / "README.md").read_bytes() == (CHART / "README.md").read_bytes()
    assert list(unpacked.glob("values*.yaml")) == [unpacked / "values.yaml"]

import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler import helm as module
from compiler.edit.chart import chart_files
from compiler.helm import (
    VARIABLE,
    Helm,
    HelmError,
    OutputTooLargeError,
    chart_at,
    find_chart,
    find_helms,
    helm_at,
    render,
    run_bounded,
    template,
)
from compiler.model.environment import Project
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from tests.conftest import Helm as Installed
from tests.pace import allowed, allowed_wall
from tests.platforms import write_agents_project

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "tests/chart/values/mixed.yaml"


def _program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(0o755)
    return path


def test_both_helms_render(helms: tuple[Installed, ...]) -> None:
    found = [helm_at(Path(each.path)) for each in helms]
    assert [each.version[0] for each in found] == ["3", "4"]
    for each in found:
        assert "kind: ExternalSecret" in template(each, ROOT / "chart", [SAMPLE], namespace="n")


def test_named_ones_come_before_the_variable_and_the_variable_before_path(tmp_path: Path) -> None:
    programs = {name: _program(tmp_path / name / "helm", f"echo v{name}.1+g1") for name in ("3.22", "4.2", "4.3")}
    root = tmp_path / "project"
    environ = {"PATH": str(tmp_path / "3.22"), VARIABLE: f"{programs['4.2']}:{programs['3.22']}:{programs['4.2']}:"}
    assert find_helms(root, [str(programs["4.3"])], environ) == (Helm(programs["4.3"], "4.3"),)
    assert [each.version for each in find_helms(root, [], environ)] == ["4.2", "3.22"]
    assert [each.version for each in find_helms(root, [], {**environ, VARIABLE: ""})] == ["3.22"]
    # What is named is meant: none of them is passed over.
    with pytest.raises(HelmError, match="there is no Helm at"):
        find_helms(root, [], {**environ, VARIABLE: f"{programs['4.2']}:/nowhere/helm"})


@pytest.mark.parametrize(
    "path", [".", "", "bin", "{root}/bin", "{root}/node_modules/.bin", "{alias}/bin", "../project/bin"]
)
def test_no_program_of_the_project_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    root, ran = tmp_path / "project", tmp_path / "ran"
    places = ("helm", "bin/helm", "node_modules/.bin/helm", ".tools/helm4/helm", ".tools/helm3/helm", "tools/helm")
    for place in places:
        _program(root / place, f"touch {ran}; echo v4.3")
    (tmp_path / "alias").symlink_to(root)
    monkeypatch.chdir(root)
    search = path.format(root=root, alias=tmp_path / "alias")
    with pytest.raises(HelmError, match="no Helm is installed") as raised:
        find_helms(root, [], {"PATH": search})
    assert "must be named to be run" in str(raised.value.help)
    mine = _program(tmp_path / "mine/helm", "echo v4.3")
    assert find_helms(root, [], {"PATH": f"{search}:{tmp_path}/mine"}) == (Helm(mine, "4.3"),)
    assert not ran.exists()
    # A person may still name it.
    assert find_helms(root, ["bin/helm"], {"PATH": ""}) == (Helm(Path("bin/helm"), "4.3"),)
    assert ran.exists()


def test_a_variable_with_a_relative_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "helm", "echo v4.3")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HelmError, match=f"{VARIABLE} holds a relative path"):
        find_helms(tmp_path, [], {VARIABLE: "/bin/helm:helm"})


def test_without_any_it_is_said_what_to_do_and_where_a_clone_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "a clone/helm"
    monkeypatch.setattr("compiler.helm._OF_CLONE", mine)

    def way_out() -> str | None:
        with pytest.raises(HelmError, match="no Helm is installed") as raised:
            find_helms(tmp_path, [], {"PATH": str(tmp_path)})
        return raised.value.help

    general = f"put Helm 3 or 4 on PATH, or name one with --helm or {VARIABLE}"
    assert way_out() == general
    # It is only named: nothing in a folder that may be the project's is run unasked.
    ran = tmp_path / "ran"
    _program(mine, f"touch {ran}; echo v4.3")
    assert way_out() == f"{general}; the one of the clone is --helm '{mine}'"
    assert not ran.exists()


@pytest.mark.parametrize("said", ["v3.11.3", "v3.0.0+g1"])
def test_a_helm_whose_templates_could_ask_the_network_is_refused(tmp_path: Path, said: str) -> None:
    with pytest.raises(HelmError, match="is too old: Helm") as raised:
        helm_at(_program(tmp_path / "helm", f"echo {said}"))
    assert "3.12" in str(raised.value.help)


@pytest.mark.parametrize("said", ["v2.17.0", "v5.0.0", "nonsense", ""])
def test_what_is_no_helm_of_ours_is_refused(tmp_path: Path, said: str) -> None:
    with pytest.raises(HelmError, match="is not Helm 3 or 4") as raised:
        helm_at(_program(tmp_path / "helm", f"echo '{said}'"))
    assert "Helm 3 or 4" in str(raised.value.help)


def test_what_cannot_be_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "helm").write_text("", "utf-8")
    with pytest.raises(HelmError, match="cannot be run: permission denied"):
        helm_at(tmp_path / "helm")
    with pytest.raises(HelmError, match="there is no Helm at") as raised:
        helm_at(tmp_path / "nowhere")
    assert "the one on PATH" in str(raised.value.help)


def test_a_refusal_carries_the_words_of_helm(tmp_path: Path) -> None:
    program = _program(tmp_path / "helm", "echo 'Error: no chart' >&2; exit 1")
    with pytest.raises(HelmError) as caught:
        template(Helm(program, "4.3"), tmp_path, [])
    assert (str(caught.value), caught.value.details) == ("Helm 4.3 refuses the chart", "Error: no chart")


def test_nothing_of_a_person_reaches_it_and_nothing_becomes_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELM_PLUGINS", "/somewhere")
    monkeypatch.setenv("VAULT_TOKEN", "hvs.s3ntinels3ntinels3ntinel")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:s3ntinel@proxy")
    monkeypatch.chdir(tmp_path)
    program = _program(
        tmp_path / "helm", 'env | cut -d= -f1 | sort; for a in "$@"; do echo "<$a>"; done; echo "<$PWD>"'
    )
    shown = template(Helm(program, "4.3"), Path("chart"), [Path("-v.yaml")], release="-r", namespace="-n")
    names = {line for line in shown.splitlines() if not line.startswith("<")} - {"PWD", "_", "SHLVL", "OLDPWD"}
    assert names == {"GOGC", "GOMEMLIMIT", "HOME", "KUBECONFIG", "PATH", "TMPDIR"}
    *arguments, folder = [line for line in shown.splitlines() if line.startswith("<")]
    assert Path(folder.strip("<>")) != tmp_path
    assert arguments == [
        "<template>",
        f"<--values={tmp_path}/-v.yaml>",
        "<--namespace=-n>",
        "<-->",
        "<-r>",
        f"<{tmp_path}/chart>",
    ]


def test_a_helm_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.2)
    program = _program(tmp_path / "helm", f"exec {os.defpath.split(':')[0]}/sleep 30")
    with pytest.raises(HelmError, match="did not end within"):
        helm_at(program)


SCHEMA = "chart/values.schema.json"
DRAFT = "http://json-schema.org/draft-07/schema#"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with the chart as it is shipped, and a subchart."""
    for path, text in chart_files().items():
        put(tmp_path, path, text)
    put(tmp_path, "chart/charts/sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 0.1.0\n")
    return tmp_path


def put(root: Path, path: str, text: str) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file


def found(root: Path) -> list[tuple[str, str]]:
    diagnostics = find_chart(root)[1]
    assert {each.rule for each in diagnostics} <= {"unconfined-chart"}
    assert all(each.help for each in diagnostics)
    return [(each.span.where, each.message) for each in diagnostics]


def test_the_shipped_chart_and_a_subchart_pass(root: Path) -> None:
    assert find_chart(root) == (root / "chart", ())


def test_no_chart_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(HelmError, match='there is no chart in "chart/"') as raised:
        find_chart(tmp_path)
    assert "`platform-secrets new chart`" in str(raised.value.help)


@pytest.mark.parametrize("target", ["/etc/hostname", "../Chart.yaml", "nowhere", "/", "note"])
def test_no_link_below_the_chart_is_followed(root: Path, target: str) -> None:
    (root / "chart/templates/note").symlink_to(target)
    (root / "chart/charts/sub/note").symlink_to(target)
    assert found(root) == [
        ("chart/charts/sub/note:1:1", "chart/charts/sub/note is a link"),
        ("chart/templates/note:1:1", "chart/templates/note is a link"),
    ]


def test_a_chart_may_be_a_link_inside_the_project(root: Path) -> None:
    (root / "chart").rename(root / "deploy")
    (root / "chart").symlink_to("deploy")
    assert find_chart(root) == (root / "deploy", ())
    (root / "deploy/note").symlink_to("/etc/hostname")
    assert found(root) == [("chart/note:1:1", "chart/note is a link")]


def test_a_chart_that_is_a_link_out_of_the_project_is_none(root: Path) -> None:
    (root / "project").mkdir()
    (root / "project/chart").symlink_to("../chart")
    assert found(root / "project") == [("chart:1:1", "chart leads out of the project through a link")]


def test_what_is_no_file_and_what_is_packed_is_refused(root: Path) -> None:
    os.mkfifo(root / "chart/pipe")
    put(root, "chart/charts/sub/charts/deep-1.0.0.tgz", "")
    put(root, "chart/files/archive.tgz", "")
    assert found(root) == [
        ("chart/charts/sub/charts/deep-1.0.0.tgz:1:1", f"chart/charts/sub/charts/deep-1.0.0.tgz {PACKED}"),
        ("chart/pipe:1:1", "chart/pipe is not a regular file"),
    ]


PACKED = "is a packed chart, whose files cannot be checked"
OUTSIDE = "the schema refers to something outside of it"
FETCHED = "the schema uses a draft that Helm would have to download"


@pytest.mark.parametrize("key", ["$ref", "$dynamicRef", "$recursiveRef"])
@pytest.mark.parametrize(
    "value", ["http://127.0.0.1/x", "https://a/b#/c", "file:///etc/passwd", "other.json", "//a", ""]
)
def test_a_schema_that_refers_to_another_is_refused(root: Path, key: str, value: str) -> None:
    put(root, SCHEMA, f'{{\n  "title": "x",\n  "items": {{"{key}":\n    "{value}"}}\n}}')
    assert found(root) == [("chart/values.schema.json:4:5", OUTSIDE)]


@pytest.mark.parametrize(
    "text",
    [
        r'{"\u0024r\u0065f": "http:\/\/a"}',
        '{"$ref": "#/definitions/a", "$ref": "http://a"}',
        '{"$ref": "http://a", "$ref": "#/definitions/a"}',
        '{"a": {"$ref" \t\n : "http://a"}}',
        r'{"a\"b\\": 1, "properties": {"$ref": {"$ref": "http://a"}}}',
        '{"$ref": "http://a',
    ],
)
def test_no_way_of_writing_it_hides_a_reference(root: Path, text: str) -> None:
    put(root, "chart/charts/sub/values.schema.json", text)
    assert [message for _, message in found(root)] == [OUTSIDE]


def test_what_only_looks_like_a_reference_passes(root: Path) -> None:
    schema = {
        "$schema": DRAFT,
        "$id": "https://example.com/values.json",
        "properties": {"$ref": {"type": "string"}, "url": {"default": "http://a", "enum": ["$ref", "http://a"]}},
        "description": '"$ref": "http://a"',
        "items": {"$ref": "#/properties/url"},
    }
    put(root, SCHEMA, json.dumps(schema))
    assert found(root) == []


@pytest.mark.parametrize("value", ["http://127.0.0.1/meta", "https://json-schema.org.evil/schema", "meta.json"])
def test_a_draft_that_would_be_fetched_is_refused(root: Path, value: str) -> None:
    put(root, SCHEMA, json.dumps({"$schema": value}))
    assert found(root) == [("chart/values.schema.json:1:13", FETCHED)]


def test_a_schema_that_cannot_be_read_is_said(root: Path) -> None:
    (root / SCHEMA).write_bytes(b"\xff\xfe{}")
    assert [each.rule for each in find_chart(root)[1]] == ["invalid-encoding"]


@pytest.mark.heavy
def test_hostile_sizes_take_no_time(root: Path) -> None:
    for quotes in ('"\\' * 250_000, '\\"' * 250_000, '"' * 500_000, '"a" ' * 125_000):
        put(root, SCHEMA, "{" + quotes)
        begun = time.process_time()
        find_chart(root)
        assert time.process_time() - begun < allowed(1.5)


def test_findings_have_an_end(root: Path) -> None:
    put(root, SCHEMA, '{"$ref": "x"}' * 1000)
    diagnostics = find_chart(root)[1]
    assert len(diagnostics) == 101
    assert diagnostics[-1].message.startswith("there are more")


@pytest.mark.heavy
def test_folders_deeper_than_calls_are_looked_into(root: Path) -> None:
    folders = [root / "chart" / ("d/" * depth) for depth in range(1, 1200)]
    for folder in folders:
        folder.mkdir()
    (folders[-1] / "link").symlink_to("/")
    assert [message.rpartition("/")[2] for _, message in found(root)] == ["link is a link"]
    (folders[-1] / "link").unlink()
    # Taking the test's folder away by recursion would fail.
    for folder in reversed(folders):
        folder.rmdir()


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """The URL of a server on this machine that has a schema at every path, and the paths that it was asked for."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()


@pytest.mark.heavy
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "{url}/asked"},
        {"items": {"$dynamicRef": "{url}/asked"}, "$schema": "https://json-schema.org/draft/2020-12/schema"},
        {"$schema": "{url}/asked"},
        {"$id": "{url}/base", "items": {"$ref": "asked"}},
        {"$id": "{url}/base", "items": {"$ref": "#/definitions/a"}, "definitions": {"a": {}}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$vocabulary": {"{url}/asked": True}},
    ],
)
def test_what_helm_would_fetch_is_refused_and_what_passes_asks_nobody(
    root: Path, helm: Installed, asked: tuple[str, list[str]], schema: dict[str, Any]
) -> None:
    url, paths = asked
    put(root, SCHEMA, json.dumps(schema).replace("{url}", url))
    is_refused = bool(found(root))
    helm.run("template", "release", root / "chart")
    # What Helm does shows whether the refusal is needed, and that no other is.
    assert is_refused == (paths == ["/asked"])
    assert is_refused or not paths


def test_a_chart_that_is_named_may_lie_anywhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chart_at(root / "chart") == (root / "chart", ())
    link = root / "link"
    link.symlink_to("chart")
    assert chart_at(link) == (root / "chart", ())
    monkeypatch.chdir(root / "chart")
    assert chart_at(Path()) == (root / "chart", ())


@pytest.mark.parametrize(("where", "shown"), [("", "chart/templates/a.yaml"), ("chart", "chart/templates/a.yaml")])
def test_what_lies_in_a_named_chart_is_judged_alike(
    root: Path, monkeypatch: pytest.MonkeyPatch, where: str, shown: str
) -> None:
    (root / "chart/templates/a.yaml").symlink_to("/etc/hostname")
    monkeypatch.chdir(root / where)
    (found,) = chart_at(root / "chart")[1]
    assert (found.rule, found.message) == ("unconfined-chart", f"{shown} is a link")


def test_a_schema_of_a_named_chart_is_judged_below_the_working_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, "vendor/shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 0.1.0\n")
    put(root, "vendor/shop/values.schema.json", '{"$ref": "https://example.com/a.json"}')
    monkeypatch.chdir(root)
    (found,) = chart_at(Path("vendor/shop"))[1]
    assert found.span.where == "vendor/shop/values.schema.json:1:10"


def test_a_folder_without_a_chart_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(HelmError, match="there is no chart in") as raised:
        chart_at(tmp_path / "caipe-0.6.0.tgz")
    assert "unpacked chart" in str(raised.value.help)


MOST = 1024 * 1024


def run(program: str, seconds: float = 20, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_bounded([sys.executable, "-c", program], variables, seconds, MOST)


def test_what_it_printed_comes_back_whole() -> None:
    done = run("import sys; sys.stdout.write('o' * 500_000); sys.stderr.write('e' * 500_000); sys.exit(7)")
    assert (done.returncode, done.stdout, done.stderr) == (7, "o" * 500_000, "e" * 500_000)


def test_it_has_the_given_environment_no_input_and_may_print_any_bytes() -> None:
    program = "import os, sys; sys.stdout.buffer.write(os.environ['A'].encode() + b'\\xff' + sys.stdin.buffer.read())"
    assert run(program, A="x").stdout == "x\ufffd"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_program_that_prints_without_end_is_ended(stream: str) -> None:
    start = time.monotonic()
    with pytest.raises(OutputTooLargeError):
        run(f"import sys\nwhile True: sys.{stream}.write('x' * 65536)")
    assert time.monotonic() - start < allowed_wall(10, below=20)


@pytest.mark.parametrize("closing", ["", "os.close(1); os.close(2); "])
def test_a_program_that_does_not_end_is_ended(closing: str) -> None:
    start = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        run(f"import os, time; {closing}time.sleep(60)", seconds=0.5)
    assert time.monotonic() - start < allowed_wall(10, below=60)


def test_a_child_of_its_own_that_keeps_its_output_open_is_not_waited_for() -> None:
    start = time.monotonic()
    child = "import time; time.sleep(15)"
    with pytest.raises(subprocess.TimeoutExpired):
        run(f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}])", seconds=0.5)
    assert time.monotonic() - start < allowed_wall(10, below=15)


def test_a_program_that_is_not_there_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError):
        run_bounded(["/nowhere/helm"], {}, 1, MOST)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    write_agents_project(tmp_path)
    shutil.copytree(ROOT / "chart", tmp_path / "chart", ignore=shutil.ignore_patterns("values-*"))
    found = compile_project(tmp_path).project
    assert found is not None
    return found


def rendering(project: Project, helm: Installed, tmp_path: Path, **options: str) -> str:
    return render(project, helm_at(Path(helm.path)), tmp_path / "chart", **options)


def test_an_environment_is_rendered_in_its_own_namespace_or_another(
    project: Project, tmp_path: Path, helm: Installed
) -> None:
    text = rendering(project, helm, tmp_path)
    assert "kind: ExternalSecret" in text
    assert list((tmp_path / "chart").glob("values-*")) == []
    assert rendering(project, helm, tmp_path, namespace="elsewhere")


def test_a_folder_that_cannot_be_written_is_refused(
    project: Project, tmp_path: Path, helm: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(tempfile.TemporaryDirectory[str]):
        def __enter__(self) -> str:
            return "/proc/nowhere"

    found = helm_at(Path(helm.path))
    monkeypatch.setattr("compiler.helm.TemporaryDirectory", Broken)
    with pytest.raises(Refusal, match="cannot be written to a temporary folder") as caught:
        render(project, found, tmp_path / "chart")
    assert caught.value.help == "check TMPDIR"


def test_what_is_nested_for_a_parent_is_rendered_as_the_parent_would(
    project: Project, tmp_path: Path, helm: Installed
) -> None:
    plain = rendering(project, helm, tmp_path)
    (tmp_path / "environments/prod.yaml").write_text("labels: {team: platform}\nsubchart: secrets\n", "utf-8")
    nested = compile_project(tmp_path).project
    assert nested is not None
    assert rendering(nested, helm, tmp_path) == plain

import http.server
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler.edit.chart import chart_files
from compiler.helm import HelmError, chart_at, find_chart
from tests.conftest import Helm
from tests.pace import allowed

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
    root: Path, helm: Helm, asked: tuple[str, list[str]], schema: dict[str, Any]
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

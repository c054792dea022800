from xml.etree import ElementTree as ET

from compiler.cli.terminal.contents import text_of
from compiler.model.diagnostic import Severity
from compiler.render.content import CommandRun, Shown, ShownRelated
from compiler.render.formats import render_junit


def suite(text: str) -> ET.Element:
    assert text.isascii()
    root = ET.fromstring(text)  # noqa: S314 - our own output
    assert (root.tag, len(root)) == ("testsuites", 1)
    assert {key: root.attrib[key] for key in ("tests", "failures", "errors")}.items() <= root[0].attrib.items()
    return root[0]


def test_a_file_with_errors_fails_and_its_warnings_are_output(two: tuple[Shown, ...]) -> None:
    other = two[1]._replace(path="environments/dev.yaml")
    result = suite(
        text_of(render_junit([*two, other, two[0]._replace(rule="unused-override")], (), CommandRun("compile")))
    )
    assert (result.get("tests"), result.get("failures"), result.get("errors")) == ("2", "1", "0")
    prod, dev = result.findall("testcase")
    assert (prod.get("name"), dev.get("name")) == ("environments/prod.yaml", "environments/dev.yaml")
    assert [child.tag for child in prod] == ["failure", "system-out"]
    assert prod[0].attrib == {"type": "unknown-secret, unused-override", "message": "2 errors"}
    assert 'error[unknown-secret]: no secret named "gihub"' in (prod[0].text or "")
    assert "insecure-address" not in (prod[0].text or "")
    assert "warning[insecure-address]" in (prod[1].text or "")
    assert [child.tag for child in dev] == ["system-out"]


def test_a_note_fails_no_case_and_is_output(two: tuple[Shown, ...]) -> None:
    (case,) = suite(
        text_of(render_junit([two[1]._replace(severity=Severity.NOTE)], (), CommandRun("compile")))
    ).findall("testcase")
    assert [child.tag for child in case] == ["system-out"]
    assert "note[insecure-address]" in (case[0].text or "")


def test_no_diagnostic_is_a_passed_case() -> None:
    result = suite(text_of(render_junit((), (), CommandRun("compile"))))
    assert (result.get("tests"), result.get("failures")) == ("1", "0")
    assert [len(case) for case in result.findall("testcase")] == [0]


def test_what_xml_cannot_hold_is_escaped(two: tuple[Shown, ...]) -> None:
    hostile = two[0]._replace(path='a"<b>&\x00\x1b\ufffe.yaml', message="]]></failure>\ud800 größe 🔑")
    case = suite(text_of(render_junit([hostile], (), CommandRun("compile")))).findall("testcase")[0]
    assert case.get("name") == r'a"<b>&\x00\x1b\ufffe.yaml'
    assert r"]]></failure>\ud800 größe 🔑" in (case[0].text or "")


def test_each_secret_that_was_verified_is_a_case(two: tuple[Shown, ...]) -> None:
    cases = {"github": (0, 0, 1), "slack": (), "jira": (1,)}
    result = suite(text_of(render_junit([*two, two[0]], (), CommandRun("verify", cases=cases))))
    assert (result.get("tests"), result.get("failures")) == ("4", "2")
    found = result.findall("testcase")
    assert [case.get("name") for case in found] == ["github", "slack", "jira", "environments/prod.yaml"]
    assert [[child.tag for child in case] for case in found] == [
        ["failure", "system-out"],
        [],
        ["system-out"],
        ["failure"],
    ]
    assert (found[0][0].text or "").count("error[unknown-secret]") == 1


def test_each_key_of_a_finding_has_its_place(two: tuple[Shown, ...]) -> None:
    notes = tuple(
        ShownRelated(f'read by: "{key}"', "a.yaml", line, 1, "read by:", key) for line, key in enumerate("AB", 1)
    )
    text = text_of(render_junit([two[0]._replace(related=notes)], (), CommandRun("verify")))
    assert "a.yaml:1:1" in text
    assert "a.yaml:2:1" in text

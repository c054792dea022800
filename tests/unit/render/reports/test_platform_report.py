from pathlib import Path

from compiler.consumers.findings import secrets_of
from compiler.consumers.look import Look
from compiler.consumers.readers import ObjectIndex
from compiler.generate.platform import PlatformValues
from compiler.pipeline import compile_project
from compiler.render.content import as_json
from compiler.render.reports.consumers import platform_content
from tests.agents_project import write_agents_project


def test_programs_are_told_of_the_version_and_who_reads_what(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    project = compile_project(tmp_path, ["prod"]).project
    assert project is not None
    look = Look(secrets_of(project.environments[0]), ObjectIndex(), ())
    text = PlatformValues("a: 1\n", ("github",), ("a note",), ("newer", "lacks a key"), is_newer=True)
    told = as_json(platform_content("charts/caipe", "9.0.0", "caipe", look, text))
    assert told == {
        "target": "platform",
        "chart": "charts/caipe",
        "chartVersion": "9.0.0",
        "newerThanKnown": True,
        "release": "caipe",
        "notes": ["a note", "lacks a key"],
        "unread": ["github"],
        "workloads": 0,
        "secrets": [
            {"secret": each, "namespace": "agents", "target": f"agent-{each}-secrets", "readBy": []}
            for each in ("github", "jira")
        ],
    }
    empty = platform_content("charts/caipe", "9.0.0", "caipe")
    assert empty == {**told, "newerThanKnown": False, "notes": [], "unread": [], "secrets": []}

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.consumers.look import Look
from compiler.operations.consumers.objects import Gathered
from compiler.operations.consumers.own import own_of
from compiler.operations.generated.platform.text import PlatformText
from compiler.pipeline import compile_project
from compiler.render.reports.platform_report import content, nothing
from tests.agents_project import write_agents_project

if TYPE_CHECKING:
    from pathlib import Path


def test_programs_are_told_of_the_version_and_who_reads_what(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    project = compile_project(tmp_path, ["prod"]).project
    assert project is not None
    look = Look(own_of(project.environments[0]), Gathered(), ())
    text = PlatformText("a: 1\n", ("github",), ("a note",), ("newer", "lacks a key"), is_newer=True)
    told = content(look, text, "9.0.0", "caipe", "charts/caipe")
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
    empty = nothing("9.0.0", "caipe", "charts/caipe")
    assert empty == {**told, "newerThanKnown": False, "notes": [], "unread": [], "secrets": []}

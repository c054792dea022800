"""What a user can call is named where a user looks first: in the changelog or in the README."""

import re
import subprocess
from pathlib import Path

from compiler.change import journal
from compiler.cli.commands import COMMANDS, generate, new
from compiler.operations import backup
from compiler.render import content

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CHANGELOG.md").read_text("utf-8") + (ROOT / "README.md").read_text("utf-8")


def test_every_command_is_named() -> None:
    unnamed = [
        name for name in COMMANDS if not re.search(rf"`(?:platform-secrets )?{name}\b|platform-secrets {name}\b", TEXT)
    ]
    assert unnamed == []


def test_everything_that_generate_and_new_make_is_named() -> None:
    made = [*(f"generate {target}" for target in generate.KINDS), *(f"new {kind}" for kind in new.KINDS)]
    assert [words for words in made if not re.search(rf"`(?:platform-secrets )?{words}\b", TEXT)] == []


def test_every_make_target_that_users_call_is_named() -> None:
    helped = subprocess.run(["/usr/bin/make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True)
    first, _, _ = helped.stdout.partition("to work on it:\n")
    tasks = re.findall(r"^  make ([a-z0-9-]+)", first, re.MULTILINE)
    assert len(tasks) > 5
    assert [task for task in tasks if not re.search(rf"`make {task}\b|^make {task}\b", TEXT, re.MULTILINE)] == []


def test_the_formats_are_those_of_the_program() -> None:
    formats = re.search(r"### Formats\n(.*?)\n### ", TEXT, re.DOTALL)
    assert formats is not None
    said = re.findall(r"`format: (\d)`|have format (\d)|have version (\d)", formats[1])
    assert [next(filter(None, each)) for each in said] == [
        str(content.FORMAT),
        str(journal.FORMAT),
        str(backup.VERSION),
    ]


def test_every_heading_stands_alone_and_entries_are_grouped_by_headings_only() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()
    headings = [place for place, line in enumerate(lines) if line.startswith("#")]
    assert [lines[place] for place in headings[1:] if lines[place - 1] or lines[place + 1]] == []
    assert [line for line in lines if line.startswith("**")] == []
    # A release is read in one sitting; the unreleased one as well.
    releases = [place for place, line in enumerate(lines) if line.startswith("## ")]
    ends = [*releases[1:], len(lines)]
    assert [lines[at] for at, end in zip(releases, ends, strict=True) if end - at >= 225] == []

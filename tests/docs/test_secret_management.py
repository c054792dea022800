"""The guide's claims about the program: its messages, options and findings are the ones that the code has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from compiler.rules.live_rules import LIVE_RULES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/secret-management.md").read_text("utf-8")
# Implicitly joined literals: what ends one and begins the next is no part of a message.
SOURCE = re.sub(r'"\s*\n\s*f?"', "", "".join(path.read_text("utf-8") for path in (ROOT / "compiler").rglob("*.py")))
# Written with the values left out, as the page does: "…" stands for a field of the message.
MESSAGES = re.sub(r"\{[^{}\n]*\}", "…", SOURCE)


def section(title: str) -> str:
    return PAGE.partition(f"\n{title}\n")[2].partition("\n## ")[0]


def table_cells(text: str, column: int) -> list[str]:
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [cell for row in rows[1:] for cell in re.findall(r"`([^`]+)`", row[column])]


@pytest.mark.parametrize("message", table_cells(section("### Messages of the commands"), 0))
def test_messages_that_the_guide_explains_exist(message: str) -> None:
    parts = [part.strip(' "()') for part in re.split(r"…|AADSTS|VAULT_TOKEN|secrets/", message) if part.strip(' "()')]
    assert parts
    for part in parts:
        assert part in MESSAGES, part


def test_every_finding_of_verify_is_in_the_guide() -> None:
    named = set(table_cells(section("## Verify"), 0))
    assert {rule.id for rule in LIVE_RULES} - named == set()


@pytest.mark.parametrize("command", ["verify", "migrate"])
def test_options_that_the_guide_names_exist(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "compiler", command, "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    text = section(f"## {command.capitalize()}")
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    assert named
    assert named - set(re.findall(r"--[a-z][a-z-]+", done.stdout)) == set()


def test_variables_that_the_guide_names_are_read() -> None:
    own = set(re.findall(r"`((?:PLATFORM_SECRETS|AZURE_KEYVAULT|VAULT)_[A-Z_]+)(?:=1)?`", PAGE))
    assert len(own) > 15
    for name in own - {"VAULT_TOKEN_FILE"}:  # any variable's _FILE is composed
        assert name in SOURCE, name

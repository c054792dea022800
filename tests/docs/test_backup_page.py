"""Every field of a backup's manifest is explained in the reference, and no other."""

import json
import re
from pathlib import Path

from compiler.operations.age_file import SHORTEST_PASSPHRASE
from compiler.operations.backup import Backup, encode

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/backup.md").read_text("utf-8")


def test_every_field_of_the_manifest_is_explained() -> None:
    explained = PAGE[PAGE.index("## The format") :]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", explained, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert named == list(
        json.loads(
            encode(Backup("dev", "2025-01-31T12:00:00+00:00", {}, since={("jira", "URL"): None})).splitlines()[0]
        )
    )


def test_the_shortest_passphrase_is_that_of_the_code() -> None:
    assert f"passphrase of {SHORTEST_PASSPHRASE} characters or more" in PAGE

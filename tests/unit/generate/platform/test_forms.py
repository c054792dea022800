from __future__ import annotations

from typing import Any

import pytest

from compiler.generate.platform import Absent, Derived, Row, Version, forms_of, version_of

DATA: dict[str, Any] = {
    "oldest": "0.1.0",
    "newest": "1.3",
    "release": "caipe",
    "disable": [{"since": "0.2.0", "disable": ["global.a"]}],
    "rows": [
        {"of": ["x", "y"], "secrets": ["{}", "of-{}"], "mountedBy": "mcp-{}", "name": ["mcp-{}.name"]},
        {
            "secrets": ["z"],
            "since": "0.2.0",
            "before": "1.0.0-0",
            "keys": {"z.key": "KEY"},
            "disable": ["z.create"],
            "absent": {"values": {"z.name": ""}, "with": "ui", "unless": "z-secret"},
            "derived": {"chart": "mongodb", "suffix": "-secret"},
            "note": "mind it",
        },
    ],
    "hints": {"w": "read z"},
}


def test_data_becomes_rows_one_a_word() -> None:
    forms = forms_of(DATA)
    assert (forms.oldest, forms.newest, forms.release) == (Version((0, 1, 0)), (1, 3), "caipe")
    assert forms.hints == {"w": "read z"}
    assert forms.off == (Row(since=Version((0, 2, 0)), off=("global.a",)),)
    assert forms.rows == (
        Row(("x", "of-x"), "mcp-x", names=("mcp-x.name",)),
        Row(("y", "of-y"), "mcp-y", names=("mcp-y.name",)),
        Row(
            ("z",),
            None,
            Version((0, 2, 0)),
            Version((1, 0, 0), ("0",)),
            keys={"z.key": "KEY"},
            off=("z.create",),
            absent=Absent({"z.name": ""}, "ui", "z-secret"),
            derived=Derived("mongodb", "-secret"),
            note="mind it",
        ),
    )


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("0.1.9", False),
        ("0.2.0-rc.1", False),
        ("0.2.0", True),
        ("0.9.9", True),
        ("1.0.0-rc.1", False),
        ("1.0.0", False),
    ],
)
def test_a_row_holds_from_its_first_version_to_before_its_last(text: str, holds: bool) -> None:  # noqa: FBT001
    version = version_of(text)
    assert version is not None
    assert forms_of(DATA).rows[-1].holds(version) is holds
    assert forms_of(DATA).rows[0].holds(version)


@pytest.mark.parametrize(("text", "newer"), [("1.3.9", False), ("1.4.0-rc.1", True), ("2.0.0", True)])
def test_a_newer_minor_version_is_unknown(text: str, newer: bool) -> None:  # noqa: FBT001
    version = version_of(text)
    assert version is not None
    assert forms_of(DATA).is_newer(version) is newer

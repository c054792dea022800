from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from jsonschema import Draft7Validator

from compiler.generate import platform
from compiler.generate.platform import Version, caipe_forms, version_of
from compiler.stages.validate import read_schema
from tests.conftest import ROOT

if TYPE_CHECKING:
    from compiler.generate.platform import Row

FORMS = caipe_forms()
DATA = yaml.safe_load(Path(platform.__file__).with_name("caipe.yaml").read_text("utf-8"))
ENTRIES = yaml.safe_load((ROOT / "environments/catalogue.yaml").read_text("utf-8"))["secrets"]
BOUNDS = sorted({bound for row in FORMS.rows for bound in (row.since, row.before) if bound is not None})


def test_the_file_fits_its_closed_schema() -> None:
    schema = read_schema("platform")
    Draft7Validator.check_schema(schema)
    assert [each.message for each in Draft7Validator(schema).iter_errors(DATA)] == []
    broken = {**DATA, "rows": [{**DATA["rows"][0], "nam": ["a"]}]}
    assert list(Draft7Validator(schema).iter_errors(broken))


def test_every_version_and_secret_in_it_is_one() -> None:
    for row in (*DATA["rows"], *DATA["disable"]):
        for bound in ("since", "before"):
            assert bound not in row or version_of(row[bound]) is not None
    assert set(FORMS.hints) <= set(ENTRIES)
    for row in FORMS.rows:
        assert set(row.secrets) <= set(ENTRIES)
        assert row.since is None or row.before is None or row.since < row.before
        for key, secret in itertools.product(row.keys.values(), row.secrets):
            assert key in ENTRIES[secret]["keys"]
        if row.mounted_by is not None:
            assert all(row.mounted_by in ENTRIES[secret].get("mountedBy", ()) for secret in row.secrets)


@pytest.mark.parametrize("version", [Version((0, 1, 0)), *BOUNDS, Version((2, 0, 0))], ids=str)
def test_no_two_rows_of_a_version_write_one_place(version: Version) -> None:
    rows = [row for row in (*FORMS.rows, *FORMS.off) if row.holds(version)]
    places = Counter(path for row in rows for path in _places(row))
    assert [path for path, count in places.items() if count > 1] == []
    # What is a map in one row is no text in another.
    for one, other in itertools.permutations(places, 2):
        assert not other.startswith(f"{one}.")


def _places(row: Row) -> list[str]:
    return [*row.names, *row.keys, *row.off]


def test_every_entry_but_those_that_nobody_reads_is_in_the_newest_form() -> None:
    read = {secret for row in FORMS.rows if row.holds(Version((1, 3, 0))) for secret in row.secrets}
    assert set(ENTRIES) - read == {"github", "mongodb"}

"""Reads the forms of CAIPE's chart, which are data in this package."""

from __future__ import annotations

from pathlib import Path

from compiler.generate.platform.forms import Forms, forms_of
from compiler.stages.emit import read_values

_FILE = Path(__file__).with_name("caipe.yaml")


def caipe_forms() -> Forms:
    """The forms of every known version. The file fits `schemas/platform.schema.json`, as its test proves."""
    data = read_values(_FILE.read_text("utf-8"))
    return forms_of(data if isinstance(data, dict) else {})

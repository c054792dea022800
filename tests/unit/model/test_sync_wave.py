from pathlib import Path

from compiler.model.facts import ANNOTATION, NEW_SECRET_WAVE, STORE_WAVE
from compiler.pipeline import compile_project

ROOT = Path(__file__).resolve().parents[3]


def test_stores_come_before_every_secret_of_the_platform() -> None:
    project = compile_project(ROOT).project
    assert project is not None
    waves = {entry.sync_wave for entry in project.catalogue.entries.values()}
    assert STORE_WAVE < min(waves) <= NEW_SECRET_WAVE


def test_the_chart_writes_the_same_annotation() -> None:
    templates = (ROOT / "chart/templates").glob("*")
    assert any(ANNOTATION in path.read_text("utf-8") for path in templates if path.is_file())

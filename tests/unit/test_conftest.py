import re
from pathlib import Path

from hypothesis import settings

TESTS = Path(__file__).resolve().parents[1]


def test_no_example_has_a_deadline_that_a_busy_machine_would_miss() -> None:
    assert settings().deadline is None
    assert settings(max_examples=1).deadline is None
    own = re.compile(r"^@settings\([^)]*(deadline|suppress_health_check)", re.MULTILINE)
    assert [path.name for path in TESTS.rglob("test_*.py") if own.search(path.read_text("utf-8"))] == []

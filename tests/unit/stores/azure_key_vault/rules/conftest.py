"""The builders of the rules' tests."""

from tests.unit.rules.conftest import judge, judge_project

__all__ = ["judge", "judge_project"]

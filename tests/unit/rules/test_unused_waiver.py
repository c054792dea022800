from __future__ import annotations

from compiler.model.diagnostic import Severity
from compiler.rules.interface import Scope
from compiler.rules.unused_waiver import RULE


def test_is_a_page_alone_as_the_checking_stage_reports_it() -> None:
    assert RULE.scope is Scope.INPUT
    assert RULE.check is None
    assert RULE.severity is Severity.WARNING

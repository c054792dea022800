from compiler.rules import ALL_RULES
from compiler.rules.import_rules import IMPORT_RULES, NOT_IMPORTED


def test_what_is_refused_never_stops_the_rest() -> None:
    assert IMPORT_RULES == (NOT_IMPORTED,)
    assert NOT_IMPORTED in ALL_RULES
    assert NOT_IMPORTED.severity.value == "warning"

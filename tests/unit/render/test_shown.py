import pytest

from compiler.model.diagnostic import Severity
from compiler.render.content import Shown, ShownRelated


def test_what_is_shown_of_a_diagnostic_stays_as_it_was_made() -> None:
    related = ShownRelated("first written", "environments/prod.yaml", 2, 1)
    shown = Shown("duplicate-key", Severity.ERROR, "written twice", "environments/prod.yaml", 3, 1, 3, 5)
    with pytest.raises(AttributeError):
        shown.source_line = "a: b"  # type: ignore[misc]
    assert (shown.source_line, shown.help, shown.related, shown.brief) == (None, None, (), False)
    assert shown._replace(related=(related,)).related[0].about == ""

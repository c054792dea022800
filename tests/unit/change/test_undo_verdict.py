import dataclasses

import pytest

from compiler.change.plan import Kind, Verdict


def test_a_verdict_writes_nothing_unless_it_says_so_and_stays_as_it_is() -> None:
    verdict = Verdict(Kind.KEEP)
    assert (verdict.current, verdict.earlier, verdict.owed, verdict.versions) == (None, None, None, ())
    with pytest.raises(dataclasses.FrozenInstanceError):
        verdict.kind = Kind.DELETE  # type: ignore[misc]

from tests.faulty_key_vault import Fault, FaultKind, FaultScript


def test_a_fault_hits_what_it_matches_as_often_as_it_says() -> None:
    script = FaultScript()
    script.add(Fault(FaultKind.RESET, method="PUT", path="^/secrets/a$", times=2, after=1))
    hits = [script.next_for(method, path) for method, path in [("GET", "/secrets/a"), ("PUT", "/secrets/b")]]
    hits += [script.next_for("PUT", "/secrets/a") for _ in range(4)]
    assert [hit is not None for hit in hits] == [False, False, False, True, True, False]


def test_the_first_that_matches_wins_and_the_next_follows() -> None:
    script = FaultScript()
    script.add(Fault(FaultKind.HTML))
    script.add(Fault(FaultKind.STATUS))
    kinds = [fault.kind for _ in range(2) if (fault := script.next_for("GET", "/")) is not None]
    assert kinds == [FaultKind.HTML, FaultKind.STATUS]
    script.add(Fault(FaultKind.HTML))
    script.clear()
    assert script.next_for("GET", "/") is None


def test_a_rate_hits_about_so_many_and_the_same_ones_for_one_seed() -> None:
    def hits() -> list[bool]:
        script = FaultScript(seed=7)
        script.add(Fault(FaultKind.RESET, times=None, rate=0.05))
        return [script.next_for("GET", "/") is not None for _ in range(2_000)]

    assert 60 <= sum(hits()) <= 140
    assert hits() == hits()

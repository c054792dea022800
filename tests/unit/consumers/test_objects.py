from compiler.consumers.readers import POST_SYNC, PRE_SYNC, SYNC, Made, Moment, ObjectIndex, SecretRead, Way, Workload


def test_readings_are_found_by_the_secret_in_the_order_of_the_input() -> None:
    reads = [SecretRead("a", "K", Way.ENV), SecretRead("b", None, Way.ENV_FROM)]
    first = Workload("Pod", "n", "x", frozenset(), tuple(reads), ())
    second = Workload("Pod", "n", "y", frozenset(), (reads[0],), ())
    found = ObjectIndex([first, second]).readers()
    assert found == {("n", "a"): [(first, reads[0]), (second, reads[0])], ("n", "b"): [(first, reads[1])]}
    assert first.title == 'Pod "x"'


def test_several_makers_of_one_secret_are_kept() -> None:
    gathered = ObjectIndex()
    first, second = Made("Secret", "n", "a", None, "a"), Made("ExternalSecret", "n", "a", None, "b")
    gathered.make(first)
    gathered.make(second)
    assert gathered.made == {("n", "a"): [first, second]}


def test_phases_come_before_waves() -> None:
    assert Moment(PRE_SYNC, 5) < Moment() < Moment(SYNC, 1) < Moment(POST_SYNC, -9)

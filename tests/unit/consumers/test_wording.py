from dataclasses import replace

from compiler.consumers.findings import named, places, wanting
from compiler.consumers.readers import SecretRead, Way, Workload
from compiler.model.document import Source, Span

SPAN = Span(Source("m.yaml", " " * 20), 3, 5)


def workload(name: str) -> Workload:
    return Workload("Job", "n", name, frozenset(), (), ())


def test_many_workloads_are_cut_and_each_is_named_once() -> None:
    assert named([workload("a"), workload("a"), workload("b")]) == 'Job "a", Job "b"'
    assert named(map(workload, "abcde")) == 'Job "a", Job "b", Job "c" and 2 more'
    assert wanting([workload("a"), workload("a")]) == 'Job "a" needs'
    assert wanting(map(workload, "ab")) == 'Job "a", Job "b" need'
    assert wanting(map(workload, "ab"), is_optional=True) == 'Job "a", Job "b" would read'


def test_places_are_those_of_the_name_or_of_the_key_each_once() -> None:
    read, key_at = SecretRead("a", "K", Way.ENV), Span(SPAN.source, 8, 9)
    readers = [(workload("a"), replace(read, at=SPAN, key_at=key_at))] * 2
    assert [(each.message, each.span) for each in places(readers)] == [('Job "a" reads it', SPAN)]
    assert [each.span for each in places(readers, of_key=True)] == [key_at]
    assert places([(workload("a"), read)]) == ()
    many = [(workload("a"), replace(read, at=Span(SPAN.source, at, at))) for at in range(9)]
    assert len(places(many)) == 3

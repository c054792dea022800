import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from compiler.render.reports.metrics import LONGEST_LABEL, Sample, exposition

HOSTILE = ['a"b', "a\\b", "a\nb", '"} 1\n# EOF\nforged{x="', "x" * 500, "é漢\u2028\x00\x1b[31m", "\\n", ""]


def read(name: str, help_text: str, *samples: Sample) -> list[Sample]:
    text = "\n".join(exposition({name: (help_text, samples)})) + "\n"
    (family,) = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # it has no types
    assert (family.name, family.type) == (name, "gauge")
    return [(sample.labels, sample.value) for sample in family.samples]


def test_a_scraper_reads_what_was_added() -> None:
    help_text = 'When a new value is due; "0" where that is not known'
    samples: list[Sample] = [
        ({"environment": "prod", "secret": "jira", "key": "TOKEN", "owner": "team"}, 1795000000.0),
        ({"environment": "prod", "secret": "jira", "key": "OTHER", "owner": ""}, 0.0),
    ]
    assert read("platform_secret_due_timestamp_seconds", help_text, *samples) == samples


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_label_leaves_its_quotes(text: str) -> None:
    ((labels, value),) = read("up", text, ({"owner": text}, 1))
    meant = "".join(each if each.isprintable() else " " for each in text[:LONGEST_LABEL])
    assert (labels, value) == ({"owner": meant}, 1.0)


@given(st.text())
def test_every_text_is_one_sample(text: str) -> None:
    assert len(read("up", "whether it answers", ({"store": text}, 1))) == 1

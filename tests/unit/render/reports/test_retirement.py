from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.cli.terminal.contents import text_of
from compiler.render.content import Lines
from compiler.render.reports.retirement import retirement_lines, retirement_part
from tests.unit.operations.retire.conftest import Bench, bench
from tests.unit.operations.retire.test_cluster_readers import Cluster

if TYPE_CHECKING:
    from compiler.operations.retire.run import Retirement

__all__ = ["bench"]


def told(found: Retirement) -> str:
    return " ".join(text_of(Lines(retirement_lines(found))).split())


def test_what_is_read_is_named_with_its_first_readers_and_programs_get_all(bench: Bench) -> None:
    for number in range(7):
        bench.write(f"lab-{number}", "store: vault\nsecrets: {github: null}\n")
    found = bench.retire()
    assert told(found) == (
        "in use vault:agents/jira read by lab-0/jira, lab-1/jira, lab-2/jira, lab-3/jira, lab-4/jira and 2 more "
        "note: not seen here: clusters (--cluster asks one), programs and people that read the store directly"
    )
    assert retirement_part(found) == {
        "store": "vault",
        "inUse": [{"name": "agents/jira", "secrets": ["jira"], "readers": [f"lab-{n}/jira" for n in range(7)]}],
        "askedCluster": False,
        "notSeen": ["clusters (--cluster asks one)", "programs and people that read the store directly"],
    }


def test_with_a_cluster_the_others_are_left(bench: Bench) -> None:
    found = bench.retire(cluster=Cluster())
    assert told(found) == "note: not seen here: other clusters, programs and people that read the store directly"
    assert retirement_part(found)["askedCluster"]

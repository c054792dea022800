from collections.abc import Sequence

from compiler.cli.commands.retire import retirement_lines, retirement_part, unseen_readers
from compiler.cli.terminal.contents import text_of
from compiler.operations.retire import Candidates
from compiler.render.content import as_json
from tests.unit.operations.retire.conftest import Bench, bench

__all__ = ["bench"]


OTHERS = ("qa/vault",)
ASKED = unseen_readers(asked_cluster=True, without_cluster=False)
UNASKED = unseen_readers(asked_cluster=False, without_cluster=False)


def told(found: Candidates, unseen: Sequence[str], not_the_same: Sequence[str] = ()) -> str:
    return " ".join(text_of(retirement_lines(found, not_the_same, unseen)).split())


def test_what_is_read_is_named_with_its_first_readers_and_programs_get_all(bench: Bench) -> None:
    for number in range(7):
        bench.write(f"lab-{number}", "store: vault\nsecrets: {github: null}\n")
    found = bench.found()
    assert told(found, UNASKED) == (
        "in use vault:agents/jira read by lab-0/jira, lab-1/jira, lab-2/jira, lab-3/jira, lab-4/jira and 2 more "
        "note: not seen here: clusters (--cluster asks one; --apply needs --cluster or --without-cluster), "
        "programs and people that read the store directly"
    )
    readers = [f"lab-{n}/jira" for n in range(7)]
    assert as_json(retirement_part(found, (), UNASKED, asked_cluster=False)) == {
        "store": "vault",
        "inUse": [{"name": "agents/jira", "secrets": ["jira"], "readers": readers, "unproven": []}],
        "notTheSame": [],
        "askedCluster": False,
        "notSeen": [
            "clusters (--cluster asks one; --apply needs --cluster or --without-cluster)",
            "programs and people that read the store directly",
        ],
    }
    assert unseen_readers(asked_cluster=False, without_cluster=True)[0] == "clusters (--cluster asks one)"


def test_with_a_cluster_the_others_are_left(bench: Bench) -> None:
    assert (
        told(bench.found(), ASKED)
        == "note: not seen here: other clusters, programs and people that read the store directly"
    )
    assert retirement_part(bench.found(), (), ASKED, asked_cluster=True)["askedCluster"]


def test_what_may_be_the_same_store_is_named_with_the_way_out(bench: Bench) -> None:
    bench.write("lab", 'store: vault\nstores: {vault: {server: "https://vault-2.example.com:8200"}}\n')
    bench.write(
        "qa", 'store: vault\nstores: {vault: {server: "https://vault-3.example.com:8200"}}\nsecrets: {jira: null}\n'
    )
    found = bench.found(not_the_same=OTHERS)
    assert told(found, ASKED, OTHERS) == (
        "in use vault:agents/github read by lab/github in lab/vault "
        "in use vault:agents/jira read by lab/jira in lab/vault "
        "note: a store may be the same, as nothing proves that it is another: "
        'if "lab/vault" is another store, add --not-the-same lab/vault '
        "note: taken for other stores: qa/vault "
        "note: not seen here: other clusters, programs and people that read the store directly"
    )
    part = as_json(retirement_part(found, OTHERS, ASKED, asked_cluster=True))
    assert (part["notTheSame"], part["inUse"][0]["unproven"]) == (["qa/vault"], ["lab/vault"])

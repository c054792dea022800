"""Rewrites the pages that tell a story with what their commands print against real local stores; `--check` writes none.

The `console` blocks of a page run in order in one shell, in an empty folder, with an OpenBao, a Key Vault and a
cluster's API double of its own; CLONE is this project's folder. A `yaml` block below `<!-- append FILE -->` is appended
to the file, lines of `<!-- unseen … -->` must succeed, `<!-- cluster WORDS -->` happens in the cluster
(scripts/page_cluster.py). Ports, run ids, versions and times have stand-ins. In README, a `console` block below
`<!-- from PAGE -->` shows commands of that page.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compiler.__main__ import leave_no_core  # noqa: E402
from compiler.change.run_files import caller  # noqa: E402
from compiler.cluster.problem import ClusterState  # noqa: E402
from compiler.demo.local_openbao import LocalOpenBao  # noqa: E402
from compiler.demo.servers import list_demos, stop_kept  # noqa: E402
from compiler.render.reports.status import word_of  # noqa: E402
from scripts.build_docs import settle  # noqa: E402
from scripts.page_cluster import PageCluster  # noqa: E402
from scripts.page_shell import page_shell  # noqa: E402
from tests.faulty_key_vault import FaultyKeyVault  # noqa: E402 - found only with the path above

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scripts.page_shell import PageShell

README = ROOT / "README.md"
PAGES = (
    ROOT / "docs/tutorial.md",
    ROOT / "docs/how-to/start-from-nothing.md",
    ROOT / "docs/how-to/recovery.md",
    ROOT / "docs/how-to/backup.md",
    ROOT / "docs/how-to/rotation.md",
    ROOT / "docs/how-to/start-from-a-running-platform.md",
)
HELM = ROOT / ".tools/helm4"
BLOCK = re.compile(
    r"(?P<fence>```console\n)(?P<shown>.*?)(?=```)|<!-- append (?P<file>\S+) -->\n```yaml\n(?P<text>.*?)(?=```)"
    r"|<!-- unseen\n(?P<unseen>.*?)-->|<!-- cluster (?P<words>.*?) -->",
    re.DOTALL,
)
QUOTED = re.compile(r"(<!-- from (?P<page>\S+) -->\n```console\n)(?P<shown>.*?)(?=```)", re.DOTALL)
# What the page writes for the servers that are started for it.
KEY_VAULT, OPENBAO = "https://localhost:8443", "http://127.0.0.1:8200"
# Where a demo that is kept lies in a home, and what it says of its servers.
HOME, DEMOS = "/home/ada", ".local/state/platform-secrets/demos"
KEPT = re.compile(r"OpenBao at (?P<openbao>\S+) and a local Key Vault at (?P<key_vault>\S+) run for a day")
STAND_INS = (
    (re.compile(r"\b[0-9]{8}-[0-9]{6}-[0-9a-f]{6}\b"), "20250131-120000-4fa1c2"),
    (re.compile(r"\b[0-9]{8}-[0-9]{6}(?=\.age\b)"), "20250131-120000"),
    (re.compile(r"\bversion [0-9a-f]{32}\b"), "version 0f3c…"),
    (re.compile(r"\btries again within [0-9hms]+"), "tries again within 7m"),
    (re.compile(rf"(?<!\S){re.escape(caller() or 'nobody')}\b"), "ada@laptop"),
    (re.compile(r"\b[0-9]+[sm] ago\b"), "5m ago"),
    (re.compile(r"\bvault-cluster-[0-9a-f]{8}\b"), "vault-cluster-1a2b3c4d"),
    (re.compile(r"\bafter [0-9]+ seconds$", re.MULTILINE), "after 5 seconds"),
    (
        re.compile(r'\bcontext "here", server http://127\.0\.0\.1:[0-9]+'),
        'context "prod-admin", server https://prod.example.com:6443',
    ),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "5b1d0c3e-7f2a-4d61-9b08-2c6e8a1f4d73"),
    (re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\+00:00"), "2025-01-31T12:00:00+00:00"),
    (re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} UTC"), "2025-01-31 12:00:00 UTC"),
    (re.compile(r"\bstarted [0-9]{2}(?::[0-9]{2}){2},"), "started 12:00:00,"),
    (re.compile(r"\b(changed|put at) [0-9]{2}(?::[0-9]{2}){2} UTC"), r"\g<1> 12:00:05 UTC"),
)
SEEN = re.compile(f"[a-z0-9-]+: (?:{'|'.join(word_of(state) for state in ClusterState)})\n")
# A third of the time of Helm is Go's, which collects garbage on as many threads as there are cores.
ONE_SHORT_RUN = {"GOGC": "off", "GOMAXPROCS": "1"}
MARK = "---- end of a command ----"


def commands(page: str) -> list[str]:
    """Every command of the page, in order; what is to be appended to a file is one too."""
    return [line for block in BLOCK.finditer(page) for line in _commands(block)]


def _commands(block: re.Match[str]) -> list[str]:
    if block["file"] is not None:
        return [f"cat >> {block['file']} <<'END'\n{block['text']}END"]
    if block["words"] is not None:
        return [f"page-cluster {block['words']}"]
    if block["unseen"] is not None:
        return [_silent(line) for line in block["unseen"].strip().splitlines()]
    return [line.removeprefix("$ ") for line in block["shown"].splitlines() if line.startswith("$ ")]


def _silent(line: str) -> str:
    return f"{{ {line}\n}} > .unseen 2>&1 || {{ echo failed; cat .unseen; }}; rm -f .unseen"


@dataclass(frozen=True)
class Surroundings:
    """The shell and the servers of one page."""

    shell: PageShell
    variables: Mapping[str, str]
    key_vault: str
    openbao: str


@contextmanager
def surroundings(shell: PageShell) -> Iterator[Surroundings]:
    """Starts the servers, which hold what one page tells."""
    with (
        tempfile.TemporaryDirectory() as server_folder,
        LocalOpenBao.start_dev(Path(server_folder)) as openbao,
        FaultyKeyVault() as key_vault,
        PageCluster(key_vault, openbao) as cluster,
    ):
        variables = {
            "VAULT_ADDR": openbao.url,
            "VAULT_TOKEN": openbao.token,
            "BAO_ADDR": openbao.url,
            "BAO_TOKEN": openbao.token,
            "CLONE": str(ROOT),
            "PATH": f"{HELM}:{shell.path}",
            **ONE_SHORT_RUN,
            **key_vault.environ(),
            **cluster.variables(Path(server_folder)),
        }
        yield Surroundings(shell, variables, key_vault.url, openbao.url)


def run_all(lines: Sequence[str], shell: PageShell, folder: Path, variables: Mapping[str, str]) -> list[str]:
    """What each line prints on both streams, run by one shell in `folder`."""
    script = "".join(f"{line}\nprintf '%s\\n' '{MARK}'\n" for line in lines)
    return shell.run(script, folder, {"HOME": str(folder), **variables}).split(f"{MARK}\n")[:-1]


def replace_changing(text: str, key_vault: str, openbao: str) -> str:
    """`text` without what differs from run to run. Two remote secrets are written in either order."""
    servers = ((key_vault, KEY_VAULT), (openbao, OPENBAO))
    bare = ((own.partition("://")[2], stand_in.partition("://")[2]) for own, stand_in in servers)
    for own, stand_in in (*servers, *bare):
        # What marks it below is as long as it.
        marks = re.compile(rf"({re.escape(own)}\n +\| +)\^{{{len(own)}}}$", re.MULTILINE)
        text = marks.sub(rf"\g<1>{'^' * len(stand_in)}", text).replace(own, stand_in)
    for pattern, stand_in in STAND_INS:
        text = pattern.sub(stand_in, text)
    lines = text.splitlines(keepends=True)
    progress = [index for index, line in enumerate(lines) if re.match(r"[0-9]+/[0-9]+ ", line)]
    counts = [lines[index].partition(" ")[0] for index in progress]
    rests = sorted(lines[index].partition(" ")[2] for index in progress)
    for index, count, rest in zip(progress, counts, rests, strict=True):
        lines[index] = f"{count} {rest}"
    return "".join(_drop_between([each for each in lines if not _TIMED.match(each)]))


# What `status` says by whole seconds of a pod and a Secret that the pages make within one.
_TIMED = re.compile(
    r"(?:note|[a-z0-9, -]+): (?:pods may hold an earlier value|restart needed: Deployment ).*"
    r"|  help: kubectl -n \S+ rollout restart .*"
)


def _drop_between(lines: Sequence[str]) -> Iterator[str]:
    """Keeps the first and last line of each secret in a wait, which may miss states in between."""
    for is_seen, group in groupby(lines, key=lambda line: bool(SEEN.fullmatch(line))):
        if not is_seen:
            yield from group
            continue
        first: dict[str, str] = {}
        last: dict[str, str] = {}
        for line in group:
            name = line.partition(":")[0]
            first.setdefault(name, line)
            last[name] = line
        yield from first.values()
        yield from (line for name, line in last.items() if line != first[name])


def build_page(page: str, where: Surroundings) -> str:
    lines = commands(page)
    mine = [line.replace(KEY_VAULT, where.key_vault).replace(OPENBAO, where.openbao) for line in lines]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            printed = run_all(mine, where.shell, folder, where.variables)
        finally:
            for demo in list_demos(folder / DEMOS):
                stop_kept(folder / DEMOS / demo)
    # A page that starts a demo goes on with the servers of that.
    demos = (match for text in printed for match in KEPT.finditer(text))
    key_vault, openbao = next(
        ((each["key_vault"], each["openbao"]) for each in demos), (where.key_vault, where.openbao)
    )
    printed = [replace_changing(text, key_vault, openbao).replace(name, HOME) for text in printed]
    if len(printed) != len(lines):
        raise SystemExit(f"the page ended early, at: {lines[len(printed)]}")
    results = iter(zip(lines, printed, strict=True))

    def shown(block: re.Match[str]) -> str:
        ran = [next(results) for _ in _commands(block)]
        if block["fence"] is None:
            for line, text in ran if block["file"] is None else ():
                if text:
                    raise SystemExit(f"this must print nothing: {line}\n{text}")
            return block[0]
        return block["fence"] + "".join(f"$ {line}\n{text}" for line, text in ran)

    return BLOCK.sub(shown, page)


def with_quotations(text: str, pages: Mapping[str, str]) -> str:
    """`text` with its pieces of `pages`, by their paths, as those show them now."""

    def quotation(match: re.Match[str]) -> str:
        lines = [line for line in match["shown"].splitlines() if line.startswith("$ ")]
        return match[1] + "".join(_with_output(line, pages[match["page"]]) for line in lines)

    return QUOTED.sub(quotation, text)


def _with_output(line: str, page: str) -> str:
    """The last block of the page's lines that begins with the command `line`, up to the next command."""
    _, found, after = page.rpartition(f"\n{line}\n")
    if not found:
        raise SystemExit(f"no page has the command: {line}")
    return f"{line}\n{re.split(r'^(?:[$] |```)', after, maxsplit=1, flags=re.MULTILINE)[0]}"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0], allow_abbrev=False)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page is stale")
    check = parser.parse_args(argv).check
    files: dict[Path, str] = {}
    with page_shell() as shell:
        for page in PAGES:
            with surroundings(shell) as where:
                files[page] = build_page(page.read_text("utf-8"), where)
    pages = {str(path.relative_to(ROOT)): text for path, text in files.items()}
    files[README] = with_quotations(README.read_text("utf-8"), pages)
    return settle(files, check=check)


if __name__ == "__main__":
    leave_no_core()
    sys.exit(main(sys.argv[1:]))

import hashlib
import json
import re
import time

import pytest

from compiler.cli.terminal.contents import block_text, line_text, text_of
from compiler.render.content import (
    CodeSpan,
    Fingerprint,
    Fitted,
    Painted,
    Style,
    Words,
    WorkflowCommands,
    Wrapped,
)

TOKEN = "ghp_0123456789abcdefghij0123456789abcdef"
AWS = "AKIA" + "Q7W9Z2L4V8H6Y1M3"
VERSION = "4387e9f3d6e14c459867679a90fd0f79"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nshort\n-----END PRIVATE KEY-----"


def test_a_line_stays_one_line_and_drives_no_terminal() -> None:
    assert line_text("a\nb\x1b[31m\u202e\tc") == "a\\x0ab\\x1b[31m\\u202e    c"
    assert text_of(["a\n::error::x", ("b", "\n")]) == "a\\x0a::error::x\nb\\x0a\n"


def test_a_credential_over_several_lines_of_one_piece_is_seen_whole() -> None:
    assert line_text(f"a {PEM} b") == "a … b"


def test_styles_are_for_colour_and_hide_no_credential() -> None:
    line = (Painted("a", Style.ERROR), Painted(AWS, Style.RED), Painted("", Style.RED), "\x1b[31m")
    assert line_text(line) == "a…\\x1b[31m"
    assert line_text(line, colour=True) == "\x1b[1;31ma\x1b[0m\x1b[31m…\x1b[0m\\x1b[31m"


def test_each_piece_is_looked_at_on_its_own() -> None:
    assert line_text(("GITHUB_TOKEN", ": ", "team-1/github")) == "GITHUB_TOKEN: team-1/github"
    assert line_text("GITHUB_TOKEN: hunter2-1") == "GITHUB_TOKEN: …"


def test_markdown_is_escaped_after_it_is_concealed() -> None:
    assert line_text((CodeSpan(f"a`|{TOKEN}"), Words(f" _<[{TOKEN}"))) == "`a'\\|…` \\_&lt;\\[…"


def test_a_line_is_broken_at_spaces_but_not_in_what_is_opened_or_copied() -> None:
    place = (Painted("my file.yaml", Style.STRONG), ":10:2")
    line = Fitted(("  ", Painted("help:", Style.HELP), " run `a b --c d` now at ", place, " é"), 4)
    assert line_text(line) == "  help: run `a b --c d` now at my file.yaml:10:2 é"
    assert line_text(line, width=18).split("\n") == [
        "  help: run",
        "    `a b --c d`",
        "    now at",
        "    my file.yaml:10:2",
        "    é",
    ]
    # A style takes no room, and an end that fits exactly is not broken.
    assert line_text(line, colour=True, width=50).count("\n") == 0
    assert line_text(line, width=5).startswith("  help:\n    run\n    `a b --c d`\n")


def test_a_broken_line_is_no_command_of_a_workflow() -> None:
    assert line_text(Fitted(("aaaa ::error::x",), 0), width=9) == "aaaa\n: :error::x"


def test_a_block_keeps_its_lines() -> None:
    assert block_text("a\nb\n") == "a\nb\n"
    assert block_text(f"a: {PEM}\nb\x1b\té\n") == "a: …\nb\\x1b    é\n"


def test_data_is_concealed_before_it_is_escaped_and_stays_valid() -> None:
    text = text_of({"a": f'"\n{AWS}', "b": [TOKEN, {"c": (TOKEN, 1, None, True)}], "page": "one\ntwo é"})
    assert text.isascii()
    assert json.loads(text) == {"a": '"\n…', "b": ["…", {"c": ["…", 1, None, True]}], "page": "one\ntwo é"}


def test_names_of_members_are_concealed_and_none_is_lost() -> None:
    assert json.loads(text_of({TOKEN: 1, f"{TOKEN}x": 2, "a": 3})) == {"…": 1, "……": 2, "a": 3}


@pytest.mark.parametrize("name", ["version", "otherVersions"])
def test_a_version_is_shown_under_its_name_alone(name: str) -> None:
    data = {name: VERSION, "other": VERSION, "results": [{name: [VERSION, TOKEN, f"{VERSION}a"]}]}
    assert json.loads(text_of(data)) == {name: VERSION, "other": "…", "results": [{name: [VERSION, "…", "…"]}]}
    assert line_text(f"written, version {VERSION}") == f"written, version {VERSION}"


def test_a_fingerprint_is_of_what_is_shown_and_tells_equal_ones_apart() -> None:
    first, second = Fingerprint(("a", TOKEN)), Fingerprint(("a", TOKEN.replace("0", "1")))
    found = json.loads(text_of({"found": [first, second, Fingerprint(("b",))]}))["found"]
    digest = hashlib.sha256("a\0…".encode()).hexdigest()[:16]
    assert found[:2] == [f"{digest}:1", f"{digest}:2"]
    assert not found[2].startswith(digest)


def test_a_command_is_concealed_before_it_is_escaped_and_cannot_be_ended() -> None:
    command = ("error", {"file": f"a,b:c%\n{AWS}", "line": "1"}, ["x\r\n::error::y", AWS])
    assert text_of(WorkflowCommands([command])) == "::error file=a%2Cb%3Ac%25\\x0a…,line=1::x\\x0d\\x0a::error::y%0A…\n"


@pytest.mark.heavy
def test_ten_thousand_lines_cost_linear_time() -> None:
    def seconds(count: int) -> float:
        lines = [
            (f"environments/prod-{number}.yaml", ":3:9: ", f'"team-{number}/x" is read') for number in range(count)
        ]
        begin = time.process_time()
        text_of(lines)
        return time.process_time() - begin

    # Quadratic time would be 25 times as much; in turns, as a machine is quick at one moment and slow at the next.
    turns = [(seconds(2_000), seconds(10_000)) for _ in range(3)]
    small, large = (min(each) for each in zip(*turns, strict=True))
    assert large < 12 * max(small, 0.0125)


HOSTILE = ("::error::x", "  ::add-mask::x", "a ##[add-mask]x", "a ##vSo[a.b]x", "##teamcity[a]", ":x", "# [x]", "##")


def test_a_line_gives_a_runner_no_command() -> None:
    harmless = [": :error::x", "  : :add-mask::x", "a ## [add-mask]x", "a ## vSo[a.b]x", "## teamcity[a]"]
    harmless += [":x", "# [x]", "##"]
    assert [line_text(line) for line in HOSTILE] == harmless
    text = "".join(f"{line}\n" for line in harmless)
    assert block_text("".join(f"{line}\n" for line in HOSTILE)) == text
    assert text_of(HOSTILE) == text
    # A command may lie across pieces, and what is wrapped may begin a line with any of its words.
    assert line_text(("a #", Painted("#vso", Style.RED), "[a.b]")) == "a ## vso[a.b]"
    assert "\n  : :error::x" in line_text(Wrapped(("a" * 78, " ::error::x"), 2))


def test_nor_does_a_command_of_a_workflow_hold_another() -> None:
    command = ("error", {"file": "##vso[a.b].yaml"}, ["a ##[add-mask]x", "##teamcity[a]", "## a"])
    shown = "::error file=# #vso[a.b].yaml::a # #[add-mask]x%0A# #teamcity[a]%0A## a\n"
    assert text_of(WorkflowCommands([command])) == shown


def test_nor_does_json_which_means_the_same() -> None:
    text = text_of({"a": list(HOSTILE), "##vso[a.b]": 1})
    assert not re.search(r"##\w*\[", text)
    assert json.loads(text) == {"a": list(HOSTILE), "##vso[a.b]": 1}

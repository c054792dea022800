"""Texts of environment files in the forms that people write: block and flow, comments, quotes, indents, CRLF."""

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

SECRETS = ("github", "jira", "slack-bot", "1", "on")
_TOP = ("labels", "namespace", "stores", "waive", "fetch", "annotations", "store")
_COMMENTS = ("# plain", "#", "#no space: {", "# store: vault", "# [é] 'quoted\"")


@st.composite
def environment_files(draw: DrawFn) -> str:
    """One file that the loader takes, in which some of SECRETS are listed and some have a `store:`."""
    step = " " * draw(st.integers(1, 4))
    members = draw(st.permutations(draw(st.lists(st.sampled_from(_TOP), unique=True))))
    lines: list[str] = []
    at = draw(st.integers(0, len(members)))
    listed = draw(st.lists(st.sampled_from(SECRETS), unique=True, min_size=0, max_size=4))
    is_there = bool(listed) or draw(st.booleans())
    for index, name in enumerate([*members, ""]):
        if index == at and is_there:
            lines += _secrets(draw, listed, step)
        if name:
            lines += _noise(draw, "") + _member(draw, name, step)
    lines += _noise(draw, "")
    lead = draw(st.sampled_from(["", "", "  "])) if any(line.strip() for line in lines) else ""
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = end.join(lead + line if line else line for line in lines)
    return text + (end if draw(st.booleans()) else "")


def _noise(draw: DrawFn, indent: str) -> list[str]:
    shown = st.sampled_from(["", *[f"{indent}{comment}" for comment in _COMMENTS]])
    return draw(st.lists(shown, max_size=2)) if draw(st.integers(0, 2)) == 0 else []


def _tail(draw: DrawFn) -> str:
    return draw(st.sampled_from(["", "", "", " # why", "  #store: azure"]))


def _member(draw: DrawFn, name: str, step: str) -> list[str]:
    if name == "store":
        return [f"store: {draw(_stores())}{_tail(draw)}"]
    if name in ("namespace", "fetch"):
        value = draw(st.sampled_from(["agents", '"agents"', "'agents'"]))
        return [f"{name}: {value}{_tail(draw)}"]
    if name == "waive":
        block = draw(st.sampled_from(["|", ">", "|-", ">+"]))
        return ["waive:", f"{step}insecure-address: {block}", f"{step}{step}the lab", f"{step}{step}# no comment"]
    return draw(
        st.sampled_from(
            [
                [f"{name}: {{a: b, c: [1, 2]}}{_tail(draw)}"],
                [f"{name}: {{", f"{step}a: b, # c", f"{step}c: 'store: vault'", f"{step}}}"],
                [f"{name}:{_tail(draw)}", f"{step}a: b", f"{step}store-x: vault"],
                [f"{name}:", f"{step}vault:", f"{step}{step}- 1", f"{step}{step}- {{store: vault}}"],
            ]
        )
    )


def _secrets(draw: DrawFn, listed: list[str], step: str) -> list[str]:
    if not listed:
        return [draw(st.sampled_from(["secrets: {}", "secrets: { } # none"]))]
    form = draw(st.sampled_from(["block", "block", "line", "lines"]))
    if form == "block":
        lines = [f"secrets:{_tail(draw)}", *_noise(draw, step)]
        for name in listed:
            lines += _entry(draw, name, step) + _noise(draw, step)
        return lines
    entries = [f"{_key(draw, name)}: {_braced(draw)}" for name in listed]
    comma = draw(st.sampled_from(["", ",", " ,"]))
    if form == "line":
        return [f"secrets: {{{', '.join(entries)}{comma}}}{_tail(draw)}"]
    tails = [f"{step}{entry}{',' if at + 1 < len(entries) else comma}{_tail(draw)}" for at, entry in enumerate(entries)]
    return ["secrets: {", *tails, f"{step}}}"]


def _entry(draw: DrawFn, name: str, step: str) -> list[str]:
    if draw(st.booleans()):
        return [f"{step}{_key(draw, name)}: {_braced(draw)}{_tail(draw)}"]
    members = draw(st.lists(st.sampled_from(["store", "use", "fetch", "labels"]), unique=True, min_size=1))
    lines = [f"{step}{_key(draw, name)}{draw(st.sampled_from(['', ' ']))}:{_tail(draw)}"]
    for member in members:
        lines += [step * 2 + each if each else each for each in (*_noise(draw, ""), *_setting(draw, member, step))]
    return lines


def _setting(draw: DrawFn, member: str, step: str) -> list[str]:
    if member == "store":
        if draw(st.integers(0, 4)) == 0:
            header = draw(st.sampled_from(["store: |-", "store: >- # c", "store:"]))
            return [header, f"{step}vault"]
        return [f"store: {draw(_stores())}{_tail(draw)}"]
    if member == "use":
        return draw(st.sampled_from([["use: [pat]"], ["use:", f"{step}- pat # p", f"{step}- app"], ["use: []"]]))
    if member == "labels":
        return ["labels:", f"{step}store: x", f"{step}text: |", f"{step}{step}# no comment", f"{step}{step}y"]
    return [f"fetch: perKey{_tail(draw)}"]


def _braced(draw: DrawFn) -> str:
    members = {"store": f"store: {draw(_stores())}", "use": "use: [pat]", "fetch": '"fetch": "perKey"'}
    chosen = draw(st.lists(st.sampled_from(sorted(members)), unique=True))
    space = draw(st.sampled_from(["", " "]))
    return f"{{{space}{', '.join(members[each] for each in chosen)}{space}}}"


def _key(draw: DrawFn, name: str) -> str:
    forms = [f'"{name}"', f"'{name}'"]
    return draw(st.sampled_from(forms if name in ("1", "on") else [name, *forms]))


def _stores() -> st.SearchStrategy[str]:
    return st.sampled_from(["vault", "'vault'", '"vault"'])

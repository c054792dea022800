"""What generated data is made of."""

import string

from hypothesis import strategies as st

# What YAML readers take for something else than the text it is, or trip over.
AWKWARD = [
    *("", " ", "yes", "No", "ON", "y", "n", "true", "null", "~", "<<", "=", "-", "?", "---", "...", "%YAML 1.1"),
    *("08", "0o17", "0x1F", "1e3", "1_000", "12:30:45", ".5", "-.inf", ".nan", "2024-01-01", "1.10", "+1"),
    *("# no comment", "a # b", "a: b", "key:", "- item", "[a, b]", "{a: b}", "&a", "*a", "!!str", "|", ">", "'", '"'),
    *("\\", "\\n", "{{ .Values.x }}", "{{", "$(id)", "`id`", "${HOME}", "%", "@", "a\nb", "a\n", "\n", "\r\n", "\t"),
    *("\x00", "\x07", "\x7f", "\x85", "\xa0", "\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff", "\U0001f511", "\u202e"),
]
# Of the spaces the plain one alone: an input file is refused for another at the beginning of a value.
PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" \n"), max_size=20)


def texts() -> st.SearchStrategy[str]:
    """Any text that Unicode can write down, awkward ones more often than chance would."""
    return st.sampled_from(AWKWARD) | st.text(max_size=20) | st.sampled_from(AWKWARD).map(lambda text: f"x{text}")


def values() -> st.SearchStrategy[dict[str, object]]:
    """Data such as a values file may hold: texts and booleans in lists and maps."""
    leaves = texts() | st.booleans()
    tree = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts(), inner, max_size=4), max_leaves=12
    )
    return st.dictionaries(texts(), tree, max_size=4)


def trees() -> st.SearchStrategy[dict[str, object]]:
    """Data such as an input file may hold: keys are names, texts are printable."""
    names = st.text(string.ascii_letters, min_size=2, max_size=6).filter(lambda name: name.lower() not in _NO_NAMES)
    scalars = PRINTABLE | st.sampled_from(AWKWARD).filter(str.isprintable) | st.booleans() | st.none()
    leaves = scalars | st.integers(-(10**17), 10**17)
    inner = st.recursive(
        leaves, lambda node: st.lists(node, max_size=3) | st.dictionaries(names, node, max_size=4), max_leaves=12
    )
    return st.dictionaries(names, inner, max_size=4)


_NO_NAMES = frozenset({"on", "off", "yes", "no", "true", "false", "null"})


def layers() -> st.SearchStrategy[list[dict[str, object]]]:
    """Layers in which, as a schema sees to it, each key has one type: `m…` are maps, `l…` lists, `s…` scalars.

    Every one of them may be null.
    """
    scalar = st.booleans() | st.integers(0, 9) | st.sampled_from(["", "a", "b", "null", "1"])
    level: st.SearchStrategy[dict[str, object]] = _level(scalar, None)
    for _ in range(2):
        level = _level(scalar, level)
    return st.lists(level, min_size=1, max_size=4)


def _level(
    scalar: st.SearchStrategy[object], below: st.SearchStrategy[dict[str, object]] | None
) -> st.SearchStrategy[dict[str, object]]:
    places: dict[str, st.SearchStrategy[object]] = {name: scalar | st.none() for name in ("s1", "s2")}
    places["l1"] = st.lists(scalar, max_size=2) | st.none()
    for name in ("m1", "m2") if below is not None else ():
        places[name] = (below if below is not None else scalar) | st.none()
    return st.fixed_dictionaries({}, optional=places)

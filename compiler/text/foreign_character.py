"""Names the first character of a name that is not ASCII, as it may be invisible or look like an ASCII one."""

from __future__ import annotations


def foreign_character(name: str) -> str | None:
    """The way out for a name with a character that is not ASCII, which it names with its place; None without one."""
    found = next((place for place, character in enumerate(name) if not character.isascii()), None)
    if found is None:
        return None
    # Only where something is wrong.
    import unicodedata  # noqa: PLC0415

    character = name[found]
    called = unicodedata.name(character, "").lower()
    match unicodedata.category(character):
        case "Pd":
            way_out = 'type "-" in its place'
        case "Cf" | "Cc" | "Mn" | "Zs" | "Zl" | "Zp":
            way_out = "take it out; it is a space or is not seen at all"
        case _:
            way_out = "type a plain one in its place"
    point = f"U+{ord(character):04X}"
    return f"character {found + 1} is {point}{f' ({called})' if called else ''}: {way_out}"

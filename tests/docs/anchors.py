"""The places of a Markdown page that a link can lead to."""

import re


def anchors(page: str) -> set[str]:
    """Those of its headings, as GitHub makes them, and those that are written as `<a id="…">`."""
    prose = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    written = re.findall(r'<a id="([\w-]+)"></a>', prose)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles} | set(written)

"""Sets the limits of every file and reply that is read, whoever wrote it: beyond them one would take gigabytes.

What this program writes keeps them too, so that it can be read back. Helm takes no file above 5 MiB in a chart.
"""

from compiler.text.regex import regex

MAX_BYTES = 4 * 1024 * 1024
MAX_NODES = 100_000
# A values file of 10,000 secrets has 19 characters for each of its values, and none that this program writes has fewer
# than these: as long a file is as quickly read as it was written.
OUTPUT_CHARACTERS_A_VALUE = 8
MAX_DEPTH = 32
# Of one environment, in a chain or side by side; each value remembers those that it overrode.
MAX_LAYERS = 64
# Of all environments of one run, a hundred bytes each: 10,000 environments have a tenth.
MAX_RESOLVED = 5_000_000
# Of manifests, which write out for each key what a values file says once; as much as a cluster would be given at once.
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
MAX_MANIFEST_NODES = 1_000_000
# The schemas of custom resources are nested deeper than anything else that a cluster is given.
MAX_MANIFEST_DEPTH = 128
# A text without its end is one to the end, so that each character is looked at once.
_JSON_STRING = regex(r'(?s)"(?:[^"\\]++|\\.)*+"?')


def most_values(characters: int) -> int:
    """How many values this program may have written in so many characters of a values file."""
    return max(MAX_NODES, characters // OUTPUT_CHARACTERS_A_VALUE)


def has_more_values(json_text: str, most: int) -> bool:
    """Whether a JSON text may hold more than `most` values, counted before they take a hundred bytes of memory each.

    Each value but the outermost stands after a comma or an opening bracket, so that there are no more than these.
    """
    return _separators(json_text) >= most and _separators(_JSON_STRING.sub("", json_text)) >= most


def _separators(json_text: str) -> int:
    return sum(map(json_text.count, ",[{"))

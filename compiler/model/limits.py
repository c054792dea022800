"""Sets the limits of every file that is read, whoever wrote it: beyond them one would take minutes or gigabytes.

What this program writes keeps them too, so that it can be read back. Helm takes no file above 5 MiB in a chart.
"""

MAX_BYTES = 4 * 1024 * 1024
MAX_NODES = 100_000
# A values file of 10,000 secrets has 19 characters for each of its values, and none that this program writes has fewer
# than these: as long a file is as quickly read as it was written.
OUTPUT_CHARACTERS_A_VALUE = 8
MAX_DEPTH = 32
# Of manifests, which write out for each key what a values file says once; as much as a cluster would be given at once.
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
MAX_MANIFEST_NODES = 1_000_000
# The schemas of custom resources are nested deeper than anything else that a cluster is given.
MAX_MANIFEST_DEPTH = 128


def most_values(characters: int) -> int:
    """How many values this program may have written in so many characters of a values file."""
    return max(MAX_NODES, characters // OUTPUT_CHARACTERS_A_VALUE)

"""What each exit code means; scripts and CI rely on them."""

OK = 0
# Diagnostics of error severity (with `--strict` warnings too), a stale file, or a difference.
FOUND = 1
USAGE = 2
# Unreachable, no permission, a program that is missing, or a defect of this one.
COULD_NOT_RUN = 3
# A part is done, and the same command goes on from there.
INCOMPLETE = 4
INTERRUPTED = 130

# The code of a command that ends with a refusal, by the refusal's kind.
OF_REFUSAL = {"usage": USAGE, "cannot run": COULD_NOT_RUN, "found": FOUND}

MEANINGS = {
    OK: "fine",
    FOUND: "diagnostics, a stale file or differences",
    USAGE: "the command line is wrong",
    COULD_NOT_RUN: "could not run: something is unreachable, not permitted or missing",
    INCOMPLETE: "incomplete; the same command goes on from there",
    INTERRUPTED: "interrupted",
}

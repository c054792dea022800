"""Keeps what clients log off standard error: their records quote replies, tokens among them, and have tracebacks."""

import logging


def silence(*names: str) -> None:
    """Let no record leave these loggers, and Python print none of any other, as it does where nobody handles one."""
    for logger in (logging.getLogger(), *map(logging.getLogger, names)):
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
    for name in names:
        logging.getLogger(name).propagate = False

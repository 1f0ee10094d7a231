"""Keeps our own log lines of less than a warning away from the figures."""

import logging
import sys

import structlog


def quiet() -> None:
    """Warnings and worse go to standard error; nothing else is written."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    # A broker's first group and first topic make aiokafka complain of what it then gets.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

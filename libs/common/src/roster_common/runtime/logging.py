"""structlog for the whole process: one formatter, ids bound by context, nothing of a person.

Event names are constants; everything else goes in keywords. Known names of personal data and
secrets are dropped, and the text of foreign exceptions is never logged, because drivers repeat
the values they refuse.
"""

import logging
import sys
import traceback
from collections.abc import Callable, MutableMapping
from types import TracebackType
from typing import Any

import orjson
import structlog

from roster_common.errors import HomeroomError
from roster_common.runtime.settings import ServiceSettings

DROPPED = "(dropped)"
_PERSONAL = frozenset(
    {
        "givenname", "familyname", "middlename", "preferredfirstname", "preferredlastname", "name",
        "names", "email", "mail", "birthdate", "birthday", "username", "phone", "sms", "address",
        "password", "token", "secret", "authorization", "cookie", "signature", "body", "payload",
        "data", "record", "value", "row", "demographics", "sex",
    }
)  # fmt: skip
_FRAMES = 8


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def bind(**ids: str) -> None:
    """Add ids to every line of this task from now on."""
    structlog.contextvars.bind_contextvars(**ids)


def clear() -> None:
    """Forget what `bind` added."""
    structlog.contextvars.clear_contextvars()


def configure(settings: ServiceSettings) -> None:
    """Set up structlog and the standard library's loggers. May run again."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        safe_exception,
        redact,
    ]
    renderer: Callable[..., Any] = (
        structlog.processors.JSONRenderer(serializer=_dumps)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for chatty in ("aiokafka", "kafka", "alembic", "uvicorn.access", "httpx2", "httpcore2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True


def redact(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Drop values that stand under a name of personal data or of a secret, at any depth."""
    for key, value in event.items():
        event[key] = _redacted(key, value)
    return event


def safe_exception(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace `exc_info` by class names and frames; only our own errors keep their text."""
    found = event.pop("exc_info", None)
    error = _error_of(found)
    if error is not None:
        event["error"] = type(error).__name__
        if isinstance(error, HomeroomError):
            event["error_text"] = str(error)
        event["causes"] = _causes(error)
        event["frames"] = _frames(error.__traceback__)
    return event


def _redacted(key: str, value: object) -> object:
    if key.replace("_", "").lower() in _PERSONAL and value is not None:
        return DROPPED
    if isinstance(value, dict):
        return {str(name): _redacted(str(name), part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", part) for part in value]
    return value


def _error_of(found: object) -> BaseException | None:
    if isinstance(found, BaseException):
        return found
    if isinstance(found, tuple):
        return found[1] if isinstance(found[1], BaseException) else None
    return sys.exc_info()[1] if found else None


def _causes(error: BaseException) -> list[str]:
    causes, at = [], error.__cause__ or error.__context__
    while at is not None and len(causes) < _FRAMES:
        causes.append(type(at).__name__)
        at = at.__cause__ or at.__context__
    return causes


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}:{frame.name}" for frame in frames]


def _dumps(event: object, **_options: object) -> str:
    return orjson.dumps(event, default=str).decode()

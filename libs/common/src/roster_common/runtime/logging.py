"""Logs: one line per unit of work, JSON on standard output, the same for our code and libraries.

The privacy rule (privacy.py) is applied to every line on its way out, so a slip at a call site
prints no student. Event names are constants in snake_case; all else goes in keywords.
"""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, TextIO, cast

import orjson
import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars
from structlog.typing import FilteringBoundLogger, Processor

from roster_common.runtime.correlation import correlation_id
from roster_common.runtime.privacy import describe_error, without_private
from roster_common.runtime.settings import ServiceSettings

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]
Fields = MutableMapping[str, Any]

# Libraries whose messages hold addresses and names of topics, never rows or inputs. All others
# are shown by their unfilled message template.
_PLAIN_SPOKEN = ("uvicorn", "alembic", "aiokafka", "roster_common")


def configure(settings: ServiceSettings, *, stream: TextIO | None = None) -> None:
    """Set up logging for this process. May run again; the last call wins."""
    configure_logging(
        service=settings.service,
        level=settings.log_level,
        style=settings.log_format,
        stream=stream,
    )


def configure_logging(
    *, service: str, level: Level = "info", style: Format = "json", stream: TextIO | None = None
) -> None:
    """Do what `configure` does, for a process without ServiceSettings (the CLI, a script)."""
    out = stream or sys.stdout
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_correlation,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_service(service),
        _describe_exception,
        _drop_private,
    ]
    renderer = _render_json if style == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _configure_libraries(shared, renderer, out, number)


def get_logger(name: str) -> FilteringBoundLogger:
    """Give a logger; safe at import, before `configure`."""
    return cast("FilteringBoundLogger", structlog.get_logger(name))


def bind(**ids: str | int | None) -> None:
    """Add ids to every later line of this task: district, source, delivery, event."""
    bind_contextvars(**ids)


@contextmanager
def bound(**ids: str | int | None) -> Iterator[None]:
    """Add ids to every line inside the block only."""
    with bound_contextvars(**ids):
        yield


def clear() -> None:
    """Forget all ids bound in this task."""
    clear_contextvars()


def _configure_libraries(
    shared: list[Processor], renderer: Processor, out: TextIO, number: int
) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, _template_only, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # Libraries speak at debug of every packet and row, so they never go below info.
    root.setLevel(max(number, logging.INFO))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic"):
        library = logging.getLogger(name)
        library.handlers = []
        library.propagate = True
    # Our own line per request takes its place; this one would print raw paths.
    logging.getLogger("uvicorn.access").disabled = True
    for name in ("httpx2", "httpcore2", "httpx", "httpcore", "sqlalchemy.engine"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _with_service(service: str) -> Processor:
    def add(_logger: object, _method: str, fields: Fields) -> Fields:
        fields["service"] = service
        return fields

    return add


def _add_correlation(_logger: object, _method: str, fields: Fields) -> Fields:
    """Name the work in hand, if the line does not name other work itself."""
    found = correlation_id.get()
    if found is not None:
        fields.setdefault("correlation_id", found)
    return fields


def _template_only(_logger: object, _method: str, fields: Fields) -> Fields:
    """Take what a library filled into its message out again: it may hold rows and inputs."""
    record = fields.get("_record")
    if isinstance(record, logging.LogRecord) and not record.name.startswith(_PLAIN_SPOKEN):
        fields["event"] = str(record.msg).partition("\n")[0]
        fields.pop("positional_args", None)
    return fields


def _describe_exception(_logger: object, _method: str, fields: Fields) -> Fields:
    found = fields.pop("exc_info", None)
    match found:
        case BaseException():
            error: BaseException | None = found
        case (_, BaseException() as inner, _):
            error = inner
        case None | False:
            return fields
        case _:
            error = sys.exc_info()[1]
    if error is not None:
        fields["error_chain"] = describe_error(error)
    fields.pop("stack_info", None)
    return fields


def _drop_private(_logger: object, _method: str, fields: Fields) -> Fields:
    kept = {name: fields[name] for name in ("_record", "_from_structlog") if name in fields}
    event = fields.get("event")
    cleaned: Fields = without_private(
        {name: value for name, value in fields.items() if name not in kept and name != "event"}
    )
    cleaned["event"] = event if isinstance(event, str) else type(event).__name__
    cleaned.update(kept)
    return cleaned


def _render_json(_logger: object, _method: str, fields: Fields) -> str:
    return orjson.dumps(fields, default=str).decode()

"""`python -m sis_emulators oneroster --port 0`: starts one emulator on the loopback.

Prints one line of JSON when it listens: product, notice, url, credentials (a file). Ends with
SIGTERM or SIGINT.
"""

import argparse
import asyncio
import socket
import sys
import tempfile
from pathlib import Path

import orjson
import uvicorn
from starlette.types import ASGIApp

from sis_emulators import NOTICE
from sis_emulators.emulator import Face, House, app, house
from sis_emulators.infinite_campus import face as infinite_campus
from sis_emulators.oneroster import face as oneroster
from sis_emulators.powerschool import face as powerschool
from sis_emulators.wire import credentials

LOOPBACK = "127.0.0.1"


def main() -> None:
    """Reads the arguments and serves until told to end."""
    arguments = _parser().parse_args()
    file: Path = arguments.credentials or Path(tempfile.mkdtemp()) / "credentials.json"
    try:
        base = house(
            product=arguments.product, students=arguments.students, seed=arguments.seed,
            credentials=credentials.kept(file),
        )  # fmt: skip
    except ValueError as error:
        sys.exit(str(error))
    face: Face = arguments.build(base, arguments)
    listener = socket.create_server((LOOPBACK, arguments.port), backlog=1024)
    url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    addresses = {name: url + path for name, path in face.addresses.items()}
    credentials.write(file, base.credentials, url=url, **addresses)
    _say(product=arguments.product, notice=NOTICE, url=url, credentials=str(file))
    asyncio.run(_serve(app(base, face), listener, f"{arguments.product} ({NOTICE})"))


def _say(**told: str) -> None:
    sys.stdout.buffer.write(orjson.dumps(told) + b"\n")
    sys.stdout.buffer.flush()


async def _serve(served: ASGIApp, listener: socket.socket, name: str) -> None:
    config = uvicorn.Config(
        served, log_level="warning", access_log=False, server_header=False,
        headers=[("server", name)],
    )  # fmt: skip
    await uvicorn.Server(config).serve(sockets=[listener])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sis_emulators", description=f"SISs: {NOTICE}")
    faces = parser.add_subparsers(required=True, metavar="FACE")
    _oneroster(faces.add_parser("oneroster", help=oneroster.PRODUCT))
    _infinite_campus(faces.add_parser("infinitecampus", help=infinite_campus.PRODUCT))
    _powerschool(faces.add_parser("powerschool", help=powerschool.PRODUCT))
    return parser


def _common(parser: argparse.ArgumentParser, *, token_lifetime_s: int = 3600) -> None:
    parser.add_argument("--port", type=int, default=0, help="of the loopback; 0 takes a free one")
    parser.add_argument("--students", type=int, default=60, help="1 to 15000 (%(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same people (%(default)s)")
    parser.add_argument("--credentials", type=Path,
                        help="file for address and secrets; kept if it is there")  # fmt: skip
    parser.add_argument("--token-lifetime-s", type=int, default=token_lifetime_s,
                        help="seconds a token lives (%(default)s)")  # fmt: skip


def _no_counts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-counts", dest="counts", action="store_false",
                        help="OneRoster pages without X-Total-Count and Link")  # fmt: skip


def _oneroster(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    _no_counts(parser)
    parser.add_argument("--revision-headers", action="store_true", help="x-count, x-perm-rev")

    def build(base: House, told: argparse.Namespace) -> Face:
        """The face as the arguments want it."""
        return oneroster.face(
            base, revision_headers=told.revision_headers, counts=told.counts,
            token_lifetime_s=told.token_lifetime_s,
        )  # fmt: skip

    parser.set_defaults(product=oneroster.PRODUCT, build=build)


def _infinite_campus(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    parser.add_argument("--app-name", default="homeroom",
                        help="appName that a token request must have (%(default)s)")  # fmt: skip
    parser.add_argument("--legacy-shape", choices=("flat", "nested"), default="flat",
                        help="shape of metadata.ic.legacysourceId (%(default)s)")  # fmt: skip
    parser.add_argument("--role-prefix", choices=("plus", "bare"), default="plus",
                        help="ids of 1.1: s+123456 or s123456 (%(default)s)")  # fmt: skip
    parser.add_argument("--extract-dir", type=Path, help="folder of the Data Extract")

    def build(base: House, told: argparse.Namespace) -> Face:
        """The face as the arguments want it."""
        return infinite_campus.face(
            base,
            infinite_campus.Choices(
                app_name=told.app_name, legacy=told.legacy_shape, prefix=told.role_prefix,
                extract_dir=told.extract_dir, token_lifetime_s=told.token_lifetime_s,
            ),
        )  # fmt: skip

    parser.set_defaults(product=infinite_campus.PRODUCT, build=build)


def _powerschool(parser: argparse.ArgumentParser) -> None:
    _common(parser, token_lifetime_s=powerschool.TOKEN_LIFETIME_S)
    _no_counts(parser)
    parser.add_argument("--page-max", type=int, default=100,
                        help="largest page that /ws/v1/metadata tells (%(default)s)")  # fmt: skip
    parser.add_argument("--min-interval-ms", type=int, default=0,
                        help="a call sooner after another is 429 (%(default)s)")  # fmt: skip
    parser.add_argument("--notify", choices=("json", "json-nested", "xml"), default="json",
                        help="shape of notifications (%(default)s)")  # fmt: skip
    parser.add_argument("--delta-shape", choices=("objects", "rows"), default="objects",
                        help="shape of tables in /ws/dataversion (%(default)s)")  # fmt: skip
    parser.add_argument("--data-app", default="homeroom",
                        help="application name of /ws/dataversion (%(default)s)")  # fmt: skip

    def build(base: House, told: argparse.Namespace) -> Face:
        """The face as the arguments want it."""
        return powerschool.face(
            base,
            powerschool.Choices(
                page_max=told.page_max, interval_s=told.min_interval_ms / 1000,
                notify=told.notify, delta=told.delta_shape, application=told.data_app,
                counts=told.counts, token_lifetime_s=told.token_lifetime_s,
            ),
        )  # fmt: skip

    parser.set_defaults(product=powerschool.PRODUCT, build=build)


if __name__ == "__main__":
    main()

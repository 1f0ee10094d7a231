"""The only room that builds real things and joins them. Decides nothing."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import asyncpg
from fastapi import FastAPI

from roster_common.runtime.bell import Ear
from roster_common.runtime.checked_addresses import CheckedTransport
from roster_common.runtime.database import Tx
from roster_common.runtime.http import HttpClient
from roster_common.runtime.lifecycle import Stopping
from roster_common.runtime.logging import get_logger
from roster_common.runtime.sealing import Seal, read_key
from roster_common.runtime.service import Runtime, ServiceApp, create_app
from roster_common.runtime.settings import is_demo_secret
from roster_common.runtime.trace import trace_routes
from roster_publisher.adapters.csv_zip import CsvZip
from roster_publisher.adapters.district_days import DistrictDays
from roster_publisher.adapters.package_folder import PackageFolder
from roster_publisher.adapters.postgres.audit import PostgresAudit
from roster_publisher.adapters.postgres.copies import PostgresCopies
from roster_publisher.adapters.postgres.exports import PostgresExports
from roster_publisher.adapters.postgres.feed import PostgresFeed
from roster_publisher.adapters.postgres.grant_trials import PostgresGrantTrials
from roster_publisher.adapters.postgres.housekeeping import PostgresHousekeeping, PostgresStatus
from roster_publisher.adapters.postgres.packages import PostgresPackages
from roster_publisher.adapters.postgres.pulls import PostgresPulls
from roster_publisher.adapters.postgres.queue import PostgresDirtyQueue
from roster_publisher.adapters.postgres.reads import PostgresReads
from roster_publisher.adapters.postgres.roster_unit import PostgresRosterUnit
from roster_publisher.adapters.postgres.scope_backfill import PostgresScopes
from roster_publisher.adapters.postgres.signing_keys import PostgresNonces, PostgresSigningKeys
from roster_publisher.adapters.postgres.state_unit import PostgresStateUnits
from roster_publisher.adapters.postgres.tracer import PostgresTracer
from roster_publisher.adapters.postgres.vendor_admin import PostgresVendorAdmin
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.adapters.postgres.webhooks import PostgresStandings
from roster_publisher.adapters.receivers import HttpReceivers
from roster_publisher.adapters.secrets import SecretDigests
from roster_publisher.adapters.subscriptions import ConfiguredSubscriptions
from roster_publisher.domain.access import Grant, SigningKey
from roster_publisher.domain.collections import known_scopes
from roster_publisher.domain.export_schedule import ScheduledExport
from roster_publisher.domain.names import Authority, NameAuthority, sis_first
from roster_publisher.domain.pacing import Pace
from roster_publisher.domain.webhooks import Subscription
from roster_publisher.entrypoints.consumers import names
from roster_publisher.entrypoints.consumers.changes import TOPIC, ChangesDoor
from roster_publisher.entrypoints.http.changes import change_routes
from roster_publisher.entrypoints.http.exports import export_routes
from roster_publisher.entrypoints.http.operators import operator_routes
from roster_publisher.entrypoints.http.token import token_routes
from roster_publisher.entrypoints.http.vendor_admin import vendor_routes
from roster_publisher.entrypoints.http.vendor_copies import copies_routes
from roster_publisher.entrypoints.http.vendor_views import Version, audit_routes, preview_routes
from roster_publisher.entrypoints.http.vendors import VendorDoor
from roster_publisher.entrypoints.http.webhooks import webhook_routes
from roster_publisher.entrypoints.jobs.access import watch_access
from roster_publisher.entrypoints.jobs.derive import derive_loop
from roster_publisher.entrypoints.jobs.export import export_loop
from roster_publisher.entrypoints.jobs.push import push_loop
from roster_publisher.entrypoints.oneroster.app import OneRosterApp
from roster_publisher.entrypoints.oneroster.discovery import BASE_PATH
from roster_publisher.entrypoints.oneroster.faces import V1P1, V1P1_BASE_PATH, V1P2, Face
from roster_publisher.settings import ClientSetting, NameAuthoritySetting, Settings
from roster_publisher.usecases.administer_vendors import AdministerVendors
from roster_publisher.usecases.apply_changes import ApplyChanges
from roster_publisher.usecases.derive_classes import DeriveClasses
from roster_publisher.usecases.derive_people import DerivePeople
from roster_publisher.usecases.export_package import ExportPackage
from roster_publisher.usecases.mark_due import MarkDue
from roster_publisher.usecases.note_pulls import NotePulls
from roster_publisher.usecases.pace_callers import PaceCallers, PaceTokens
from roster_publisher.usecases.preview_vendor import PreviewVendor
from roster_publisher.usecases.push_changes import PushChanges
from roster_publisher.usecases.read_changes import ReadChanges
from roster_publisher.usecases.read_collection import ReadCollection, UnsavedPulls
from roster_publisher.usecases.recognise_signature import RecogniseSignature
from roster_publisher.usecases.report_copies import ReportCopies
from roster_publisher.usecases.republish import Republish
from roster_publisher.usecases.seed_clients import ConfiguredClient, SeedClients
from roster_publisher.usecases.shape_bodies import ShapeBodies
from roster_publisher.usecases.take_back_packages import TakeBackPackages
from roster_publisher.usecases.take_names import TakeNames
from roster_publisher.usecases.tokens import IssueToken, RecogniseToken
from roster_publisher.usecases.watch_districts import WatchDistricts
from roster_publisher.usecases.write_exports import WriteExports

logger = get_logger(__name__)

SCHEMA: Final = "roster_publisher"
_DATES_EVERY_S: Final = 60.0
_PURGE_EVERY_S: Final = 1_800.0
_LEFT_EVERY_S: Final = 1.0
_LOOK_S: Final = 600.0
# Connections of the pool that reads do not keep: publishing and tokens need them.
_SPARE_CONNECTIONS: Final = 2
# Ten wrong secrets at once, then one in ten seconds.
_WRONG_SECRETS: Final = Pace(rate=0.1, burst=10)
# What a process may take to write down what came of a call.
_LEASE_BEYOND_CALL_S: Final = 5.0
# A writer renews it every quarter of a minute.
_EXPORT_LEASE: Final = timedelta(minutes=2)


def build(settings: Settings) -> FastAPI:
    """The service as an ASGI application; opens no connection."""

    def wire(app: ServiceApp, runtime: Runtime) -> None:
        ear = _publish(settings, runtime)
        _operate(settings, app, runtime)
        audit = PostgresAudit(runtime.database)
        runtime.loop("write-audit", audit.run)
        reads, vendors = _serve(settings, app, runtime, audit)
        _tell(settings, app, runtime, audit, reads=reads, vendors=vendors, ear=ear)

    return create_app(settings, wire)


def _publish(settings: Settings, runtime: Runtime) -> Callable[[], Ear]:
    """Consumer, derivers and the jobs around them; gives ears that hear of publications."""
    database, clock = runtime.database, runtime.clock
    queue = PostgresDirtyQueue(database)
    units = PostgresStateUnits(database, runtime.new_event)
    today = DistrictDays(settings.time_zone, settings.time_zones)
    due = MarkDue(queue, clock, today=today, new_id=runtime.ids.new_id)
    housekeeping, scopes = PostgresHousekeeping(database), PostgresScopes(database)
    authority = _authority(settings.name_authority)

    async def unit_of(tx: Tx) -> PostgresRosterUnit:
        driver: asyncpg.Connection = await tx.driver()
        return PostgresRosterUnit(driver)

    async def purge() -> None:
        await housekeeping.purge(
            now=clock.now(),
            keep_history=settings.keep_history,
            keep_tombstones=settings.keep_tombstones,
            keep_audit=settings.keep_audit,
        )
        await scopes.drop_unused(now=clock.now())

    runtime.consume(
        group=settings.service,
        topics=[TOPIC],
        schema=SCHEMA,
        handle=ChangesDoor(ApplyChanges(clock, authority), unit_of, queue.ring),
        batch=settings.apply_batch,
        critical=False,
    )
    runtime.consume(
        group=f"{settings.service}-names",
        topics=[names.TOPIC],
        schema=SCHEMA,
        handle=names.NamesDoor(TakeNames(clock, authority), unit_of),
        batch=settings.apply_batch,
        critical=False,
    )
    runtime.loop(
        "derive",
        derive_loop(
            DerivePeople(units, clock, today=today, settle=settings.settle, authority=authority),
            DeriveClasses(units, clock),
            queue.bell.ear(),
        ),
    )
    runtime.every("left-due", _LEFT_EVERY_S, due.left)
    runtime.every("dates-due", _DATES_EVERY_S, due.dates)
    runtime.every("purge", _PURGE_EVERY_S, purge, timeout_s=_PURGE_EVERY_S)
    return queue.bell.ear


def _operate(settings: Settings, app: ServiceApp, runtime: Runtime) -> None:
    """What operators reach."""
    database = runtime.database
    app.include_router(
        operator_routes(
            runtime.operators,
            PostgresStatus(database),
            Republish(PostgresDirtyQueue(database), runtime.clock),
        )
    )
    app.include_router(
        trace_routes(
            settings.service, PostgresTracer(database), runtime.operators.require("viewer")
        )
    )


def _serve(
    settings: Settings, app: ServiceApp, runtime: Runtime, audit: PostgresAudit
) -> tuple[PostgresReads, PostgresVendors]:
    """What vendors reach, and what telling them stands on."""
    database, clock = runtime.database, runtime.clock
    vendors = PostgresVendors(database)
    reads = PostgresReads(
        database,
        lines=settings.database_pool_size - _SPARE_CONNECTIONS,
        slow_s=settings.slow_query_seconds,
    )
    recognise = RecogniseToken(vendors, clock)
    pace, notes = PaceCallers(settings.vendor_pace, clock), NotePulls(audit, clock)
    keys, hash_key = _keys(settings, runtime), settings.plain_hash_key
    _seed(settings, runtime, vendors=vendors, keys=keys, recognise=recognise)

    async def close_reads(stopping: Stopping) -> None:
        while not await stopping.wait(_LOOK_S):
            pass
        await reads.close()

    runtime.loop("watch-access", watch_access(vendors.version, recognise.forget))
    runtime.loop("close-reads", close_reads)
    published = _published(settings)
    signatures = None
    if keys is not None:
        nonces = PostgresNonces(database)
        signatures = RecogniseSignature(keys, nonces, vendors, clock, published=published)
    issue = IssueToken(vendors, SecretDigests(), clock, audit)
    limits = PaceTokens(pace, PaceCallers(_WRONG_SECRETS, clock))
    app.include_router(token_routes(issue, published=published, pace=limits))
    door = VendorDoor(recognise, clock, pace, notes)
    changes, public_url = _changes(settings, runtime, reads), settings.public_url
    app.include_router(change_routes(door, changes, public_url=public_url, reads_at=BASE_PATH))
    _give_files(settings, app, runtime, reads, vendors, door, notes)
    collections = ReadCollection(reads, PostgresPulls(reads.lines), clock)

    def face_of(face: Face, collections: ReadCollection) -> OneRosterApp:
        """The application of one version."""
        return OneRosterApp(
            recognise=recognise,
            collections=collections,
            reads=reads,
            clock=clock,
            pace=pace,
            notes=notes,
            public_url=settings.public_url,
            hash_key=hash_key,
            face=face,
            signatures=signatures if face is V1P1 else None,
        )

    for path, face in ((BASE_PATH, V1P2), (V1P1_BASE_PATH, V1P1)):
        app.mount_plain(path, face_of(face, collections))
    _administer(settings, app, runtime, reads, audit, face_of=face_of, recognise=recognise)
    return reads, vendors


def _give_files(
    settings: Settings,
    app: ServiceApp,
    runtime: Runtime,
    reads: PostgresReads,
    vendors: PostgresVendors,
    door: VendorDoor,
    notes: NotePulls,
) -> None:
    """What makes packages of files: the door to them, and what writes them by schedule."""
    export = ExportPackage(
        reads,
        PostgresPackages(reads.lines),
        ShapeBodies(reads, clock=runtime.clock, hash_key=settings.plain_hash_key),
        vendors,
        CsvZip,
        runtime.clock,
        keep=settings.keep_tombstones,
    )
    app.include_router(export_routes(door, export, at_once=settings.packages_at_once))
    if settings.export_dir is None:
        return
    desk = PostgresExports(runtime.database, holder=runtime.ids.new_id(), lease=_EXPORT_LEASE)
    shelf = PackageFolder(settings.export_dir)
    write = WriteExports(
        export,
        vendors,
        desk,
        shelf,
        runtime.clock,
        notes,
        zone_of=DistrictDays(settings.time_zone, settings.time_zones).zone,
    )
    take_back = TakeBackPackages(desk, shelf, runtime.clock)
    exports = _exports(settings.clients)
    runtime.loop("exports", export_loop(write, exports, take_back=take_back))


def _exports(clients: Sequence[ClientSetting]) -> Sequence[ScheduledExport]:
    return [
        ScheduledExport(
            district_id=client.district,
            client_id=client.id,
            folder=one.folder or client.id,
            version=one.version,
            mode=one.mode,
            at=one.at,
            every=None if one.every_seconds is None else timedelta(seconds=one.every_seconds),
            keep=one.keep,
        )
        for client in clients
        for one in client.exports
    ]


def _published(settings: Settings) -> Callable[[str], bool]:
    """Knows secrets that stand in our documentation, where they must open nothing."""
    strict = settings.environment == "production"
    return lambda secret: strict and is_demo_secret(secret)


def _seed(
    settings: Settings,
    runtime: Runtime,
    *,
    vendors: PostgresVendors,
    keys: PostgresSigningKeys | None,
    recognise: RecogniseToken,
) -> None:
    """The vendors that settings give, made so at each start."""
    scopes = PostgresScopes(runtime.database)
    hash_key = settings.plain_hash_key
    seed = SeedClients(vendors, scopes, SecretDigests(), runtime.clock, hash_key=hash_key)
    clients, signing = _configured(settings.clients), _signing_keys(settings.clients)

    async def seed_once(_stopping: Stopping) -> None:
        """Make them so, and say what ended or is somebody else's."""
        seeded = await seed(clients)
        if keys is not None:
            await keys.keep(signing)
        recognise.forget()
        if seeded.ended:
            logger.warning("clients_ended", clients=seeded.ended)
        if seeded.taken:
            logger.error("clients_made_by_operators", clients=seeded.taken)

    runtime.loop("seed-clients", seed_once)


def _administer(
    settings: Settings,
    app: ServiceApp,
    runtime: Runtime,
    reads: PostgresReads,
    audit: PostgresAudit,
    *,
    face_of: Callable[[Face, ReadCollection], OneRosterApp],
    recognise: RecogniseToken,
) -> None:
    """What operators do to vendors, and see of them."""
    database, clock, operators = runtime.database, runtime.clock, runtime.operators
    admin = PostgresVendorAdmin(database)
    administer = AdministerVendors(
        admin,
        PostgresScopes(database),
        PostgresGrantTrials(database),
        SecretDigests(),
        clock,
        hash_key=settings.plain_hash_key,
        changed=recognise.forget,
    )
    # Pulls of their own: a preview must not open the vendor's anew.
    collections = ReadCollection(reads, UnsavedPulls(), clock)
    faces: dict[Version, tuple[str, OneRosterApp]] = {
        "1.2": (BASE_PATH, face_of(V1P2, collections)),
        "1.1": (V1P1_BASE_PATH, face_of(V1P1, collections)),
    }
    app.include_router(vendor_routes(operators, administer, admin, audit, clock))
    app.include_router(audit_routes(operators, audit))
    app.include_router(preview_routes(operators, admin, PreviewVendor(reads), clock, faces=faces))


def _tell(
    settings: Settings,
    app: ServiceApp,
    runtime: Runtime,
    audit: PostgresAudit,
    *,
    reads: PostgresReads,
    vendors: PostgresVendors,
    ear: Callable[[], Ear],
) -> None:
    """Webhooks to vendors, and the doors around them."""
    timeout_s = settings.webhook_timeout_seconds
    subscriptions = ConfiguredSubscriptions(_subscriptions(settings.clients))
    standings = PostgresStandings(
        runtime.database,
        holder=runtime.ids.new_id(),
        lease=timedelta(seconds=timeout_s + _LEASE_BEYOND_CALL_S),
    )
    app.include_router(webhook_routes(runtime.operators, subscriptions, standings))
    feed = PostgresFeed(reads.lines)
    copies = PostgresCopies(reads.lines, vendors)
    report = ReportCopies(copies, feed, audit, subscriptions, standings, runtime.clock)
    app.include_router(copies_routes(runtime.operators, report))
    if not subscriptions.every:
        return
    http = HttpClient(transport=CheckedTransport(allowed=settings.webhook_networks))
    push = PushChanges(
        vendors,
        _changes(settings, runtime, reads),
        standings,
        HttpReceivers(http, runtime.clock, timeout_s=timeout_s),
        runtime.clock,
        audit,
        base=f"{settings.base_url}{BASE_PATH}",
    )
    watch = WatchDistricts(feed, runtime.clock)
    runtime.loop("push", push_loop(push, watch, subscriptions.every, ear=ear(), close=http.close))


def _keys(settings: Settings, runtime: Runtime) -> PostgresSigningKeys | None:
    """None where there is no key under which secrets could be kept: then nobody signs."""
    keys = [read_key(key.get_secret_value()) for key in settings.credential_keys]
    return PostgresSigningKeys(runtime.database, Seal(keys)) if keys else None


def _signing_keys(clients: Sequence[ClientSetting]) -> Sequence[SigningKey]:
    return [
        SigningKey(
            district_id=client.district,
            client_id=client.id,
            key=client.oauth1.key,
            secret=client.oauth1.secret.get_secret_value(),
        )
        for client in clients
        if client.oauth1 is not None
    ]


def _changes(settings: Settings, runtime: Runtime, reads: PostgresReads) -> ReadChanges:
    shape = ShapeBodies(reads, clock=runtime.clock, hash_key=settings.plain_hash_key)
    return ReadChanges(PostgresFeed(reads.lines), shape)


def _subscriptions(clients: Sequence[ClientSetting]) -> Sequence[Subscription]:
    return [
        Subscription(
            district_id=client.district,
            client_id=client.id,
            url=client.webhook.url,
            secrets=tuple(secret.get_secret_value() for secret in client.webhook.secrets),
            events=client.webhook.events,
        )
        for client in clients
        if client.webhook is not None
    ]


def _authority(configured: Mapping[str, NameAuthoritySetting]) -> Authority:
    found = {
        district_id: NameAuthority(username=one.username, email=one.email, targets=one.targets)
        for district_id, one in configured.items()
    }
    return lambda district_id: found.get(district_id) or sis_first(district_id)


def _configured(clients: Sequence[ClientSetting]) -> Sequence[ConfiguredClient]:
    return [
        ConfiguredClient(
            secret=client.secret.get_secret_value(),
            grant=Grant(
                district_id=client.district,
                client_id=client.id,
                token_scopes=known_scopes(" ".join(client.scopes)),
                school_ids=client.schools,
                rules=tuple(rule.rule() for rule in client.rules),
                field_groups=client.fields,
                transforms=client.transforms(),
                agreement=client.agreement,
                purpose=client.purpose,
                expires_at=client.expires,
                pace=client.pace,
            ),
        )
        for client in clients
    ]

"""Requirements on a database that are checked before the first statement of a migration.

Each refusal gives the missing requirement and the statement that satisfies it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from .contract_tables import TABLES, effect_of_down, missing_tables
from .migrate.migration_state import state
from .own_schema import quoted
from .poolers import PoolMode, needs_a_session, pool_mode

OLDEST = 15  # the oldest major version of PostgreSQL that the tests run on


class PreflightError(Exception):
    """The database can't be migrated; the message gives the reasons and the fixes."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason not to migrate, and the statement or command that removes it."""

    why: str
    mend: str

    def __str__(self) -> str:
        return f"{self.why}\n{self.mend}"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The properties of a database and of the connected role on which migrations depend."""

    version: int  # as server_version_num: 150003
    encoding: str
    in_recovery: bool
    read_only: bool
    read_only_by: str  # pg_settings.source of default_transaction_read_only
    user: str
    database: str
    schema: str | None  # in which tables would be created; None: no schema of the search path exists
    search_path: str
    may_create: bool
    may_make_temporary: bool
    tables_in: str | None  # the schema in which the search path finds the table anomalies
    migrations_in: str | None  # the schema in which it finds django_migrations
    owners: Sequence[str]  # of tables in the schema, without those whose rights the role has


_SURROUNDINGS = """
    SELECT current_setting('server_version_num')::int,
           getdatabaseencoding()::text,
           pg_is_in_recovery(),
           current_setting('transaction_read_only') = 'on',
           (SELECT source FROM pg_settings WHERE name = 'default_transaction_read_only'),
           current_user::text,
           current_database()::text,
           current_schema()::text,
           current_setting('search_path'),
           coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
           has_database_privilege(current_database(), 'TEMPORARY'),
           (SELECT nspname::text FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
            WHERE pg_class.oid = to_regclass('anomalies')),
           (SELECT nspname::text FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
            WHERE pg_class.oid = to_regclass('django_migrations')),
           (SELECT coalesce(array_agg(DISTINCT pg_get_userbyid(relowner)::text), '{}') FROM pg_class
            WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind IN ('r', 'p')
              AND (relname = ANY (%s) OR relname LIKE 'django\\_%%')
              AND NOT pg_has_role(current_user, relowner, 'USAGE'))
"""


def surroundings(connection: BaseDatabaseWrapper) -> Surroundings:
    """The surroundings of a connection, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_SURROUNDINGS, [list(TABLES)])
        return Surroundings(*cursor.fetchone())


def check(connection: BaseDatabaseWrapper) -> None:
    """Raise PreflightError unless the database can be migrated, or has no pending migration."""
    _raise(refusals(connection))


def check_surroundings(connection: BaseDatabaseWrapper) -> None:
    """Raise PreflightError unless server, database and schema can hold our tables."""
    _raise(unfit(connection))


def _raise(found: Iterator[Refusal]) -> None:
    if text := "\n".join(map(str, found)):
        raise PreflightError(text)


def unfit(connection: BaseDatabaseWrapper) -> Iterator[Refusal]:
    """Yield the reasons why our tables can't be created or changed here."""
    mode = pool_mode(connection)
    if mode in (PoolMode.TRANSACTION, PoolMode.STATEMENT):
        why, _, mend = needs_a_session(connection, mode).rpartition("\n")
        yield Refusal(why, mend)
        return  # further queries may be answered by another server process
    here = surroundings(connection)
    for rule in _ALWAYS:
        yield from rule(here)


def refusals(connection: BaseDatabaseWrapper) -> Iterator[Refusal]:
    """Yield the reasons not to migrate this database."""
    found = list(unfit(connection))
    yield from found
    if found:
        return
    here = surroundings(connection)
    if connection.alias == DEFAULT_DB_ALIAS:  # the following checks use the default connection
        now = state()
        if now.applied:
            yield from _lost()
        elif here.tables_in is not None:
            yield _made_by_another(now.golang)
            return
    if _has_pending(connection):
        for rule in _TO_MIGRATE:
            yield from rule(here)


def _lost() -> Iterator[Refusal]:
    """Tables of recorded migrations that are missing although the next migrations need them."""
    effect = effect_of_down()
    if effect is None and (gone := missing_tables()):
        effect = (
            f"{', '.join(gone)}: gone, though the migrations that made them are recorded as applied.\n"
            "Restore a backup into an empty database: manage.py restore FILE."
        )
    if effect is not None:
        why, _, mend = effect.partition("\n")
        yield Refusal(why, mend)


def _made_by_another(golang: tuple[tuple[int, bool], ...]) -> Refusal:
    by = f"golang-migrate (version {golang[0][0]})" if golang else "another program"
    return Refusal(
        f"The table anomalies is here already, made by {by}: migrate would make it a second time.",
        "manage.py schema adopt -- shows how this database can be adopted; adopt --apply adopts it",
    )


def _has_pending(connection: BaseDatabaseWrapper) -> bool:
    """True if there are migrations to apply."""
    executor: Any = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _version(here: Surroundings) -> Iterator[Refusal]:
    if here.version < OLDEST * 10_000:
        yield Refusal(
            f"PostgreSQL {here.version // 10_000} is too old: {OLDEST} or newer is needed.",
            f"Upgrade the server (pg_upgrade), or restore a dump into PostgreSQL {OLDEST} or newer.",
        )


def _encoding(here: Surroundings) -> Iterator[Refusal]:
    if here.encoding != "UTF8":
        yield Refusal(
            f"The database {here.database} is encoded in {here.encoding}, which can't hold every character.",
            f"CREATE DATABASE {quoted(here.database + '_utf8')} TEMPLATE template0 ENCODING 'UTF8' "
            "LOCALE 'C'; -- and name that one in DATABASE_URL",
        )


def _read_only(here: Surroundings) -> Iterator[Refusal]:
    if here.in_recovery:
        yield Refusal(
            "The server is a standby: it can be read and not written.",
            "Name the primary in DATABASE_URL, or all servers: postgres://…@one,two/"
            f"{here.database}?target_session_attrs=read-write",
        )
    elif here.read_only:
        yield Refusal(
            f"Transactions of {here.user} are read-only in {here.database} (default_transaction_read_only).",
            _RESET_READ_ONLY.get(here.read_only_by, _RESET_READ_ONLY["configuration file"]).format(
                user=quoted(here.user), database=quoted(here.database)
            ),
        )


_RESET_READ_ONLY = {
    "user": "ALTER ROLE {user} RESET default_transaction_read_only;",
    "database": "ALTER DATABASE {database} RESET default_transaction_read_only;",
    "database user": "ALTER ROLE {user} IN DATABASE {database} RESET default_transaction_read_only;",
    "client": "Take default_transaction_read_only out of the options in DATABASE_URL or PGOPTIONS.",
    "configuration file": (
        "ALTER SYSTEM SET default_transaction_read_only = off; SELECT pg_reload_conf(); -- once there is room"
    ),
}


def _schema(here: Surroundings) -> Iterator[Refusal]:
    if here.schema is None:
        first = here.search_path.split(",")[0].strip().strip('"')
        named = first if first not in ("", "$user") else here.user
        yield Refusal(
            f"No schema of the search path ({here.search_path or 'empty'}) can be used by {here.user}.",
            f"CREATE SCHEMA {quoted(named)} AUTHORIZATION {quoted(here.user)};",
        )
        return
    for table, place in (("anomalies", here.tables_in), ("django_migrations", here.migrations_in)):
        if place is not None and place != here.schema:
            yield Refusal(
                f"The table {table} is in the schema {place}; new tables would be made in {here.schema} "
                f"(search_path: {here.search_path}).",
                f"ALTER ROLE {quoted(here.user)} IN DATABASE {quoted(here.database)} SET search_path = "
                f"{quoted(place)}; -- or {quoted(here.schema)}, if those tables are another program's",
            )
            return


def _privileges(here: Surroundings) -> Iterator[Refusal]:
    if not here.may_create:
        yield Refusal(
            f"{here.user} may not make tables in the schema {here.schema}.",
            f"GRANT CREATE ON SCHEMA {quoted(here.schema or '')} TO {quoted(here.user)};",
        )
    if not here.may_make_temporary:
        yield Refusal(
            f"{here.user} may not make temporary tables in {here.database}.",
            f"GRANT TEMPORARY ON DATABASE {quoted(here.database)} TO {quoted(here.user)};",
        )


def _owner(here: Surroundings) -> Iterator[Refusal]:
    for owner in here.owners:
        yield Refusal(
            f"Tables belong to {owner}, and only the owner may change them.",
            f"GRANT {quoted(owner)} TO {quoted(here.user)}; -- or connect as {owner}",
        )


Rule = Callable[[Surroundings], Iterator[Refusal]]
_ALWAYS: tuple[Rule, ...] = (_version, _encoding, _read_only, _schema)
_TO_MIGRATE: tuple[Rule, ...] = (_privileges, _owner)

"""Brings the tables of a database to what this version needs."""

from __future__ import annotations

from pathlib import Path

import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from buildbot_nix.errors import BuildbotNixError

#: Where Alembic notes which of our migrations were done. Buildbot has a table of its own.
VERSION_TABLE = "nix_alembic_version"
SCRIPTS = Path(__file__).parent / "migrations"
#: Of the lock on PostgreSQL: any number that nobody else would think of.
LOCK = 0x6E69_785F_6269


class NewerDatabaseError(BuildbotNixError):
    """A later version of buildbot-nix has changed the tables."""

    def __init__(self, found: str, known: str) -> None:
        super().__init__(
            "the database was last used by a newer buildbot-nix: its tables have revision "
            f"{found}, this version knows those up to {known}. Start that version again, or "
            "restore the backup from before it"
        )


def check(connection: Connection) -> None:
    """Raises :class:`NewerDatabaseError` for tables of a later version; changes nothing."""
    scripts = ScriptDirectory(str(SCRIPTS))
    known = {script.revision for script in scripts.walk_revisions()}
    found = _revision(connection)
    if found is not None and found not in known:
        raise NewerDatabaseError(found, scripts.get_current_head() or "none")


def upgrade(connection: Connection) -> None:
    """Makes or changes the tables, within the transaction that has just begun. Of several masters
    that start at once one does it, while the others wait."""
    if connection.dialect.name == "sqlite":
        # Python begins a transaction only before it writes rows.
        connection.exec_driver_sql("begin immediate")
    else:
        connection.exec_driver_sql(f"select pg_advisory_xact_lock({LOCK})")
    check(connection)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()

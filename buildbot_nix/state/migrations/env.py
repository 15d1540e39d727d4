"""Alembic runs this to upgrade; ``buildbot_nix.state.migrate`` gives it the connection."""

from __future__ import annotations

from alembic import context

from buildbot_nix.state.migrate import VERSION_TABLE
from buildbot_nix.state.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    # All or nothing, on SQLite too: ``migrate`` has begun the transaction.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()

"""What a provider knows somebody by whatever they are called. Who is logged in logs in again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("delete from nix_sessions")
    op.add_column("nix_sessions", sa.Column("id", sa.Text, nullable=False, server_default=""))

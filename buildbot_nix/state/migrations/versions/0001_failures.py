"""Builds that failed and need not be tried again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "nix_failures",
        sa.Column("project", sa.Text, primary_key=True),
        sa.Column("derivation", sa.Text, primary_key=True),
        sa.Column("attr", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("failed_at", sa.Integer, nullable=False),
    )
    op.create_index("nix_failures_failed_at", "nix_failures", ["failed_at"])

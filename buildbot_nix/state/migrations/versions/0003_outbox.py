"""Statuses of commits, as forges have them or are to get them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "nix_outbox",
        sa.Column("forge", sa.Text, primary_key=True),
        sa.Column("repository", sa.Text, primary_key=True),
        sa.Column("sha", sa.Text, primary_key=True),
        sa.Column("context", sa.Text, primary_key=True),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("run", sa.BigInteger, nullable=False),
        sa.Column("build", sa.BigInteger, nullable=False),
        sa.Column("page", sa.Text, nullable=True),
        sa.Column("standing", sa.Text, nullable=True),
        sa.Column("changed_at", sa.Integer, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("waiting", sa.Boolean, nullable=False),
        sa.Column("check_run", sa.BigInteger, nullable=True),
        sa.Column("refusal", sa.Text, nullable=True),
    )
    for column in ("waiting", "state", "changed_at"):
        op.create_index(f"nix_outbox_{column}", "nix_outbox", [column])

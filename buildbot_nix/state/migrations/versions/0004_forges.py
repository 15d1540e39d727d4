"""What forges have and told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "nix_deliveries",
        sa.Column("forge", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, nullable=True),
        sa.Column("received_at", sa.Float, nullable=False),
    )
    op.create_index("nix_deliveries_received_at", "nix_deliveries", ["received_at"])
    op.create_table(
        "nix_heads",
        sa.Column("project", sa.Text, primary_key=True),
        sa.Column("branch", sa.Text, primary_key=True),
        sa.Column("head", sa.Text, nullable=False),
        sa.Column("held", sa.Text, nullable=True),
        sa.Column("seen_at", sa.Integer, nullable=False),
    )
    op.create_index("nix_heads_seen_at", "nix_heads", ["seen_at"])
    op.create_table(
        "nix_forge_memory",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("memory", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "nix_repositories",
        sa.Column("forge", sa.Text, primary_key=True),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text, nullable=False),
    )

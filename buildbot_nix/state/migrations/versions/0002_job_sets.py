"""What evaluations have found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "nix_job_sets",
        sa.Column("request", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("build", sa.Integer, nullable=False),
        sa.Column("machine", sa.Text, nullable=False),
        sa.Column("properties", sa.Text, nullable=False),
        sa.Column("lost", sa.Text),
        sa.Column("slices", sa.Integer, nullable=False),
        sa.Column("stored_at", sa.Integer, nullable=False),
        sa.Column("ended_at", sa.Integer),
    )
    op.create_index("nix_job_sets_stored_at", "nix_job_sets", ["stored_at"])
    op.create_table(
        "nix_job_set_slices",
        sa.Column("request", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("slice", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )

"""The journal's tables, as they lie in `journal.sqlite`."""

import sqlalchemy as sa

TABLES = sa.MetaData()
FACTS = sa.Table(
    "facts",
    TABLES,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("fact", sa.Text, nullable=False),
    sa.Column("chain", sa.String, nullable=False),  # facts.link of the one before and this fact
)
BLOCKS = sa.Table(
    "blocks",
    TABLES,
    sa.Column("round", sa.Integer, primary_key=True),
    sa.Column("client", sa.String, primary_key=True),
    sa.Column("head", sa.LargeBinary, nullable=False),  # limbeck.v1.Block
    sa.Column("size", sa.Integer, nullable=False),  # of the payload, in bytes
    sa.Column("payload", sa.LargeBinary),  # none where it lies in a file
    sa.Column("file", sa.String),
)
NOTES = sa.Table(
    "notes",
    TABLES,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)

"""Writes preference pairs as Parquet with pyarrow, all in one row group: python make_million_parquet.py FILE ROWS"""

import sys

import pyarrow as pa
import pyarrow.parquet as pq

path, rows = sys.argv[1], int(sys.argv[2])


pool = " ".join(format(at * 2654435761 % 1000003, "x") for at in range(200_000))


def column(name: str, length: int, step: int) -> pa.Array:
    def text(row: int) -> str:
        start = row * step % (len(pool) - length)
        return f"{name} {row} {pool[start:start + length]}"

    return pa.array((text(row) for row in range(rows)), pa.string(), size=rows)


table = pa.table({"prompt": column("Question", 200, 7919), "chosen": column("Yes", 280, 104729), "rejected": column("No", 280, 1299709)})
pq.write_table(table, path, compression="snappy", row_group_size=rows)

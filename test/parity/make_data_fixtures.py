"""Makes test/parity/fixtures/data: tables of preference data written by pyarrow (Parquet) and Python's csv.

    python test/parity/make_data_fixtures.py

`expected.json` holds the rows as pyarrow or csv.DictReader read them back, and which of them each file holds.
"""

import csv
import gzip
import io
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

folder = Path(__file__).parent / "fixtures" / "data"
words = ["blue", "green", "a \"quoted\" word", "two\nlines", "comma, semicolon;", "Ünïcödé", "日本語", "🌍", "tab\there", ""]


def text(rng: random.Random, least: int = 1, most: int = 9) -> str:
    return " ".join(rng.choice(words) for _ in range(rng.randint(least, most))) + rng.choice([".", "!", "?", ""])


def plain_rows(count: int) -> list[dict]:
    rng = random.Random(1)
    prompts = [text(rng) for _ in range(5)]
    return [
        {
            "prompt": rng.choice(prompts),
            "chosen": f"{row} {text(rng)}",
            "rejected": None if row % 13 == 5 else f"{row} {text(rng)}!",
            "answer": None if rng.random() < 0.5 else str(row),
            "score_chosen": None if row % 7 == 3 else row / 8,
            "flag": [True, False, None][row % 3],
            "number": (row - 20) * 3_000_000_019,
            "small": row * 7 - 100,
        }
        for row in range(count)
    ]


def chat_rows(count: int) -> list[dict]:
    rng = random.Random(2)

    def messages(row: int):
        kind = row % 9
        if kind == 4:
            return None
        if kind == 7:
            return []
        made = [{"role": rng.choice(["user", "assistant"]), "content": text(rng)} for _ in range(rng.randint(1, 5))]
        if kind == 2:
            made[0]["content"] = None
        if kind == 5:
            made.append(None)
        return made

    return [
        {
            "id": row,
            "prompt": messages(row),
            "chosen": messages(row + 1),
            "ratings": None if row % 11 == 3 else [None if rng.random() < 0.2 else rng.random() for _ in range(row % 4)],
            "generations": None if row % 10 == 6 else [text(rng) for _ in range(row % 4)],
            "nested": None if row % 8 == 1 else {"lists": [[f"{row}", None], [], None] if row % 2 else None, "deep": {"x": row}},
        }
        for row in range(count)
    ]


message = pa.struct([("role", pa.string()), ("content", pa.string())])
chat_schema = pa.schema(
    [
        ("id", pa.int32()),
        ("prompt", pa.list_(message)),
        ("chosen", pa.large_list(message)),
        ("ratings", pa.list_(pa.float64())),
        ("generations", pa.list_(pa.large_string())),
        ("nested", pa.struct([("lists", pa.list_(pa.list_(pa.string()))), ("deep", pa.struct([("x", pa.int64())]))])),
    ]
)


def add(expected: dict, file: str, rows: list[dict]) -> None:
    """Equal rows are kept once."""
    tables = expected["tables"]
    if rows not in tables:
        tables.append(rows)
    expected["files"][file] = tables.index(rows)


def write_parquet(expected: dict) -> None:
    plain = pa.Table.from_pylist(plain_rows(60))
    chat = pa.Table.from_pylist(chat_rows(60), schema=chat_schema)
    deltas = {
        "prompt": "DELTA_BYTE_ARRAY", "chosen": "DELTA_LENGTH_BYTE_ARRAY", "rejected": "DELTA_BYTE_ARRAY",
        "number": "DELTA_BINARY_PACKED", "small": "DELTA_BINARY_PACKED", "score_chosen": "BYTE_STREAM_SPLIT",
    }  # fmt: skip
    small = plain.set_column(plain.schema.get_field_index("small"), "small", plain["small"].cast(pa.int32()))
    # Pages of a few bytes: rows of the nested columns reach over several.
    pages = {"data_page_size": 64, "write_batch_size": 3}
    cases = {
        "plain-snappy": (plain, {"compression": "snappy"}),
        "plain-gzip": (plain, {"compression": "gzip", "row_group_size": 17}),
        "plain-zstd": (plain, {"compression": "zstd", "data_page_version": "2.0", "row_group_size": 25}),
        "plain-none-pages": (plain, {"compression": "none", "use_dictionary": False, **pages}),
        "plain-deltas": (small, {"compression": "zstd", "use_dictionary": False, "column_encoding": deltas, "row_group_size": 45}),
        "plain-deltas-2": (
            small,
            {"compression": "none", "use_dictionary": False, "column_encoding": deltas, "data_page_version": "2.0"},
        ),
        "chat-snappy": (chat, {"compression": "snappy", "use_dictionary": False, "row_group_size": 23}),
        "chat-gzip-2": (chat, {"compression": "gzip", "data_page_version": "2.0"}),
        "chat-zstd-pages": (chat, {"compression": "zstd", **pages}),
        "chat-brotli": (chat, {"compression": "brotli", "use_compliant_nested_type": False}),
    }
    for name, (table, options) in cases.items():
        file = f"{name}.parquet"
        pq.write_table(table, folder / file, **options)
        add(expected, file, pq.read_table(folder / file).to_pylist())


def write_csv(expected: dict) -> None:
    rows = [{key: value for key, value in row.items() if key in ("prompt", "chosen", "rejected", "answer")} for row in plain_rows(40)]
    cases = {
        "comma.csv": {},
        "all-quoted.csv": {"quoting": csv.QUOTE_ALL, "lineterminator": "\n"},
        "semicolon.csv": {"delimiter": ";"},
        "tab.tsv": {"dialect": "excel-tab"},
        "packed.csv.gz": {},
    }
    for name, options in cases.items():
        if name.endswith(".gz"):
            opened = gzip.GzipFile(folder / name, "w", mtime=0)
            file = io.TextIOWrapper(opened, encoding="utf-8", newline="")
        else:
            file = open(folder / name, "w", encoding="utf-8", newline="")
        with file:
            writer = csv.DictWriter(file, list(rows[0]), **options)
            writer.writeheader()
            writer.writerows(rows)
        unpack = gzip.open if name.endswith(".gz") else open
        reading = {key: value for key, value in options.items() if key in ("dialect", "delimiter")}
        with unpack(folder / name, "rt", encoding="utf-8", newline="") as file:
            add(expected, name, list(csv.DictReader(file, **reading)))


if __name__ == "__main__":
    folder.mkdir(parents=True, exist_ok=True)
    expected: dict = {"tables": [], "files": {}}
    write_parquet(expected)
    write_csv(expected)
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")

#!/usr/bin/env python3
"""ledger_peer.py sql|dict FOLDER: counts the distinct numbers that a stream holds of each device, in the
two ways that come to mind. Neither looks at positions, statuses or what waits for a score."""
import json
import sqlite3
import sys


def table(db, topic):
    return f"record_{db.execute('SELECT id FROM topic WHERE name = ?', (topic,)).fetchone()[0]}"


def by_sql(db, topic):
    rows = db.execute("SELECT key, count(*), count(DISTINCT json_extract(value, '$.boot') || '.' ||"
                      f" json_extract(value, '$.seq')) FROM {table(db, topic)} GROUP BY key")
    devices = numbers = 0
    for _, count, distinct in rows:
        devices += 1
        numbers += distinct
    return devices, numbers


def by_dict(db, topic):
    seen = {}
    for key, value in db.execute(f"SELECT key, value FROM {table(db, topic)} ORDER BY offset"):
        record = json.loads(value)
        seen.setdefault(key, set()).add((record["boot"], record["seq"]))
    return len(seen), sum(len(numbers) for numbers in seen.values())


def main():
    count = {"sql": by_sql, "dict": by_dict}[sys.argv[1]]
    folder = sys.argv[2]
    devices, stored = count(sqlite3.connect(f"{folder}/bridge.db"), "telemetry")
    _, scored = count(sqlite3.connect(f"{folder}/score.db"), "score")
    print(json.dumps({"devices": devices, "stored": stored, "scored": scored}))


if __name__ == "__main__":
    main()

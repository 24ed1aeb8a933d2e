#!/usr/bin/env python3
"""make_corpus.py FOLDER: payloads as pysparkplug writes them, for the fuzz target and the unit test."""
import datetime
import os
import sys

import pysparkplug as sp

T = 1_700_000_000_123  # ms


def metric(name, datatype, value, alias=None, **more):
    return sp.Metric(timestamp=T, name=name, datatype=datatype, value=value, alias=alias, **more)


D = sp.DataType
bd_seq = metric("bdSeq", D.INT64, 7)
birth = (
    metric("Motor/Current", D.FLOAT, 4.25, 1), metric("Motor/Temperature", D.DOUBLE, -40.5, 2),
    metric("Motor/Speed", D.INT16, -1480, 3), metric("Motor/Load", D.INT8, -128, 4),
    metric("Motor/Torque", D.INT32, -2147483648, 5), metric("Motor/Offset", D.INT64, -3, 6),
    metric("Motor/Count", D.UINT64, 2**63, 7), metric("Motor/Gear", D.UINT8, 200, 8),
    metric("Motor/Runs", D.BOOLEAN, True, 9), metric("Motor/Maker", D.STRING, "Müller", 10),
    metric("Motor/Idle", D.FLOAT, None, 11, is_null=True),
    metric("Motor/Seen", D.DATETIME,
           datetime.datetime.fromtimestamp(1.5e9, datetime.timezone.utc), 12),
    metric("Motor/Wave", D.FLOAT_ARRAY, (1.0, 2.0), 13))
data = (
    sp.Metric(timestamp=T + 5, name=None, datatype=D.FLOAT, value=5.5, alias=1),
    sp.Metric(timestamp=T + 5, name=None, datatype=D.INT16, value=-1, alias=3))
files = {
    "nbirth": sp.NBirth(timestamp=T, seq=0, metrics=(bd_seq, metric("Node Control/Rebirth",
                                                                   D.BOOLEAN, False))),
    "dbirth": sp.DBirth(timestamp=T, seq=1, metrics=birth),
    "ddata": sp.DData(timestamp=T + 5, seq=255, metrics=data),
    "historical": sp.DData(timestamp=T + 5, seq=3, metrics=(
        metric("Motor/Current", D.FLOAT, 1.5, is_historical=True),)),
    "ddeath": sp.DDeath(timestamp=T, seq=4),
    "ndeath": sp.NDeath(timestamp=T, bd_seq_metric=bd_seq),
    "ncmd": sp.NCmd(timestamp=T, metrics=(metric("Node Control/Rebirth", D.BOOLEAN, True),)),
}
for name, payload in files.items():
    with open(os.path.join(sys.argv[1], name), "wb") as file:
        file.write(payload.encode(include_dtypes=name != "ddata"))

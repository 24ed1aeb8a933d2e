#!/usr/bin/env python3
"""A Modbus server by pymodbus: modbus_server.py tcp:PORT|rtu:PATH JOURNAL [--die-on-write|--slow-write].

Units 1 and 2. Each read and write is a line of JSON in the journal; coils and holding registers that were
written are as the journal says when the server is started again. --die-on-write ends the server behind a
write, before it is answered, as a device does whose plug is pulled; --slow-write answers it a while later."""
import asyncio
import json
import os
import struct
import sys
import time

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer

SIZE = 400
DIE, SLOW = "--die-on-write" in sys.argv, "--slow-write" in sys.argv


def words(form, value):
    """Big-endian, a list of 16-bit words."""
    data = struct.pack(">" + form, value)
    return list(struct.unpack(f">{len(data) // 2}H", data))


def swapped(word):
    return [w >> 8 | (w & 255) << 8 for w in word]


class Block(ModbusSequentialDataBlock):
    def __init__(self, unit, table, values, journal):
        super().__init__(0, values)
        self.unit, self.table, self.journal = unit, table, journal

    def note(self, kind, address, values):
        # ModbusSlaveContext has added 1 to the address of the request.
        self.journal.write(json.dumps({"kind": kind, "unit": self.unit, "table": self.table,
                                       "address": address - 1, "values": values}) + "\n")

    def getValues(self, address, count=1):
        self.note("read", address, count)
        return super().getValues(address, count)

    def setValues(self, address, values):
        values = values if isinstance(values, list) else [values]
        super().setValues(address, values)
        self.note("write", address, [int(value) for value in values])
        if DIE:
            os._exit(0)
        if SLOW:
            time.sleep(0.5)


def tables(unit):
    holding = [0] * SIZE
    holding[0:2] = words("f", 21.5)                      # float32
    holding[2:4] = reversed(words("f", -3.25))           # float32 order=cdab
    holding[4:6] = swapped(words("i", -70000))           # int32 order=badc
    holding[6:8] = reversed(swapped(words("I", 70000)))  # uint32 order=dcba
    holding[8:12] = words("d", 1234.5)                   # float64
    holding[12:16] = words("q", -5000000000)             # int64
    holding[100] = unit
    inputs = [0] * SIZE
    inputs[0] = 65536 - 55  # int16 scale=0.1 offset=40: 34.5
    inputs[1:3] = words("f", float("nan"))
    for i in range(200, 330):
        inputs[i] = i
    discrete = [0] * SIZE
    discrete[5] = 1
    return {"coil": [0] * SIZE, "discrete": discrete, "holding": holding, "input": inputs}


def context(path):
    written = []
    if os.path.exists(path):
        with open(path) as file:
            written = [event for event in map(json.loads, file) if event["kind"] == "write"]
    journal = open(path, "a", buffering=1)
    slaves = {}
    for unit in (1, 2):
        values = tables(unit)
        for event in written:
            if event["unit"] == unit:
                at = event["address"]
                values[event["table"]][at:at + len(event["values"])] = event["values"]
        block = {table: Block(unit, table, [0] + value, journal) for table, value in values.items()}
        slaves[unit] = ModbusSlaveContext(di=block["discrete"], co=block["coil"],
                                          hr=block["holding"], ir=block["input"])
    return ModbusServerContext(slaves=slaves, single=False)


async def main():
    scheme, _, where = sys.argv[1].partition(":")
    if scheme == "tcp":
        server = ModbusTcpServer(context(sys.argv[2]), address=("127.0.0.1", int(where)))
    else:
        server = ModbusSerialServer(context(sys.argv[2]), framer=FramerType.RTU, port=where,
                                    baudrate=19200, parity="N")
    await server.serve_forever()


asyncio.run(main())

#!/usr/bin/env python3
"""check.py MILLWRIGHT [TEST ...]: runs the tests of this folder; the last line reads
'N passed, N failed, N skipped'."""
import sys
import time

import iio_test
import modbus_test
from plant import Failed, say


def main():
    passed = failed = skipped = 0
    for test in modbus_test.TESTS + iio_test.TESTS:
        if len(sys.argv) > 2 and test.__name__ not in sys.argv[2:]:
            continue
        begin = time.monotonic()
        say(f"-- {test.__name__}")
        try:
            why = test(sys.argv[1])
            skipped += why is not None
            passed += why is None
            if why is not None:
                say(f"skipped: {test.__name__}: {why}")
        except Failed as error:
            say(f"FAILED: {test.__name__}: {error}")
            failed += 1
        say(f"   {time.monotonic() - begin:.1f} s")
    say(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())

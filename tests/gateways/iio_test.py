"""IIO things: what a context says, and samples from a fake sysfs and a device that is a pipe, in a mount
namespace of their own (an XML context answers reads with ENOSYS)."""
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "loop"))
from modbus_test import TEXT, Site  # noqa: E402
from plant import check, say, wait  # noqa: E402

XML = """\
<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE context [<!ELEMENT context (device)*><!ELEMENT device (channel | attribute)*>
<!ELEMENT channel (scan-element?, attribute*)><!ELEMENT attribute EMPTY><!ELEMENT scan-element EMPTY>
<!ATTLIST context name CDATA #REQUIRED description CDATA #IMPLIED>
<!ATTLIST device id CDATA #REQUIRED name CDATA #IMPLIED>
<!ATTLIST channel id CDATA #REQUIRED type (input|output) #REQUIRED name CDATA #IMPLIED>
<!ATTLIST scan-element index CDATA #REQUIRED format CDATA #REQUIRED scale CDATA #IMPLIED>
<!ATTLIST attribute name CDATA #REQUIRED filename CDATA #IMPLIED>]>
<context name="xml" description="a bench">
<device id="iio:device0" name="adxl345"><channel id="accel_x" type="input">
<scan-element index="0" format="le:S16/16&gt;&gt;0" /><attribute name="raw" filename="in_accel_x_raw" />
</channel><channel id="voltage0" type="output"><attribute name="raw" filename="out_voltage0_raw" />
</channel></device>
<device id="iio:device1" name="tmp102"><channel id="temp" type="input">
<attribute name="raw" filename="in_temp_raw" /></channel></device>
</context>
"""

SPINDLE = """\
device: spindle
url: %s
interval: 100ms
timeout: 2s
window: 512
channels:
  temperature: tmp102 temp scale=0.001
  humidity: hdc1010 humidityrelative
  vibration: adxl345 accel_x window
  sound: adxl345 accel_y window scale=2
"""

RATE, HZ = 2000, 125  # a period is 16 samples


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text + "\n")


def make_sysfs(root):
    """/sys as the kernel would have it with three sensors."""
    devices = os.path.join(root, "bus", "iio", "devices")
    adxl = os.path.join(devices, "iio:device0")
    write(f"{adxl}/name", "adxl345")
    write(f"{adxl}/dev", "250:0")
    write(f"{adxl}/sampling_frequency", str(RATE))
    for i, channel in enumerate("xy"):
        write(f"{adxl}/in_accel_{channel}_raw", "1")
        write(f"{adxl}/scan_elements/in_accel_{channel}_en", "0")
        write(f"{adxl}/scan_elements/in_accel_{channel}_index", str(i))
        write(f"{adxl}/scan_elements/in_accel_{channel}_type", "le:s16/16>>0")
    write(f"{adxl}/in_accel_scale", "0.01")
    write(f"{adxl}/buffer/enable", "0")
    write(f"{adxl}/buffer/length", "512")
    tmp = os.path.join(devices, "iio:device1")
    write(f"{tmp}/name", "tmp102")
    write(f"{tmp}/in_temp_raw", "340")
    write(f"{tmp}/in_temp_scale", "62.5")
    write(f"{tmp}/in_temp_offset", "16")
    hdc = os.path.join(devices, "iio:device2")
    write(f"{hdc}/name", "hdc1010")
    write(f"{hdc}/in_humidityrelative_input", "47.25")


def feed(path):
    """Samples for ever: x is a sine of amplitude 1000, y a constant 7."""
    samples = b"".join(struct.pack("<hh", round(1000 * math.sin(2 * math.pi * HZ * i / RATE)), 7)
                       for i in range(RATE // HZ))
    pipe = os.open(path, os.O_RDWR)  # it stays open when nobody reads
    while True:
        os.write(pipe, samples * 8)


def enter(folder):
    """In a mount namespace: /sys is the fake, /dev has the pipe beside what it had."""
    sysfs, old = os.path.join(folder, "sys"), os.path.join(folder, "dev")
    make_sysfs(sysfs)
    os.mkdir(old)
    for words in (["--make-rprivate", "/"], ["--rbind", "/dev", old], ["--bind", sysfs, "/sys"],
                  ["-t", "tmpfs", "none", "/dev"]):
        subprocess.run(["mount", *words], check=True)
    for name in os.listdir(old):
        os.symlink(os.path.join(old, name), os.path.join("/dev", name))
    os.mkfifo("/dev/iio:device0")


def inside(program, folder):
    """The part that runs in the namespace."""
    enter(folder)
    pid = os.fork()
    if pid == 0:
        feed("/dev/iio:device0")
    try:
        samples_become_features(program)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def near(found, expected, name, tolerance=0.01):
    check(abs(found - expected) <= tolerance * max(1, abs(expected)),
          f"{name} is {found}, {expected} was expected")


def samples_become_features(program):
    with Site(program, "iio:local", "", devices=(("spindle", SPINDLE),)) as site:
        found = site.plant.run("discover", "iio:local").out
        check("adxl345_accel_x: adxl345 accel_x window" in found and
              "tmp102_temp: tmp102 temp\n" in found, f"discover: {found}")
        site.plant.start()
        site.more(10)
        features = site.records("spindle")[-1]["features"]
        near(features["temperature"], (340 + 16) * 62.5 / 1000, "temperature")
        near(features["humidity"], 47.25, "humidity")
        near(features["vibration_rms"], 1000 / math.sqrt(2) * 0.01, "vibration_rms")
        near(features["vibration_crest"], math.sqrt(2), "vibration_crest")
        near(features["vibration_kurtosis"], 1.5, "vibration_kurtosis")
        near(features["vibration_peak_hz"], HZ, "vibration_peak_hz")
        near(features["vibration_peak"], 10, "vibration_peak")
        near(features["sound_mean"], 7 * 0.01 * 2, "sound_mean")
        near(features["sound_rms"], 0, "sound_rms")
        check(len(features) == 22, f"{len(features)} features")
        # A sensor that is unplugged, and plugged in again.
        os.rename("/sys/bus/iio/devices/iio:device1", "/sys/unplugged")
        wait(lambda: site.away("spindle"), "the sensor to be missed", pause=0.2)
        os.rename("/sys/unplugged", "/sys/bus/iio/devices/iio:device1")
        site.more(5)
        site.end()


def iio_samples_become_features(program):
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        return "no mount namespace may be made here"
    folder = tempfile.mkdtemp(prefix="mw-iio-")
    try:
        done = subprocess.run(["unshare", "-m", sys.executable, "-B", os.path.abspath(__file__),
                               os.path.abspath(program), folder])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    check(done.returncode == 0, f"in the namespace: exit status {done.returncode}")
    return None


def iio_channels_are_discovered(program):
    """An XML context says what there is, and gives no samples: the device is away."""
    with Site(program, "", "", devices=()) as site:
        path = os.path.join(site.plant.folder, "bench.xml")
        write(path, XML)
        found = site.plant.run("discover", f"iio:xml:{path}").out
        check(found == f"device: sensors\nurl: iio:xml:{path}\ninterval: 1s\nchannels:\n"
                       "  adxl345_accel_x: adxl345 accel_x window\n  tmp102_temp: tmp102 temp\n",
              f"discover: {found}")
        lines = site.plant.run("discover", f"iio:xml:{path}", "--json").out.splitlines()
        check([json.loads(line) for line in lines] == [
            {"feature": "adxl345_accel_x", "device": "adxl345", "channel": "accel_x", "window": True},
            {"feature": "tmp102_temp", "device": "tmp102", "channel": "temp", "window": False}],
            f"discover --json: {lines}")
        none = site.plant.run("discover", "iio:xml:/none", status=None)
        check(none.returncode != 0 and "iio:xml:/none" in none.err, none.err)
        write(os.path.join(site.plant.folder, "sensors.yaml"), found + "rate: 1000")
        site.plant.write(TEXT % "sensors.yaml")
        site.plant.start()
        wait(lambda: site.away("sensors"), "the sensors to be away", pause=0.2)
        check("Function not implemented" in site.plant.text(), f"ENOSYS is not said: {site.plant.tail()}")
        check(site.stored() == 0, "samples came from nowhere")
        say("discovered, and away")
        site.plant.stop()
        site.plant.check_log()


TESTS = (iio_channels_are_discovered, iio_samples_become_features)

if __name__ == "__main__":
    inside(sys.argv[1], sys.argv[2])

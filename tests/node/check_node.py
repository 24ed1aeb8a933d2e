#!/usr/bin/env python3
"""check_node.py MILLWRIGHT [TEST ...]: `millwright node` on machines of files, with a kubelet of gRPC's own Python;
the last line reads 'N passed, N failed, N skipped'."""
import os
import socket
import sys
import time

import grpc

from api import Api
from kubelet import Kubelet, refused
from machine import Failed, Machine, check, say, wait

ILL, WELL = "Unhealthy", "Healthy"
USB = "usb-1-1.4"


def register_and_list(program):
    with Machine(program) as machine:
        machine.plug_usb("1-1.4", 4)
        machine.plug_apex("0000:03:00.0", 0, numa=1)
        machine.start()
        with Kubelet(machine.kubelet) as kubelet:
            plugin = kubelet.plugin()
            request = plugin.request
            check(request.version == "v1beta1", f"version {request.version}")
            check(plugin.resource == "millwright.dev/edgetpu", plugin.resource)
            check(request.endpoint == "millwright-edgetpu.sock", request.endpoint)
            for options in (request.options, plugin.options):
                check(options.pre_start_required and options.get_preferred_allocation_available,
                      f"options {options}")
            plugin.wait_exactly({USB: WELL, "pci-0000:03:00.0": WELL})
            topology = plugin.devices["pci-0000:03:00.0"].topology
            check([node.ID for node in topology.nodes] == [1], f"topology {topology}")
            check(not plugin.devices[USB].HasField("topology"), "a topology that nobody knows")
        check(machine.stop() == 0, "exit status")
        check(os.listdir(machine.kubelet) in ([], ["kubelet.sock"]), "a socket was left")


def allocate(program):
    with Machine(program) as machine:
        machine.plug_usb("1-1.4", 4)
        machine.plug_apex("0000:03:00.0", 0)
        machine.write("own.yaml", "accelerators:\n  edgetpu:\n    match: pci:1ac1:089a:*\n"
                      "    nodes: /dev/apex_[0-9]*\n    mounts: [/usr/lib/libedgetpu.so.1, /opt/a:/a]\n"
                      "    environment: MODE=fast\n")
        machine.start("--accelerators", machine.path("own.yaml"))
        with Kubelet(machine.kubelet) as kubelet:
            plugin = kubelet.plugin()
            answer = plugin.allocate([USB], ["pci-0000:03:00.0"], [])
            usb, pci, none = answer.container_responses
            devices = [(d.container_path, d.host_path, d.permissions) for d in usb.devices]
            check(devices == [("/dev/bus/usb/001/004", machine.path("dev/bus/usb/001/004"), "rw")],
                  f"devices {devices}")
            check(usb.envs == {"MILLWRIGHT_ACCELERATOR_EDGETPU": "/dev/bus/usb/001/004"}, usb.envs)
            check([c.name for c in usb.cdi_devices] == ["millwright.dev/edgetpu=usb-1-1.4"],
                  f"{usb.cdi_devices}")
            check(len(usb.mounts) == 0, "mounts")
            check(pci.envs == {"MILLWRIGHT_ACCELERATOR_EDGETPU": "/dev/apex_0", "MODE": "fast"},
                  pci.envs)
            mounts = [(m.container_path, m.host_path, m.read_only) for m in pci.mounts]
            check(mounts == [("/usr/lib/libedgetpu.so.1",) * 2 + (True,), ("/a", "/opt/a", True)],
                  f"mounts {mounts}")
            check(none.ByteSize() == 0, "something for who asked for nothing")
            both = plugin.allocate([USB, "pci-0000:03:00.0"]).container_responses[0]
            check(both.envs["MILLWRIGHT_ACCELERATOR_EDGETPU"] == "/dev/bus/usb/001/004,/dev/apex_0",
                  both.envs)
            refused(lambda: plugin.allocate(["usb-9-9"]), grpc.StatusCode.NOT_FOUND, "usb-9-9")
            refused(lambda: plugin.allocate(["no id"]), grpc.StatusCode.INVALID_ARGUMENT,
                    "no device id")
            call = plugin.channel.unary_unary("/v1beta1.DevicePlugin/Other")
            refused(lambda: call(b"", timeout=30), grpc.StatusCode.UNIMPLEMENTED, "no such method")
            call = plugin.channel.unary_unary("/v1beta1.DevicePlugin/Allocate")
            refused(lambda: call(b"\x0a\xff", timeout=30), grpc.StatusCode.INVALID_ARGUMENT,
                    "no protocol buffer")


def prefer(program):
    with Machine(program) as machine:
        for port, number, bus in (("1-1", 2, 1), ("1-2", 3, 1), ("2-1", 2, 2)):
            machine.plug_usb(port, number, bus=bus)
        machine.start()
        with Kubelet(machine.kubelet) as kubelet:
            plugin = kubelet.plugin()
            ids = ["usb-2-1", "usb-1-2", "usb-1-1"]
            for must, size, expected in (([], 1, ["usb-1-1"]), ([], 2, ["usb-1-1", "usb-2-1"]),
                                         (["usb-1-2"], 2, ["usb-1-2", "usb-2-1"])):
                chosen = plugin.prefer(ids, must, size)
                check(chosen == expected, f"{chosen}, not {expected}")
            machine.wait_log("spread over USB buses")


def unplug(program):
    with Machine(program) as machine:
        machine.plug_usb("1-1.4", 4)
        machine.plug_usb("1-1.3", 5)
        machine.start("--forget", "300ms")
        with Kubelet(machine.kubelet) as kubelet:
            plugin = kubelet.plugin()
            plugin.wait_exactly({USB: WELL, "usb-1-1.3": WELL})
            machine.unplug_usb("1-1.4")
            plugin.wait_exactly({"usb-1-1.3": WELL})
            machine.wait_log('"has gone" id=usb-1-1.4')
            wait("the device to leave its CDI file", lambda: [
                d["name"] for d in machine.cdi_spec("edgetpu")["devices"]] == ["usb-1-1.3"])
            machine.unplug_usb("1-1.3")
            plugin.wait_exactly({})
            wait("the CDI file to go", lambda: machine.cdi_spec("edgetpu") is None)
            machine.plug_usb("1-1.3", 6)
            plugin.wait_exactly({"usb-1-1.3": WELL})
            check(plugin.allocate(["usb-1-1.3"]).container_responses[0].devices[0].container_path ==
                  "/dev/bus/usb/001/006", "the old address")


def unplugged_for_a_while(program):
    with Machine(program) as machine:
        machine.plug_usb("1-1.4", 4)
        machine.start("--forget", "1h")
        with Kubelet(machine.kubelet) as kubelet:
            plugin = kubelet.plugin()
            plugin.wait_exactly({USB: WELL})
            machine.unplug_usb("1-1.4")
            plugin.wait_exactly({USB: ILL})
            refused(lambda: plugin.allocate([USB]), grpc.StatusCode.FAILED_PRECONDITION,
                    "usb-1-1.4: has been unplugged")
            machine.plug_usb("1-1.4", 5)
            plugin.wait_exactly({USB: WELL})


def firmware_load(program):
    """A Coral whose first user gives it its firmware comes back with another id at another address."""
    with Machine(program) as machine:
        machine.plug_usb("1-1.4", 4, name="1a6e:089a")
        machine.start("--forget", "1h")
        with Kubelet(machine.kubelet) as kubelet:
            plugin = kubelet.plugin()
            plugin.wait_exactly({USB: WELL})
            node = plugin.allocate([USB]).container_responses[0].devices[0].container_path
            check(node == "/dev/bus/usb/001/004", node)
            plugin.pre_start(USB)
            machine.unplug_usb("1-1.4")
            machine.plug_usb("1-1.4", 5)
            machine.wait_log("name=usb:18d1:9302")
            plugin.wait_exactly({USB: WELL})
            refused(lambda: plugin.pre_start(USB), grpc.StatusCode.FAILED_PRECONDITION,
                    "has come back as /dev/bus/usb/001/005 since this pod was given it as "
                    "/dev/bus/usb/001/004")
            node = plugin.allocate([USB]).container_responses[0].devices[0].container_path
            check(node == "/dev/bus/usb/001/005", node)
            plugin.pre_start(USB)


def wedged(program):
    with Machine(program) as machine:
        machine.plug_apex("0000:03:00.0", 0)
        machine.plug_apex("0000:04:00.0", 1)
        machine.start()
        first, second = "pci-0000:03:00.0", "pci-0000:04:00.0"
        with Kubelet(machine.kubelet) as kubelet:
            plugin = kubelet.plugin()
            plugin.wait_exactly({first: WELL, second: WELL})
            machine.set_apex("0000:03:00.0", 0, "DEAD")
            plugin.wait_exactly({first: ILL, second: WELL})
            machine.wait_log(r'reason="status is \"DEAD\""')
            for call in (lambda: plugin.allocate([first]), lambda: plugin.pre_start(first)):
                refused(call, grpc.StatusCode.FAILED_PRECONDITION, 'status is "DEAD"')
            machine.set_apex("0000:03:00.0", 0, "ALIVE")
            plugin.wait_exactly({first: WELL, second: WELL})


def held_up(program):
    """A device that does not even let itself be looked at."""
    with Machine(program) as machine:
        machine.plug_apex("0000:03:00.0", 0)
        gate = machine.path("gate")
        machine.start("--patience", "200ms", environment={
            "LD_PRELOAD": os.environ["MILLWRIGHT_HANG"], "MILLWRIGHT_HANG_WHILE": gate})
        with Kubelet(machine.kubelet) as kubelet:
            plugin = kubelet.plugin()
            plugin.wait_exactly({"pci-0000:03:00.0": WELL})
            machine.write("gate", "")
            plugin.wait_exactly({"pci-0000:03:00.0": ILL})
            refused(lambda: plugin.allocate(["pci-0000:03:00.0"]),
                    grpc.StatusCode.FAILED_PRECONDITION, "has not returned")
            os.unlink(gate)
            plugin.wait_exactly({"pci-0000:03:00.0": WELL})


def kubelet_restarts(program):
    with Machine(program) as machine:
        machine.plug_usb("1-1.4", 4)
        machine.start()
        with Kubelet(machine.kubelet) as kubelet:
            for _ in range(3):
                plugin = kubelet.plugin()
                plugin.wait_exactly({USB: WELL})
                begin = time.monotonic()
                kubelet.stop()
                kubelet.start()
                again = kubelet.plugin()
                again.wait_exactly({USB: WELL})
                say(f"   back {time.monotonic() - begin:.2f} s after the kubelet was stopped")
                check(plugin.ended.wait(30), "the old stream goes on")
                kubelet.requests.put(again.request)  # for the next turn
            check(kubelet.requests.qsize() == 1, "registered more than once")


def socket_removed(program):
    with Machine(program) as machine:
        machine.plug_usb("1-1.4", 4)
        machine.start()
        with Kubelet(machine.kubelet) as kubelet:
            plugin = kubelet.plugin()
            plugin.wait_exactly({USB: WELL})
            os.unlink(os.path.join(machine.kubelet, "millwright-edgetpu.sock"))
            again = kubelet.plugin()
            again.wait_exactly({USB: WELL})


def stream_cut(program):
    """A kubelet that hangs up without having gone."""
    with Machine(program) as machine:
        machine.plug_usb("1-1.4", 4)
        machine.start()
        with Kubelet(machine.kubelet) as kubelet:
            kubelet.plugin().close()
            kubelet.plugin().wait_exactly({USB: WELL})


def kubelet_comes_late_and_refuses(program):
    with Machine(program) as machine:
        machine.plug_usb("1-1.4", 4)
        os.rmdir(machine.kubelet)
        machine.start()
        machine.wait_log("no kubelet here")
        os.mkdir(machine.kubelet)
        with Kubelet(machine.kubelet, refuse=2) as kubelet:
            kubelet.plugin().wait_exactly({USB: WELL})
            machine.wait_log('"could not register with the kubelet" reason="not now"')


def two_classes(program):
    with Machine(program) as machine:
        machine.plug_usb("1-1.4", 4)
        machine.start()
        with Kubelet(machine.kubelet) as kubelet:
            first = kubelet.plugin()
            machine.node("dev/ethosu0")
            second = kubelet.plugin()
            check([first.resource, second.resource] ==
                  ["millwright.dev/edgetpu", "millwright.dev/ethos-u"], "resources")
            second.wait_exactly({"dev-ethosu0": WELL})
            first.wait_exactly({USB: WELL})


def noise(program):
    """What others say on the plugin's socket does not reach the kubelet's stream."""
    with Machine(program) as machine:
        machine.plug_usb("1-1.4", 4)
        machine.start()
        with Kubelet(machine.kubelet) as kubelet:
            plugin = kubelet.plugin()
            path = os.path.join(machine.kubelet, plugin.request.endpoint)
            check(os.stat(path).st_mode & 0o777 == 0o600, "the socket's mode")
            many = []
            for text in [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 70000, b"PRI * HTTP/2.0\r\n"] * 10:
                one = socket.socket(socket.AF_UNIX)
                one.connect(path)
                try:
                    one.sendall(text)
                except OSError:
                    pass
                many.append(one)
            for one in many:
                one.close()
            updates = plugin.updates
            machine.plug_usb("1-1.3", 5)
            plugin.wait_exactly({USB: WELL, "usb-1-1.3": WELL})
            check(not plugin.ended.is_set() and plugin.updates > updates, "the stream has ended")


def cdi(program):
    with Machine(program) as machine:
        machine.plug_usb("1-1.4", 4)
        os.mkdir(machine.cdi)
        for name in ("millwright-hailo.json", "vendor.json"):
            machine.write("cdi/" + name, "{}")
        machine.start()
        wait("the CDI file", lambda: machine.cdi_spec("edgetpu"))
        spec = machine.cdi_spec("edgetpu")
        check(spec == {"cdiVersion": "0.5.0", "kind": "millwright.dev/edgetpu", "devices": [{
            "name": USB, "containerEdits": {
                "deviceNodes": [{"path": "/dev/bus/usb/001/004", "permissions": "rw",
                                 "hostPath": machine.path("dev/bus/usb/001/004")}],
                "env": ["MILLWRIGHT_ACCELERATOR_EDGETPU=/dev/bus/usb/001/004"]}}]}, f"{spec}")
        wait("an old file to go", lambda: machine.cdi_spec("hailo") is None)
        check(os.path.exists(machine.path("cdi/vendor.json")), "another's file went")


def cdi_that_cannot_be_written(program):
    """A runtime that reads CDI refuses a container with a name that no file has."""
    with Machine(program) as machine:
        machine.plug_usb("1-1.4", 4)
        machine.write("cdi", "a file")
        machine.start()
        with Kubelet(machine.kubelet) as kubelet:
            answer = kubelet.plugin().allocate([USB]).container_responses[0]
            check(len(answer.cdi_devices) == 0 and len(answer.devices) == 1, f"{answer}")
            machine.wait_log("the CDI file could not be written")


def labels(program):
    with Machine(program) as machine, Api(machine.path("account"), [500, 429]) as api:
        machine.plug_usb("1-1.4", 4)
        machine.start("--node-name", "edge-7", "--service-account", api.account, "--forget", "1h",
                      environment=api.environment)
        check(api.wait_label("edgetpu") == "true", "no label")
        method, path, headers, patch = api.requests[-1]
        check((method, path) == ("PATCH", "/api/v1/nodes/edge-7"), f"{method} {path}")
        check(headers["Content-Type"] == "application/merge-patch+json", headers)
        check(headers["Authorization"] == "Bearer secret", headers)
        check(list(patch) == ["metadata"] and list(patch["metadata"]) == ["labels"], f"{patch}")
        check(api.labels["edgetpu.count"] == "1" and api.labels["nvidia"] is None and
              api.labels["nvidia.count"] is None, f"{api.labels}")
        check(len(api.requests) >= 3, "500 and 429 were not tried again")
        machine.wait_log("this node could not be labelled")
        machine.plug_usb("1-1.3", 5)
        wait("two to be counted", lambda: api.labels["edgetpu.count"] == "2")
        machine.unplug_usb("1-1.3")
        machine.unplug_usb("1-1.4")
        wait("the labels to go", lambda: api.labels["edgetpu"] is None and
             api.labels["edgetpu.count"] is None)


def no_cluster(program):
    with Machine(program) as machine:
        machine.plug_usb("1-1.4", 4)
        machine.start("--node-name", "edge-7")
        machine.wait_log("not in a cluster: this node is not labelled")
        machine.wait_log('"found" id=usb-1-1.4')


TESTS = [register_and_list, allocate, prefer, unplug, unplugged_for_a_while, firmware_load, wedged,
         held_up, kubelet_restarts, socket_removed, stream_cut, kubelet_comes_late_and_refuses,
         two_classes, noise, cdi, cdi_that_cannot_be_written, labels, no_cluster]


def main():
    passed = failed = 0
    for test in TESTS:
        if len(sys.argv) > 2 and test.__name__ not in sys.argv[2:]:
            continue
        begin = time.monotonic()
        say(f"-- {test.__name__}")
        try:
            test(sys.argv[1])
            passed += 1
        except (Failed, grpc.RpcError) as error:
            say(f"FAILED: {test.__name__}: {error}")
            failed += 1
        say(f"   {time.monotonic() - begin:.1f} s")
    say(f"{passed} passed, {failed} failed, 0 skipped")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())

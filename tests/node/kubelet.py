"""A kubelet's side of the device plugin API, in gRPC's own Python."""
import os
import queue
import threading
from concurrent import futures

import device_plugin_pb2 as pb
import device_plugin_pb2_grpc as rpc
import grpc

from machine import LIMIT, Failed, check, wait

EMPTY = pb.Empty()


class Plugin:
    """What a kubelet does with one plugin: it follows its devices and asks it."""

    def __init__(self, folder, request):
        self.request = request
        self.resource = request.resource_name
        self.channel = grpc.insecure_channel("unix:" + os.path.join(folder, request.endpoint))
        self.stub = rpc.DevicePluginStub(self.channel)
        self.options = self.stub.GetDevicePluginOptions(EMPTY, timeout=LIMIT)
        self.devices = None
        self.updates = 0
        self.ended = threading.Event()
        self.stream = self.stub.ListAndWatch(EMPTY)
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        try:
            for response in self.stream:
                self.devices = {device.ID: device for device in response.devices}
                self.updates += 1
        except grpc.RpcError:
            pass
        self.ended.set()

    def close(self):
        self.stream.cancel()
        self.channel.close()

    def health(self):
        return {name: device.health for name, device in (self.devices or {}).items()}

    def wait_health(self, **expected):
        wanted = {name.replace("_", "-"): value for name, value in expected.items()}
        self.wait_exactly(wanted)

    def wait_exactly(self, wanted):
        try:
            wait("", lambda: self.devices is not None and self.health() == wanted)
        except Failed:
            raise Failed(f"devices are {self.health()}, not {wanted}") from None

    def allocate(self, *containers):
        return self.stub.Allocate(pb.AllocateRequest(container_requests=[
            pb.ContainerAllocateRequest(devices_ids=ids) for ids in containers]), timeout=LIMIT)

    def prefer(self, available, must, size):
        answer = self.stub.GetPreferredAllocation(pb.PreferredAllocationRequest(
            container_requests=[pb.ContainerPreferredAllocationRequest(
                available_deviceIDs=available, must_include_deviceIDs=must,
                allocation_size=size)]), timeout=LIMIT)
        return list(answer.container_responses[0].deviceIDs)

    def pre_start(self, *ids):
        return self.stub.PreStartContainer(pb.PreStartContainerRequest(devices_ids=ids),
                                           timeout=LIMIT)


def refused(call, code, part):
    """The call fails with this code, and its text holds this part."""
    try:
        call()
    except grpc.RpcError as error:
        check(error.code() == code and part in error.details(),
              f"{error.code()} {error.details()!r}, not {code} {part!r}")
        return
    raise Failed(f"was not refused with {code}")


class Kubelet(rpc.RegistrationServicer):
    def __init__(self, folder, refuse=0):
        self.folder = folder
        self.refuse = refuse  # so many registrations
        self.requests = queue.Queue()
        self.plugins = []
        self.server = None
        self.start()

    def Register(self, request, context):
        if self.refuse > 0:
            self.refuse -= 1
            context.abort(grpc.StatusCode.UNKNOWN, "not now")
        self.requests.put(request)
        return EMPTY

    def start(self):
        """As a kubelet does: it removes all sockets, then makes its own."""
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        rpc.add_RegistrationServicer_to_server(self, self.server)
        self.server.add_insecure_port("unix:" + os.path.join(self.folder, "kubelet.sock"))
        self.server.start()

    def stop(self):
        for plugin in self.plugins:
            plugin.close()
        self.plugins = []
        self.server.stop(None).wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def plugin(self):
        """The next that registers."""
        try:
            request = self.requests.get(timeout=LIMIT)
        except queue.Empty:
            raise Failed(f"nobody registered within {LIMIT} s") from None
        plugin = Plugin(self.folder, request)
        self.plugins.append(plugin)
        return plugin

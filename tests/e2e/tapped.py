"""meterbox-ops behind a tap that holds all its traffic against etc/ops-api.yaml; what was not seen of it in the end.

Used by the tests of this folder."""
import functools
import http.client

import box
import ops
from api import Contract, Tap


@functools.cache
def read_contract(path):
    """The file, read once; no test changes it."""
    return Contract(path)


class TappedOps(ops.Ops):
    """Every call goes through the tap. The caller may err; the server may not accept it."""
    tap = None

    def __init__(self, contract, *options, **more):
        super().__init__(*options, **more)
        self.contract = contract

    def start(self):
        super().start()
        self.tap = Tap(self.contract, self.port, strict=False)
        return self

    def connect(self, timeout=box.PATIENCE_S):
        return http.client.HTTPConnection("127.0.0.1", self.tap.port, timeout=timeout)

    def origin(self):
        return f"http://127.0.0.1:{self.tap.port}"

    def close(self):
        if self.tap:
            self.tap.close()
        return super().close()


def contract():
    """Of the test's arguments."""
    return read_contract(box.arguments.contract)


class TappedTest(ops.OpsTest):
    def tapped(self, *options, start=True, **more):
        server = TappedOps(contract(), *options, **more)
        self.servers.append(server)
        self.addCleanup(lambda: self.assertEqual(server.close(), [], "what the server said or how it ended"))
        return server.start() if start else server


def unseen(tap, tags, readers=()):
    """(operation, status) that the file has of these subjects, and nobody brought about. No request brings about a
    failure of the machine (500); 503 is seen where something is to be stored, and cannot be, so not of readers."""
    tap.settled()
    wanted = {(operation.id, status) for operation in tap.contract.operations if set(operation.tags) & set(tags)
              for status in operation.statuses if status != 500 and not (status == 503 and operation.id in readers)}
    return sorted((wanted | {("unknown path", 404), ("unknown method", 405)}) - set(tap.seen))

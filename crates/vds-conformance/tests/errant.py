"""The example provider of image files, with one fault: errant.py FOLDER KIND.

Each class below is one kind. `none` has no fault; all are slow enough to be caught in the middle of things.
"""

import json
import os
import select
import signal
import socket
import sys
import time
import uuid

sys.dont_write_bytecode = True
SDK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "sdk", "python")
sys.path.insert(0, SDK)

import image_provider  # noqa: E402
import vds_provider  # noqa: E402
from image_provider import Images  # noqa: E402
from vds_provider import Link, OpenedLun, Refused, log  # noqa: E402

MIB = 1 << 20
SIZE_BYTES = 64 * MIB
PAUSE_S = 0.002
image_provider.STEP_BYTES = MIB


class None_(Images):
    link = Link

    def __init__(self, folder):
        super().__init__(folder, SIZE_BYTES)

    def pause(self):
        time.sleep(PAUSE_S)

    def take_space(self, op):
        step = op.progress

        def slow(*told):
            step(*told)
            self.pause()

        op.progress = slow
        super().take_space(op)


class LooksAround(None_):
    def __init__(self, folder):
        os.listdir(os.path.dirname(os.path.abspath(folder)))
        super().__init__(folder)


class OpensASocket(None_):
    def view(self):
        socket.socket(socket.AF_INET).close()
        return super().view()


class TakesMuchMemory(None_):
    def __init__(self, folder):
        self.much = bytearray(1 << 30)
        super().__init__(folder)


class OtherId(None_):
    def _initialize(self, params):
        said = super()._initialize(params)
        said["provider"]["id"] = str(uuid.uuid4())
        return said


class FutureVersion(None_):
    def _initialize(self, params):
        known = {**params, "protocol": {"min": 1, "max": 1}}
        return {**super()._initialize(known), "protocol": params["protocol"]["max"]}


class TalksFirst(None_):
    class link(Link):
        def run(self):
            self.events([])
            super().run()


class Silent(None_):
    class link(Link):
        def _answer(self, number, method, params):
            return False if method == "ping" else super()._answer(number, method, params)


class DiesOnUnknownMethod(None_):
    class link(Link):
        def _result(self, method, params):
            if method.startswith("vds."):
                os._exit(3)
            return super()._result(method, params)


class DropsWhatComesTogether(None_):
    class link(Link):
        before = ""

        def _answer(self, number, method, params):
            is_more = bool(select.select([self._socket], [], [], 0)[0])
            is_dropped = is_more and method == self.before == "ping"
            self.before = method
            return False if is_dropped else super()._answer(number, method, params)


class SmallFrames(None_):
    def __init__(self, folder):
        super().__init__(folder)
        vds_provider.FRAME_BYTES_MAX = MIB


class DiesOnBadFrame(None_):
    class link(Link):
        def _receive(self):
            frame = super()._receive()
            if frame is not None:
                json.loads(frame)
            return frame


class DiesOfOversize(None_):
    class link(Link):
        def _receive(self):
            frame = super()._receive()
            if frame is None and select.select([self._socket], [], [], 0)[0] == []:
                os.kill(os.getpid(), signal.SIGKILL)
            return frame


class Lingers(None_):
    class link(Link):
        def _exactly(self, count):
            part = super()._exactly(count)
            if part is None:
                time.sleep(3600)
            return part


class RefusesShutdown(None_):
    class link(Link):
        def _result(self, method, params):
            if method == "shutdown":
                raise Refused("VDS_E_NOT_SUPPORTED", "not now")
            return super()._result(method, params)


class OneIdTwice(None_):
    def view(self):
        view = super().view()
        view["drives"][0]["id"] = self.subsystem
        return view


class AnotherViewSameGeneration(None_):
    class link(Link):
        def _result(self, method, params):
            answer = super()._result(method, params)
            if answer.get("unchanged"):
                answer = super()._result(method, {})
                answer["subsystems"][0]["notes"] = ["something new"]
            return answer


class NeverChanges(None_):
    class link(Link):
        def _result(self, method, params):
            if method == "view" and params.get("generation") is not None:
                return {"unchanged": True}
            return super()._result(method, params)


class KnowsEverything(None_):
    def _find(self, params):
        found = super()._find(params)
        return found if found["operation"] else {"operation": {"operation": params["operation"], "state": "running"}}


class RefusesWithAnything(None_):
    def known(self, lun):
        if lun not in self.luns:
            raise Refused("VDS_E_PROVIDER_FAILURE", "no")
        return lun


class NoOperation(None_):
    def _start(self, params):
        return {}, super()._start(params)[1]


class EndErrs(None_):
    def amend(self, end):
        pass

    def _attempt(self, operation):
        end = super()._attempt(operation)
        if operation.kind == "create_lun" and end["state"] == "succeeded":
            self.amend(end)
        return end


class NoOutput(EndErrs):
    def amend(self, end):
        del end["output"]


class WrongOutput(EndErrs):
    def amend(self, end):
        end["output"] = {"type": "delete_lun"}


class MissingLun(EndErrs):
    def amend(self, end):
        end["output"]["object"]["id"] = str(uuid.uuid4())


class NeverTells(None_):
    def _tell(self, operation, is_needed):
        if not operation.is_ended:
            super()._tell(operation, is_needed)


class SmallerThanAsked(None_):
    def prepare_create_lun(self, op):
        plan = super().prepare_create_lun(op)
        # Only where the size is looked at.
        return {**plan, "to_bytes": plan["to_bytes"] // 2} if op.request["unmasking_list"] else plan


class ForgetsMask(None_):
    def store(self, id, lun, change):
        super().store(id, {**lun, "mask": ""} if change == "arrive" else lun, change)


class PercentFalls(None_):
    def take_space(self, op):
        for percent in (60, 20):
            op._status["percent"] = percent
            self._tell(op, True)
        op._status["percent"] = 0
        super().take_space(op)


class PercentBeyond(None_):
    def take_space(self, op):
        op._status["percent"] = 150
        self._tell(op, True)
        op._status["percent"] = 0
        super().take_space(op)


class TwoEnds(None_):
    def _tell(self, operation, is_needed):
        super()._tell(operation, is_needed)
        if operation.is_ended and operation.kind == "create_lun":
            status, operation._status = operation._status, {"operation": operation.id, "state": "failed",
                                                            "result": "VDS_E_PROVIDER_FAILURE"}
            super()._tell(operation, is_needed)
            operation._status = status


class DeletesNothing(None_):
    def run_delete_lun(self, op):
        op.commit()


class KeepsSpace(None_):
    kept_bytes = 0

    def run_delete_lun(self, op):
        size_bytes = self.luns.get(op.plan["lun"], {}).get("size_bytes", 0)
        super().run_delete_lun(op)
        with self.lock:
            self.kept_bytes += size_bytes

    def used_bytes(self):
        return min(super().used_bytes() + self.kept_bytes // MIB * 4096, SIZE_BYTES)


class NoEvents(None_):
    class link(Link):
        def events(self, changes):
            pass


class IdsAgain(None_):
    gone = None

    def prepare_create_lun(self, op):
        plan = super().prepare_create_lun(op)
        plan["plex"], self.gone = self.gone or plan["plex"], None
        return plan

    def run_delete_lun(self, op):
        plex = self.luns.get(op.plan["lun"], {}).get("plex")
        super().run_delete_lun(op)
        self.gone = plex


class ExtendsByLess(None_):
    def prepare_extend_lun(self, op):
        plan = super().prepare_extend_lun(op)
        return {**plan, "to_bytes": self.luns[plan["lun"]]["size_bytes"] + op.request["by_bytes"] // 2}


class DiesInExtend(None_):
    def run_extend_lun(self, op):
        if not op.is_resumed:
            os._exit(3)
        super().run_extend_lun(op)


class RemovesNoMask(None_):
    def run_change_mask(self, op):
        op.request["remove"] = ""
        super().run_change_mask(op)


class CutsNames(None_):
    def run_set_name(self, op):
        self.change(op, name=op.request["name"].encode("ascii", "replace").decode())


class ForgetsKeys(None_):
    def _start(self, params):
        known = self._operations.get(params["operation"])
        if known is not None and not known.is_resumed and known.request == vds_provider.whole_request(params["request"]):
            del self._operations[params["operation"]]
        return super()._start(params)


class TakesConflicts(None_):
    def _start(self, params):
        known = self._operations.get(params["operation"])
        return (dict(known._status), None) if known else super()._start(params)


class IgnoresCancel(None_):
    def _cancel(self, params):
        answer = super()._cancel(params)
        self._operations[params["operation"]]._is_cancelled = False
        return answer


class LeavesCancelled(None_):
    def undo_create_lun(self, op):
        op._is_cancelled = False
        self.run_create_lun(op)


class CancelsTheEnded(None_):
    def _cancel(self, params):
        return {"answer": "cancelled"} if self._operations[params["operation"]].is_ended else super()._cancel(params)


class NoDescriptor(None_):
    class link(Link):
        def _send(self, message, descriptor):
            super()._send(message, None)


class ReadOnlyDescriptor(None_):
    def open_lun(self, lun):
        opened = super().open_lun(lun)
        os.close(opened.descriptor)
        return OpenedLun(os.open(self.path(lun, "img"), os.O_RDONLY), opened.size_bytes)


class OldData(None_):
    def take_space(self, op):
        super().take_space(op)
        if op.kind == "create_lun":
            with open(self.path(op.plan["lun"], "img"), "r+b") as file:
                file.write(b"secret")


class LosesData(None_):
    def __init__(self, folder):
        super().__init__(folder)
        for lun in self.luns:
            with open(self.path(lun, "img"), "r+b") as file:
                file.write(bytes(MIB))


class ExtendsWithNothing(None_):
    def run_extend_lun(self, op):
        with open(self.path(op.plan["lun"], "img"), "r+b") as file:
            file.write(bytes(MIB))
        super().run_extend_lun(op)


class OtherPlexes(None_):
    def __init__(self, folder):
        super().__init__(folder)
        for lun in self.luns.values():
            lun["plex"] = str(uuid.uuid4())


class ForgetsEnds(None_):
    def __init__(self, folder):
        super().__init__(folder)
        for operation in [known for known in self._operations.values() if known.is_ended]:
            del self._operations[operation.id]


class ForgetsBegun(None_):
    def __init__(self, folder):
        super().__init__(folder)
        for operation in self.unfinished():
            del self._operations[operation.id]


class HalfLuns(None_):
    def run_create_lun(self, op):
        made = super().run_create_lun(op)
        if op.is_resumed:
            raise Refused("VDS_E_PROVIDER_FAILURE", "it was interrupted")
        return made


class OneAtATime(None_):
    def prepare_create_lun(self, op):
        if self.unfinished():
            raise Refused("VDS_E_DEVICE_IN_USE", "one at a time")
        return super().prepare_create_lun(op)


class HangsUnderLoad(None_):
    class link(Link):
        starts = 0

        def _answer(self, number, method, params):
            # A ping that comes right behind six `start`.
            if method == "ping" and self.starts == 6:
                time.sleep(3600)
            self.starts = self.starts + 1 if method == "start" else 0
            return super()._answer(number, method, params)


class PromisesTooMuch(None_):
    def max_lun_create_size(self, query):
        return super().max_lun_create_size(query) + MIB


class Overcommitted(None_):
    def used_bytes(self):
        return min(super().used_bytes(), SIZE_BYTES)


class TakesAnySize(Overcommitted):
    def check_space(self, wanted_bytes):
        if wanted_bytes <= self.size_bytes:
            super().check_space(wanted_bytes)


class PromisesTwice(Overcommitted):
    def promised_bytes(self):
        return 0


class LeaksDescriptors(None_):
    def open_lun(self, lun):
        os.open(self.path(lun, "img"), os.O_RDONLY)
        return super().open_lun(lun)


class LeaksMemory(None_):
    leaked = []

    def view(self):
        self.leaked.append(b"x" * (256 << 10))
        return super().view()


class LeavesLuns(None_):
    class link(Link):
        def _result(self, method, params):
            provider = self._provider
            lun = {"name": "left", "size_bytes": MIB, "plex": provider.fixed_id("left plex"), "made_by": None, "mask": "",
                   "sector_bytes": 512, "caching": "write_back"}
            if method == "shutdown" and provider._operations:
                with open(provider.path(provider.fixed_id("left"), "img"), "wb") as file:
                    file.truncate(MIB)
                provider.store(provider.fixed_id("left"), lun, "arrive")
            return super()._result(method, params)


def kind_of(name):
    """`DiesOnBadFrame` is written `dies_on_bad_frame`."""
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).strip("_")


def main():
    kinds = {kind_of(name): found for name, found in globals().items()
             if isinstance(found, type) and issubclass(found, None_)}
    folder, kind = sys.argv[1:]
    vds_provider.Link = kinds[kind].link
    log(f"the kind is {kind}")
    vds_provider.serve(kinds[kind](folder))


main()

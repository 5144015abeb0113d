"""A plug-in for tests: LUNs are files in a folder, and the names of LUNs say what it does wrong.

usage: plugin.py FOLDER [DRIVE_BYTES]
"""

import array
import hashlib
import json
import os
import signal
import socket
import struct
import sys
import uuid

FOLDER = sys.argv[1]
DRIVE_BYTES = int(sys.argv[2]) if len(sys.argv) > 2 else 1 << 30
STATE = os.path.join(FOLDER, "state.json")
OPERATIONS = [
    {"kind": "create_lun", "cancel": "any_time", "after_crash": "rolled_back"},
    {"kind": "delete_lun", "after_crash": "resumes"},
    {"kind": "extend_lun"},
    {"kind": "set_mask"},
    {"kind": "set_name"},
    {"kind": "set_status"},
    {"kind": "create_target"},
    {"kind": "delete_target"},
    {"kind": "set_target_chap"},
    {"kind": "add_portal"},
    {"kind": "remove_portal"},
    {"kind": "refresh"},
]


class Refused(Exception):
    def __init__(self, result, message):
        super().__init__(message)
        self.result = result


def name_based(text):
    return str(uuid.UUID(bytes=hashlib.sha256((FOLDER + text).encode()).digest()[:16], version=4))


def fresh():
    return str(uuid.uuid4())


class Array:
    def __init__(self):
        try:
            with open(STATE) as file:
                self.state = json.load(file)
        except FileNotFoundError:
            self.state = {"generation": 0, "luns": [], "targets": [], "portals": [], "ended": {},
                          "secrets": {}}
        self.subsystem = name_based("subsystem")
        self.drive = name_based("drive")

    def save(self):
        self.state["generation"] += 1
        with open(STATE + ".new", "w") as file:
            json.dump(self.state, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(STATE + ".new", STATE)

    def used(self):
        return sum(lun["size_bytes"] for lun in self.state["luns"])

    def view(self):
        used = [
            {"lun": lun["id"], "size_bytes": lun["size_bytes"], "is_used": True}
            for lun in self.state["luns"]
        ]
        free = DRIVE_BYTES - self.used()
        portals = [portal["id"] for portal in self.state["portals"]]
        targets = [
            dict(target, portal_groups=[{"id": name_based(target["id"]), "tag": 1, "portals": portals}])
            for target in self.state["targets"]
        ]
        return {
            "generation": self.state["generation"],
            "subsystems": [{
                "id": self.subsystem, "name": "shelf", "identification": "S-1",
                "flags": ["simple_luns", "lun_masking", "drive_extents"],
                "raw_bytes": DRIVE_BYTES, "free_bytes": free,
            }],
            "drives": [{
                "id": self.drive, "subsystem": self.subsystem, "name": "shelf-d0",
                "size_bytes": DRIVE_BYTES, "bus_type": "virtual",
                "extents": used + [{"lun": None, "size_bytes": free, "is_used": False}],
            }],
            "luns": [dict(lun, subsystem=self.subsystem, type="simple",
                          reserved_bytes=lun["size_bytes"], plexes=[{
                              "id": name_based(lun["id"]), "type": "simple",
                              "size_bytes": lun["size_bytes"],
                              "extents": [{"drive": self.drive, "size_bytes": lun["size_bytes"]}],
                          }]) for lun in self.state["luns"]],
            "targets": targets,
            "portals": [dict(portal, subsystem=self.subsystem) for portal in self.state["portals"]],
        }

    def find(self, kind, identity):
        for found in self.state[kind]:
            if found["id"] == identity:
                return found
        raise Refused("VDS_E_OBJECT_NOT_FOUND", "there is no %s %s" % (kind[:-1], identity))

    def path(self, lun):
        return os.path.join(FOLDER, lun)

    def create_lun(self, operation, request):
        size = -(-request["size_bytes"] // (1 << 20)) * (1 << 20)
        if size > DRIVE_BYTES - self.used():
            raise Refused("VDS_E_NOT_ENOUGH_SPACE", "%d B wanted" % size)
        lun = {
            "id": fresh(), "name": request["name"] or "lun", "size_bytes": size,
            "unmasking_list": request["unmasking_list"], "made_by": operation,
            "caching": request["caching"], "sector_bytes": request["sector_bytes"],
        }
        with open(self.path(lun["id"]), "wb") as file:
            file.truncate(size)
        choice = request["target"]
        self.state["luns"].append(lun)
        if choice["choice"] in ("new", "named"):
            name = choice.get("iscsi_name") or "iqn.2025-01.org.example:" + lun["id"]
            self.state["targets"].append({
                "id": fresh(), "subsystem": self.subsystem, "iscsi_name": name, "name": "",
                "luns": [{"lun": lun["id"], "number": 0}], "made_by": operation,
            })
        elif choice["choice"] == "existing":
            target = self.find("targets", choice["target"])
            numbers = [entry["number"] for entry in target["luns"]]
            target["luns"].append({"lun": lun["id"], "number": max(numbers, default=-1) + 1})
        return {"kind": "lun", "id": lun["id"]}

    def apply(self, operation, request):
        kind = request["kind"]
        made = None
        if kind == "create_lun":
            made = self.create_lun(operation, request)
        elif kind == "delete_lun":
            lun = self.find("luns", request["lun"])
            self.state["luns"].remove(lun)
            for target in self.state["targets"]:
                target["luns"] = [e for e in target["luns"] if e["lun"] != lun["id"]]
            os.unlink(self.path(lun["id"]))
        elif kind == "extend_lun":
            lun = self.find("luns", request["lun"])
            lun["size_bytes"] += -(-request["by_bytes"] // (1 << 20)) * (1 << 20)
            os.truncate(self.path(lun["id"]), lun["size_bytes"])
        elif kind == "set_mask":
            self.find("luns", request["lun"])["unmasking_list"] = request["unmasking_list"]
        elif kind == "change_mask":
            lun = self.find("luns", request["lun"])
            gone = request["remove"].split(";")
            entries = [e for e in (lun["unmasking_list"] + ";" + request["add"]).split(";") if e]
            lun["unmasking_list"] = ";".join(e for e in dict.fromkeys(entries) if e not in gone)
        elif kind == "set_name":
            self.find("luns", request["lun"])["name"] = request["name"]
        elif kind == "set_status":
            self.find("luns", request["lun"])["status"] = request["status"]
        elif kind == "create_target":
            made = {"kind": "target", "id": fresh()}
            name = request["iscsi_name"] or "iqn.2025-01.org.example:" + made["id"]
            self.state["targets"].append({
                "id": made["id"], "subsystem": self.subsystem, "iscsi_name": name,
                "name": request["name"], "luns": [], "made_by": operation,
            })
        elif kind == "delete_target":
            self.state["targets"].remove(self.find("targets", request["target"]))
        elif kind == "set_target_chap":
            target = self.find("targets", request["target"])
            self.state["secrets"][target["id"]] = request["chap"]
            target["is_chap_enabled"] = request["chap"] is not None
            target["chap_user"] = request["chap"]["initiator"]["user"] if request["chap"] else ""
        elif kind == "add_portal":
            made = {"kind": "portal", "id": fresh()}
            self.state["portals"].append({
                "id": made["id"], "listen": request["listen"], "announce": request["announce"],
                "made_by": operation,
            })
        elif kind == "remove_portal":
            self.state["portals"].remove(self.find("portals", request["portal"]))
        return made


class Plugin:
    def __init__(self):
        self.socket = socket.socket(fileno=0)
        self.array = Array()
        self.running = {}

    def receive(self, count):
        data = bytearray()
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                sys.exit(0)
            data += more
        return bytes(data)

    def send(self, message, descriptors=()):
        body = json.dumps(dict(message, jsonrpc="2.0")).encode()
        frame = struct.pack(">I", len(body)) + body
        if descriptors:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            sent = self.socket.sendmsg([frame], rights)
            frame = frame[sent:]
        self.socket.sendall(frame)

    def tell(self, status):
        self.send({"method": "operation.changed", "params": status})

    def misbehave(self, how, operation):
        """What a LUN's name asks for. Returns a status if the operation is to be left running."""
        word = how.split("-")[0]
        if word == "die":
            os._exit(7)
        elif word == "hang":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif word == "flood":
            while True:
                self.tell({"operation": operation, "state": "running", "percent": 1})
        elif word == "garbage":
            self.socket.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        elif word == "oversize":
            self.socket.sendall(struct.pack(">I", (16 << 20) + 1) + b" " * 1000)
        elif word == "nonsense":
            self.send({"method": "operation.changed", "params": {"operation": operation, "state": "odd"}})
        elif word == "stray":
            self.send({"method": "events", "params": {"changes": []}}, [1])
        elif word == "unasked":
            self.send({"id": 4_000_000_000, "result": {}})
        elif word == "asking":
            self.send({"id": 1, "method": "give", "params": {}})
        elif word == "memory":
            hoard = []
            while True:
                hoard.append(bytearray(1 << 24))
        elif word in ("slow", "leaving"):
            return {"operation": operation, "state": "running", "percent": 10, "phase": "waiting"}
        return None

    def start(self, params):
        operation, request = params["operation"], params["request"]
        known = self.running.get(operation) or self.array.state["ended"].get(operation)
        if known:
            return known
        left = None
        if request["kind"] == "create_lun":
            left = self.misbehave(request["name"], operation)
        if left and request["name"].startswith("leaving"):
            self.running[operation] = left
            self.later = operation
            return left
        if left:
            self.running[operation] = left
            return left
        made = self.array.apply(operation, request)
        kind = "set_mask" if request["kind"] == "change_mask" else request["kind"]
        status = {
            "operation": operation, "state": "succeeded",
            "output": {"type": kind, "object": made} if made else {"type": kind},
        }
        self.array.state["ended"][operation] = status
        self.array.save()
        return status

    def answer(self, method, params):
        if method == "initialize":
            return {
                "protocol": 1,
                "provider": {"id": name_based("provider"), "name": "Shelf", "version": "0.1"},
                "methods": ["lun.open", "lun.close", "max_lun_create_size", "target.chap"],
                "operations": OPERATIONS,
                "lun_types": ["simple"],
            }
        if method == "view":
            if params.get("generation") == self.array.state["generation"]:
                return {"unchanged": True}
            return self.array.view()
        if method == "start":
            return self.start(params)
        if method == "operation.find":
            operation = params["operation"]
            found = self.running.get(operation) or self.array.state["ended"].get(operation)
            return {"operation": found}
        if method == "operation.cancel":
            status = self.running.pop(params["operation"], None)
            if status is None:
                return {"answer": "too_late"}
            status = dict(status, state="cancelled", result="VDS_E_OPERATION_CANCELED")
            self.array.state["ended"][params["operation"]] = status
            self.array.save()
            self.tell(status)
            return {"answer": "cancelled"}
        if method == "max_lun_create_size":
            return {"size_bytes": DRIVE_BYTES - self.array.used()}
        if method == "target.chap":
            return {"chap": self.array.state["secrets"].get(params["target"])}
        if method in ("ping", "shutdown", "lun.close"):
            return {}
        raise Refused("VDS_E_NOT_SUPPORTED", "no method " + method)

    def open_lun(self, number, params):
        lun = self.array.find("luns", params["lun"])
        descriptor = os.open(self.array.path(lun["id"]), os.O_RDWR)
        result = {"size_bytes": lun["size_bytes"], "is_read_only": False, "descriptor": True}
        self.send({"id": number, "result": result}, [descriptor])
        os.close(descriptor)

    def run(self):
        print("ready", flush=True)
        while True:
            self.later = None
            (length,) = struct.unpack(">I", self.receive(4))
            message = json.loads(self.receive(length))
            number, method = message["id"], message["method"]
            try:
                if method == "lun.open":
                    self.open_lun(number, message["params"])
                    continue
                self.send({"id": number, "result": self.answer(method, message["params"])})
            except Refused as refused:
                data = {"result": refused.result}
                self.send({"id": number, "error": {"code": -32000, "message": str(refused), "data": data}})
            if self.later:
                os._exit(9)
            if method == "shutdown":
                sys.exit(0)


if __name__ == "__main__":
    Plugin().run()

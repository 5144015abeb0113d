"""An example provider: one drive whose LUNs are image files in a folder.

    image_provider.py FOLDER [--size 1GiB]

`FOLDER/luns/ID.img` holds a LUN's data, `ID.json` beside it says that the LUN exists and what it is like: it is put in
place as a whole, once the data's file is ready, and taken away first. So a LUN is there or it is not, whenever the process
or the machine dies. `FOLDER/state` is the SDK's.

Register it: vds provider add lab --grant-dir FOLDER -- /usr/bin/python3 -I -S image_provider.py FOLDER
"""

import json
import os
import sys
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from vds_provider import Declaration, OpenedLun, Operation, Provider, Refused, serve, sync_folder, write_durably  # noqa: E402

MIB = 1 << 20
#: LUNs have whole pieces of this size.
UNIT_BYTES = MIB
#: Space is taken in pieces of this size, so that there is progress to tell and a moment to cancel.
STEP_BYTES = 4 * MIB
UNITS = {"": 1, "KiB": 1 << 10, "MiB": MIB, "GiB": 1 << 30, "TiB": 1 << 40}


def rounded(size_bytes: int) -> int:
    """A size in whole pieces, upwards."""
    return -(-size_bytes // UNIT_BYTES) * UNIT_BYTES


class Images(Provider):
    name, version, lun_types = "Image files", "1.0", ["simple"]
    operations = {
        "create_lun": Declaration(cancel="before_commit"),
        "extend_lun": Declaration(cancel="before_commit"),
        "delete_lun": Declaration(),
        "set_mask": Declaration(),
        "set_name": Declaration(),
    }

    def __init__(self, folder: str, size_bytes: int) -> None:
        super().__init__(os.path.join(folder, "state"))
        self.size_bytes = size_bytes - size_bytes % UNIT_BYTES
        self.images = os.path.join(os.path.abspath(folder), "luns")
        os.makedirs(self.images, exist_ok=True)
        self.subsystem, self.drive, self.pool = (self.fixed_id(what) for what in ("subsystem", "drive", "pool"))
        self.luns = {}
        for name in sorted(os.listdir(self.images)):
            if name.endswith(".json"):
                with open(os.path.join(self.images, name), encoding="utf-8") as file:
                    self.luns[name[:-len(".json")]] = json.load(file)
        planned = {operation.plan["lun"] for operation in self.unfinished()}
        for name in os.listdir(self.images):
            # Images that belong to nothing: a delete had come so far.
            if name.endswith(".img") and name[:-len(".img")] not in planned | self.luns.keys():
                os.unlink(os.path.join(self.images, name))
        if self.used_bytes() > self.size_bytes:
            raise SystemExit(f"LUNs take {self.used_bytes()} bytes: --size {size_bytes} is too small")

    def fixed_id(self, what: str) -> str:
        """An id that is the same after every start."""
        return str(uuid.uuid5(uuid.UUID(self.id), what))

    def path(self, lun: str, suffix: str) -> str:
        return os.path.join(self.images, f"{lun}.{suffix}")

    # What is there.

    def used_bytes(self) -> int:
        return sum(lun["size_bytes"] for lun in self.luns.values())

    def promised_bytes(self) -> int:
        """What operations that have not ended will take beside."""
        grown = {}
        for operation in self.unfinished():
            lun, to_bytes = operation.plan["lun"], operation.plan.get("to_bytes", 0)
            grown[lun] = max(to_bytes - self.luns.get(lun, {}).get("size_bytes", 0), 0)
        return sum(grown.values())

    def free_bytes(self) -> int:
        """What a new LUN could have."""
        return self.size_bytes - self.used_bytes() - self.promised_bytes()

    def view(self) -> dict:
        free = self.size_bytes - self.used_bytes()
        extents = [{"lun": id, "size_bytes": lun["size_bytes"], "is_used": True} for id, lun in self.luns.items()]
        if free:
            extents.append({"lun": None, "size_bytes": free, "is_used": False})
        return {
            "subsystems": [{
                "id": self.subsystem, "name": "images", "identification": self.id, "flags": ["simple_luns", "lun_masking"],
                "raw_bytes": self.size_bytes, "free_bytes": free,
            }],
            "drives": [{
                "id": self.drive, "subsystem": self.subsystem, "name": "folder", "path": self.images,
                "size_bytes": self.size_bytes, "extents": extents,
            }],
            "luns": [self.lun_view(id, lun) for id, lun in self.luns.items()],
            "pools": [{
                "id": self.pool, "subsystem": self.subsystem, "name": "images", "consumed_bytes": self.size_bytes,
                "managed_bytes": self.size_bytes, "free_bytes": free,
                "extents": [{"drive": self.drive, "size_bytes": self.size_bytes, "is_used": True}],
            }],
        }

    def lun_view(self, id: str, lun: dict) -> dict:
        size_bytes = lun["size_bytes"]
        plex = {"id": lun["plex"], "type": "simple", "size_bytes": size_bytes,
                "extents": [{"drive": self.drive, "size_bytes": size_bytes}]}
        return {
            "id": id, "subsystem": self.subsystem, "name": lun["name"], "identification": id, "type": "simple",
            "size_bytes": size_bytes, "reserved_bytes": size_bytes, "unmasking_list": lun["mask"], "plexes": [plex],
            "sector_bytes": lun["sector_bytes"], "caching": lun["caching"], "made_by": lun["made_by"],
        }

    def max_lun_create_size(self, query: dict) -> int:
        self.check_place(query)
        return self.free_bytes()

    def open_lun(self, lun: str) -> OpenedLun:
        return OpenedLun(os.open(self.path(self.known(lun), "img"), os.O_RDWR), self.luns[lun]["size_bytes"])

    # What can be refused at once is refused by these.

    def known(self, lun: str) -> str:
        if lun not in self.luns:
            raise Refused("VDS_E_OBJECT_NOT_FOUND", f"there is no LUN {lun}")
        return lun

    def idle(self, lun: str) -> str:
        """A LUN that is there and that no other operation is changing."""
        if any(operation.plan["lun"] == lun for operation in self.unfinished()):
            raise Refused("VDS_E_OPERATION_PENDING", f"LUN {lun} is being changed", "Wait for the operation's end.")
        return self.known(lun)

    def check_place(self, request: dict) -> None:
        if request.get("subsystem") != self.subsystem:
            raise Refused("VDS_E_OBJECT_NOT_FOUND", f"there is no subsystem {request.get('subsystem')}")
        if request.get("type") not in ("simple", "default", "non_fault_tolerant"):
            raise Refused("VDS_E_NOT_SUPPORTED", f"LUNs are of type simple, not {request.get('type')}")
        self.check_drives(request)

    def check_drives(self, request: dict) -> None:
        unknown = [drive for drive in request.get("drives") or [] if drive != self.drive]
        if unknown:
            raise Refused("VDS_E_OBJECT_NOT_FOUND", f"there is no drive {unknown[0]}")

    def check_space(self, wanted_bytes: int) -> None:
        if wanted_bytes > self.free_bytes():
            raise Refused("VDS_E_NOT_ENOUGH_SPACE", f"{wanted_bytes} bytes wanted, {self.free_bytes()} free",
                          "Delete a LUN, or start the provider with a larger --size.")

    def prepare_create_lun(self, op: Operation) -> dict:
        request = op.request
        self.check_place(request)
        if request["size_bytes"] < 1:
            raise Refused("E_INVALIDARG", "a LUN has a size")
        if request["target"]["choice"] != "none":
            raise Refused("VDS_E_NOT_SUPPORTED", "this provider keeps no targets")
        if request["provisioning"] != "thick" or (request["copies"] or 1) != 1 or (request["columns"] or 1) != 1:
            raise Refused("VDS_E_NOT_SUPPORTED", "LUNs are thick and have one copy in one piece")
        to_bytes = rounded(request["size_bytes"])
        self.check_space(to_bytes)
        return {"lun": str(uuid.uuid4()), "plex": str(uuid.uuid4()), "to_bytes": to_bytes}

    def prepare_extend_lun(self, op: Operation) -> dict:
        lun, by_bytes = self.idle(op.request["lun"]), rounded(op.request["by_bytes"])
        self.check_drives(op.request)
        if by_bytes < 1:
            raise Refused("E_INVALIDARG", "a LUN grows by some bytes")
        self.check_space(by_bytes)
        return {"lun": lun, "to_bytes": self.luns[lun]["size_bytes"] + by_bytes}

    def prepare_lun(self, op: Operation) -> dict:
        return {"lun": self.idle(op.request["lun"])}

    prepare_delete_lun = prepare_set_mask = prepare_change_mask = prepare_set_name = prepare_lun

    # What takes time. Each can be begun anew after a crash.

    def take_space(self, op: Operation) -> None:
        """Makes the image as large as planned, and its space sure."""
        file = os.open(self.path(op.plan["lun"], "img"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            to_bytes = op.plan["to_bytes"]
            for at in range(0, to_bytes, STEP_BYTES):
                op.progress(100 * at // to_bytes, "taking space", at, to_bytes)
                os.posix_fallocate(file, at, min(STEP_BYTES, to_bytes - at))
            os.fsync(file)
        finally:
            os.close(file)
        sync_folder(self.images)

    def store(self, id: str, lun: dict, change: str) -> None:
        """The moment in which a LUN begins to be, or to be different."""
        write_durably(self.path(id, "json"), json.dumps(lun).encode())
        self.luns[id] = lun
        events = [("lun", id, change)]
        self.changed(*(events + [("drive", self.drive, "modify")] if change == "arrive" else events))

    def run_create_lun(self, op: Operation) -> str:
        id, request = op.plan["lun"], op.request
        if id not in self.luns:
            self.take_space(op)
            with self.lock:
                op.commit()
                self.store(id, {
                    "name": request["name"], "size_bytes": op.plan["to_bytes"], "plex": op.plan["plex"], "made_by": op.id,
                    "mask": request["unmasking_list"], "sector_bytes": request["sector_bytes"],
                    "caching": request["caching"],
                }, "arrive")
        return id

    def undo_create_lun(self, op: Operation) -> None:
        if op.plan["lun"] not in self.luns and os.path.exists(self.path(op.plan["lun"], "img")):
            os.unlink(self.path(op.plan["lun"], "img"))

    def run_extend_lun(self, op: Operation) -> None:
        self.take_space(op)
        self.change(op, size_bytes=op.plan["to_bytes"])

    def undo_extend_lun(self, op: Operation) -> None:
        os.truncate(self.path(op.plan["lun"], "img"), self.luns[op.plan["lun"]]["size_bytes"])

    def run_delete_lun(self, op: Operation) -> None:
        id = op.plan["lun"]
        with self.lock:
            op.commit()
            if self.luns.pop(id, None):
                os.unlink(self.path(id, "json"))
                sync_folder(self.images)
                self.changed(("lun", id, "depart"), ("drive", self.drive, "modify"))
        if os.path.exists(self.path(id, "img")):
            os.unlink(self.path(id, "img"))

    def change(self, op: Operation, **values: object) -> None:
        with self.lock:
            op.commit()
            self.store(op.plan["lun"], {**self.luns[op.plan["lun"]], **values}, "modify")

    def run_set_mask(self, op: Operation) -> None:
        self.change(op, mask=op.request["unmasking_list"])

    def run_change_mask(self, op: Operation) -> None:
        lists = (self.luns[op.plan["lun"]]["mask"], op.request["add"], op.request["remove"])
        present, add, remove = ([name for name in text.split(";") if name] for text in lists)
        grown = dict.fromkeys(present + add)
        if "*" in grown and remove and remove != ["*"]:
            raise Refused("VDSX_E_BAD_MASK", "the LUN is unmasked to everybody; everybody but some is no list")
        names = ["*"] if "*" in grown else grown
        self.change(op, mask=";".join(name for name in names if name not in remove and "*" not in remove))

    def run_set_name(self, op: Operation) -> None:
        self.change(op, name=op.request["name"])


def main() -> None:
    arguments = sys.argv[1:]
    size = arguments[2] if len(arguments) == 3 and arguments[1] == "--size" else "1GiB"
    number = size.rstrip("KMGTiB")
    if len(arguments) not in (1, 3) or not number.isdigit() or size[len(number):] not in UNITS:
        raise SystemExit(__doc__)
    serve(Images(arguments[0], int(number) * UNITS[size[len(number):]]))


if __name__ == "__main__":
    main()

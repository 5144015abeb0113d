"""Write a plug-in provider for VDS in Python: standard library only, Python 3.9 or later.

The module speaks the provider protocol (docs/provider-protocol.md): frames, handshake, requests, operations with
progress and cancel, news, descriptors. A provider is a subclass of `Provider`; `serve(provider)` runs it.

    class Mine(Provider):
        name, version, lun_types = "Mine", "1.0", ["simple"]
        operations = {"create_lun": Declaration(cancel="before_commit"), "delete_lun": Declaration()}

        def view(self): ...                         # all objects, as the page has them
        def prepare_create_lun(self, op): ...       # look, refuse or decide; changes nothing; returns the plan
        def run_create_lun(self, op): ...           # do it; `op.progress`, `op.commit`; returns the new LUN's id
        def undo_create_lun(self, op): ...          # take away what a run that did not commit has left

    serve(Mine("/srv/mine"))

How an operation survives `kill -9`: request and plan are in a journal in the provider's folder, fsynced, before `start` is
answered and before `run` is called. After a restart `run` is called again with the same plan (`op.is_resumed` is true then),
so a run is written to be repeated: make what is missing, leave what is there. The end is in the journal before it is told.

`view`, `prepare_*`, `plan` and `max_lun_create_size` are called under `self.lock`, one at a time. `run_*` and `undo_*` have a
thread of their own: they take `self.lock` for as long as they look at or change what a view shows.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import sys
import threading
import time
import traceback
import uuid
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

__all__ = ["Declaration", "Operation", "OpenedLun", "Provider", "Refused", "Cancelled", "log", "serve", "write_durably"]

PROTOCOL = 1
FRAME_BYTES_MAX = 16 << 20
EVENTS_MAX = 100
RUNNING_MAX = 8
#: Ended operations are remembered at least so long, and at least so many of them.
KEPT_S = 24 * 3600
KEPT_MIN = 1000
#: News: so many in a row, then so many in a second. The service permits 1000 and 200.
NEWS_BURST = 500
NEWS_PER_SECOND = 150

Json = Dict[str, Any]
REQUIRED: Any = object()
#: What each kind of request holds: the type of every field, and its default.
FIELDS: Dict[str, Dict[str, Tuple[Any, Any]]] = {
    "create_lun": {
        "subsystem": (str, REQUIRED), "name": (str, ""), "type": (str, REQUIRED), "size_bytes": (int, REQUIRED),
        "drives": (list, None), "unmasking_list": (str, ""), "hints": (list, []), "copies": (int, None),
        "columns": (int, None), "provisioning": (str, "thick"), "sector_bytes": (int, 512), "caching": (str, "write_back"),
        "target": (dict, {"choice": "none"}),
    },
    "delete_lun": {"lun": (str, REQUIRED)},
    "recover_lun": {"lun": (str, REQUIRED)},
    "extend_lun": {"lun": (str, REQUIRED), "by_bytes": (int, REQUIRED), "drives": (list, None)},
    "add_plex": {"lun": (str, REQUIRED), "drives": (list, None)},
    "remove_plex": {"plex": (str, REQUIRED)},
    "set_mask": {"lun": (str, REQUIRED), "unmasking_list": (str, REQUIRED)},
    "change_mask": {"lun": (str, REQUIRED), "add": (str, ""), "remove": (str, "")},
    "set_name": {"lun": (str, REQUIRED), "name": (str, REQUIRED)},
    "set_status": {"lun": (str, REQUIRED), "status": (str, REQUIRED)},
    "set_caching": {"lun": (str, REQUIRED), "caching": (str, REQUIRED)},
    "set_hints": {"lun": (str, REQUIRED), "hints": (list, REQUIRED)},
    "create_target": {"subsystem": (str, REQUIRED), "iscsi_name": (str, ""), "name": (str, "")},
    "delete_target": {"target": (str, REQUIRED)},
    "set_target_chap": {"target": (str, REQUIRED), "chap": (dict, None)},
    "add_portal": {"subsystem": (str, REQUIRED), "listen": (str, REQUIRED), "announce": (str, None)},
    "remove_portal": {"portal": (str, REQUIRED)},
    "make_array": {"name": (str, REQUIRED), "drives": (list, REQUIRED)},
    "open_array": {"subsystem": (str, REQUIRED), "without": (list, [])},
    "add_drive": {"subsystem": (str, REQUIRED), "drive": (dict, REQUIRED)},
    "fail_drive": {"drive": (str, REQUIRED)},
    "remove_drive": {"drive": (str, REQUIRED)},
    "set_drive_spare": {"drive": (str, REQUIRED), "is_spare": (bool, REQUIRED)},
    "scrub": {"subsystem": (str, REQUIRED)},
    "refresh": {},
    "reenumerate": {},
}
#: Kinds that make an object, and what it is.
MAKES = {
    "create_lun": "lun", "create_target": "target", "make_array": "subsystem", "open_array": "subsystem",
    "add_drive": "drive", "add_portal": "portal",
}


class Refused(Exception):
    """What was asked for is not done. `result` is a VDS result by name, such as `VDS_E_OBJECT_NOT_FOUND`."""

    def __init__(self, result: str, message: str, hint: Optional[str] = None, code: int = -32000) -> None:
        super().__init__(message)
        self.result, self.message, self.hint, self.code = result, message, hint, code

    def error(self) -> Json:
        """The error of an answer."""
        data = {"result": self.result}
        if self.hint is not None:
            data["hint"] = self.hint
        return {"code": self.code, "message": self.message, "data": data}


class Cancelled(Exception):
    """The operation was cancelled in time. Raised by `progress` and `commit`; let it pass."""


@dataclass(frozen=True)
class Declaration:
    """How one kind of operation ends. The words are those of the page; the defaults are this module's."""

    cancel: str = "not_supported"
    on_failure: str = "unchanged"
    on_cancel: str = "unchanged"
    #: `resumes` and `finished_or_rolled_back`: `run` is called again. `rolled_back`: `undo` is. `forgotten`: no journal.
    after_crash: str = "resumes"

    def __post_init__(self) -> None:
        words = {
            "cancel": ("not_supported", "before_commit", "any_time"),
            "on_failure": ("unchanged", "partial"),
            "on_cancel": ("unchanged", "partial"),
            "after_crash": ("resumes", "rolled_back", "finished_or_rolled_back", "forgotten"),
        }
        for field, allowed in words.items():
            if getattr(self, field) not in allowed:
                raise ValueError(f"{field} is {getattr(self, field)!r}; it is one of {', '.join(allowed)}")


class OpenedLun(NamedTuple):
    """A LUN's data. The module sends the descriptor and then closes it."""

    descriptor: int
    size_bytes: int
    is_read_only: bool = False


def log(text: str) -> None:
    """A line in the service's log, and in `vds provider show`."""
    print(text, file=sys.stderr, flush=True)


def write_durably(path: str, content: bytes) -> None:
    """Puts a whole file in place of the one before: after a crash there is the old one or the new one."""
    draft = f"{path}.new"
    # For its owner alone: requests may hold CHAP secrets.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(draft, path)
    sync_folder(os.path.dirname(path))


def sync_folder(path: str) -> None:
    """Makes the names in a folder durable."""
    folder = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Operation:
    """One operation: what was asked for, what `prepare` decided, and how far it is."""

    def __init__(self, provider: Provider, entry: Json, is_resumed: bool) -> None:
        self._provider = provider
        self.id: str = entry["operation"]
        #: What to do, with every field: those left out have their default.
        self.request: Json = entry["request"]
        self.kind: str = self.request["kind"]
        #: What `prepare_<kind>` returned. Durable before `run_<kind>` is called.
        self.plan: Any = entry.get("plan")
        self.owner: str = entry.get("owner", "")
        self.begun_s: float = entry.get("begun_s", 0.0)
        #: Whether an earlier process began it.
        self.is_resumed = is_resumed
        self._is_cancelled = bool(entry.get("cancelled"))
        self._is_committed = False
        self._status: Json = {"operation": self.id, "state": "queued"}

    @property
    def is_ended(self) -> bool:
        return self._status["state"] in ("succeeded", "failed", "cancelled")

    def progress(self, percent: Optional[int] = None, phase: str = "", done_bytes: Optional[int] = None,
                 total_bytes: Optional[int] = None) -> None:
        """Tells how far the work is. To be called now and then: raises `Cancelled` once the operation is."""
        with self._provider.lock:
            self._stop_if_cancelled()
            told = {"state": "running", "phase": phase, "done_bytes": done_bytes, "total_bytes": total_bytes}
            if percent is not None:
                told["percent"] = max(min(percent, 99), self._status.get("percent") or 0)
            self._status.update({name: value for name, value in told.items() if value not in (None, "")})
            self._provider._tell(self, is_needed=False)

    def commit(self) -> None:
        """From here on it is too late to cancel. Call it, under `self.lock`, just before the step that makes it true."""
        with self._provider.lock:
            self._stop_if_cancelled()
            self._is_committed = True
            self._status["is_committed"] = True

    def _stop_if_cancelled(self) -> None:
        if self._is_cancelled and not self._is_committed:
            raise Cancelled()

    def _entry(self) -> Json:
        entry = {"operation": self.id, "request": self.request, "plan": self.plan, "owner": self.owner}
        return {**entry, "begun_s": self.begun_s, "cancelled": self._is_cancelled}


class Journal:
    """Operations on a disk: a line of JSON when one begins, is cancelled and ends. A line is durable when `add` returns."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1
        self._bytes = 0
        self._lines = 0
        self.entries: Dict[str, Json] = {}
        for line in self._read():
            self.entries.setdefault(line["operation"], {}).update(line)
        self.compact()

    def _read(self) -> List[Json]:
        try:
            with open(self._path, "rb") as file:
                # What follows the last end of a line was torn off by a crash: nobody was told of it.
                lines = file.read().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        try:
            return [json.loads(line) for line in lines]
        except ValueError as error:
            raise SystemExit(f"{self._path} is damaged ({error}): restore it, or move it away") from error

    def add(self, line: Json) -> None:
        """Adds a line about one operation. When it cannot be written nothing is changed and `OSError` is raised."""
        data = json.dumps(line).encode() + b"\n"
        try:
            if os.write(self._file, data) != len(data):
                raise OSError(f"{self._path}: the disk is full")
        except OSError:
            os.ftruncate(self._file, self._bytes)
            raise
        try:
            os.fsync(self._file)
        except OSError as error:
            # What a second fsync says cannot be believed. The next process reads what is there.
            log(f"{self._path} cannot be made durable ({error}): exiting")
            os._exit(1)
        self._bytes += len(data)
        self._lines += 1
        self.entries.setdefault(line["operation"], {}).update(line)

    def is_long(self) -> bool:
        """Whether most of it is about what need not be remembered any more."""
        return self._lines > 20 * KEPT_MIN and self._lines > 4 * len(self.entries)

    def compact(self) -> List[str]:
        """Forgets what is old, and returns the ids forgotten."""
        ended = sorted((e for e in self.entries.values() if "end" in e), key=lambda entry: entry["ended_s"])
        since_s = time.time() - KEPT_S
        old = [entry["operation"] for entry in ended[:-KEPT_MIN] if entry["ended_s"] < since_s]
        for operation in old:
            del self.entries[operation]
        text = "".join(json.dumps(entry) + "\n" for entry in self.entries.values()).encode()
        write_durably(self._path, text)
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._bytes, self._lines = len(text), len(self.entries)
        return old


class Provider:
    """A provider. Subclasses fill in what they can do; see the module's text."""

    #: Shown to people.
    name = ""
    version = ""
    #: The LUN types it makes, such as `simple`.
    lun_types: Sequence[str] = ()
    #: What it can do: kind of request to declaration. Each needs `run_<kind>`; `prepare_<kind>` and `undo_<kind>` are optional.
    operations: Mapping[str, Declaration] = {}

    def __init__(self, folder: str) -> None:
        """`folder` keeps this module's state: the provider's id and the journal. One process uses it at a time."""
        self.folder = os.path.abspath(folder)
        #: Held around everything that looks at or changes what `view` shows.
        self.lock = threading.RLock()
        self._check_declarations()
        os.makedirs(self.folder, exist_ok=True)
        self._claim = self._claim_folder()
        self.id = self._own_id()
        self._journal = Journal(os.path.join(self.folder, "operations.jsonl"))
        self._operations: Dict[str, Operation] = {}
        for entry in self._journal.entries.values():
            operation = Operation(self, entry, is_resumed=True)
            operation._status = entry.get("end", operation._status)
            self._operations[operation.id] = operation
        self._generation = 1
        self._running = threading.BoundedSemaphore(RUNNING_MAX)
        self._link: Optional[Link] = None

    # What subclasses provide.

    def view(self) -> Json:
        """All objects as of now: `{"subsystems": [...], "drives": [...], "luns": [...], ...}`, without `generation`."""
        raise NotImplementedError("a provider has a view")

    def plan(self, request: Json) -> Json:
        """What a request would do. Optional."""
        raise NotImplementedError

    def max_lun_create_size(self, query: Json) -> int:
        """How large a LUN could be made, in bytes. Optional."""
        raise NotImplementedError

    def open_lun(self, lun: str) -> OpenedLun:
        """The data of a LUN. Optional."""
        raise NotImplementedError

    def close_lun(self, lun: str) -> None:
        """The service does not use the LUN's file any more."""

    def target_chap(self, target: str) -> Optional[Json]:
        """The secrets of a target, in the form of `set_target_chap`. Optional."""
        raise NotImplementedError

    # What subclasses use.

    def changed(self, *changes: Tuple[str, str, str]) -> None:
        """Tells news of one cause, such as `("lun", id, "arrive")`. Call it once `view` shows them, under `self.lock`."""
        with self.lock:
            self._generation += 1
            for at in range(0, len(changes), EVENTS_MAX):
                news = [{"object": kind, "id": id, "change": change} for kind, id, change in changes[at:at + EVENTS_MAX]]
                if self._link is not None:
                    self._link.events(news)

    def unfinished(self) -> List[Operation]:
        """Operations that have not ended, earlier processes' included: what their plans promise is spoken for."""
        with self.lock:
            return [operation for operation in self._operations.values() if not operation.is_ended]

    # The rest is this module's.

    def _check_declarations(self) -> None:
        for kind, declaration in self.operations.items():
            if kind not in FIELDS:
                raise TypeError(f"there is no kind of request {kind!r}; there are {', '.join(FIELDS)}")
            is_mask = kind == "set_mask"
            for asked in ("set_mask", "change_mask") if is_mask else (kind,):
                if not hasattr(self, f"run_{asked}"):
                    raise TypeError(f"{type(self).__name__} declares {kind} and has no run_{asked}")
            if declaration.after_crash == "rolled_back" and not hasattr(self, f"undo_{kind}"):
                raise TypeError(f"{kind} is rolled back after a crash, and there is no undo_{kind}")

    def _claim_folder(self) -> int:
        claim = os.open(os.path.join(self.folder, "claim"), os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + 5
        while True:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return claim
            except BlockingIOError:
                # The process before may not quite be gone.
                if time.monotonic() > deadline:
                    raise SystemExit(f"{self.folder} is in use by another process of this provider") from None
                time.sleep(0.05)

    def _own_id(self) -> str:
        path = os.path.join(self.folder, "provider-id")
        try:
            with open(path, encoding="ascii") as file:
                return str(uuid.UUID(file.read().strip()))
        except FileNotFoundError:
            own = str(uuid.uuid4())
            write_durably(path, own.encode() + b"\n")
            return own

    def _methods(self) -> List[str]:
        optional = {"plan": "plan", "max_lun_create_size": "max_lun_create_size", "open_lun": "lun.open",
                    "target_chap": "target.chap"}
        has = [method for name, method in optional.items() if getattr(type(self), name) is not getattr(Provider, name)]
        return has + ["lun.close"] if "lun.open" in has else has

    def _initialize(self, params: Json) -> Json:
        versions = params["protocol"]
        if not versions["min"] <= PROTOCOL <= versions["max"]:
            spoken = f"{versions['min']} to {versions['max']}"
            raise Refused("VDS_E_NOT_SUPPORTED", f"the service speaks versions {spoken} of the protocol, this is {PROTOCOL}")
        if params.get("provider") not in (None, self.id):
            log(f"{self.folder} is not the folder of provider {params['provider']}: this is {self.id}")
        declared = [{"kind": kind, **asdict(declaration)} for kind, declaration in self.operations.items()]
        maker = {"id": self.id, "name": self.name, "version": self.version}
        return {"protocol": PROTOCOL, "provider": maker, "methods": self._methods(), "operations": declared,
                "lun_types": list(self.lun_types)}

    def _resume(self) -> None:
        for operation in self.unfinished():
            if operation.is_resumed:
                self._run_beside(operation)

    def _start(self, params: Json) -> Tuple[Json, Optional[Operation]]:
        """The answer to `start`, and the operation if it is a new one: it runs once the answer is sent."""
        entry = {"operation": id_of(params, "operation"), "request": whole_request(params["request"]),
                 "owner": str(params.get("owner") or ""), "begun_s": time.time()}
        kind = entry["request"]["kind"]
        with self.lock:
            known = self._operations.get(entry["operation"])
            if known is not None:
                if known.request != entry["request"]:
                    raise Refused("VDSX_E_KEY_CONFLICT", f"operation {known.id} is another request, a {known.kind}")
                return dict(known._status), None
            declaration = self._declaration(kind)
            operation = Operation(self, entry, is_resumed=False)
            prepare = getattr(self, f"prepare_{kind}", None)
            entry["plan"] = operation.plan = None if prepare is None else prepare(operation)
            if declaration.after_crash != "forgotten":
                self._journal.add(entry)
            self._operations[operation.id] = operation
            return dict(operation._status), operation

    def _declaration(self, kind: str) -> Declaration:
        declaration = self.operations.get("set_mask" if kind == "change_mask" else kind)
        if declaration is None:
            raise Refused("VDS_E_NOT_SUPPORTED", f"{self.name} cannot do {kind}")
        return declaration

    def _find(self, params: Json) -> Json:
        with self.lock:
            operation = self._operations.get(id_of(params, "operation"))
            return {"operation": None if operation is None else dict(operation._status)}

    def _cancel(self, params: Json) -> Json:
        with self.lock:
            operation = self._operations.get(id_of(params, "operation"))
            if operation is None:
                raise Refused("VDS_E_OBJECT_NOT_FOUND", f"there is no operation {params['operation']}")
            if operation.is_ended:
                return {"answer": "too_late"}
            declaration = self._declaration(operation.kind)
            if declaration.cancel == "not_supported":
                return {"answer": "not_supported"}
            if operation._is_committed:
                return {"answer": "too_late"}
            if not operation._is_cancelled:
                if declaration.after_crash != "forgotten":
                    self._journal.add({"operation": operation.id, "cancelled": True})
                operation._is_cancelled = True
                operation._status["state"] = "cancelling"
            return {"answer": "cancelled"}

    def _run_beside(self, operation: Operation) -> None:
        threading.Thread(target=self._run, args=(operation,), daemon=True, name=operation.id).start()

    def _run(self, operation: Operation) -> None:
        """An operation from its beginning, or from where an earlier process left it, to its end."""
        with self._running:
            try:
                end = self._attempt(operation)
                with self.lock:
                    self._end(operation, end)
                    self._tell(operation, is_needed=True)
            except BaseException:
                # An end that is not durable must not be told, and one that is not told would hang: begin anew.
                log(f"operation {operation.id} cannot be ended: exiting\n{traceback.format_exc()}")
                os._exit(1)

    def _attempt(self, operation: Operation) -> Json:
        try:
            if operation.is_resumed and self._declaration(operation.kind).after_crash == "rolled_back":
                raise Refused("VDS_E_PROVIDER_FAILURE", "the provider died in the middle of it; it was rolled back")
            operation.progress()
            made = getattr(self, f"run_{operation.kind}")(operation)
            with self.lock:
                # What never called `commit` can be cancelled until here.
                operation.commit()
            output: Json = {"type": "set_mask" if operation.kind == "change_mask" else operation.kind}
            if operation.kind in MAKES:
                output["object"] = {"kind": MAKES[operation.kind], "id": made}
            elif isinstance(made, dict):
                output["report"] = made
            return {"state": "succeeded", "result": "S_OK", "output": output}
        except Cancelled:
            end = {"state": "cancelled", "result": "VDS_E_OPERATION_CANCELED", "message": "it was cancelled"}
        except Refused as refused:
            end = {"state": "failed", "result": refused.result, "message": refused.message, "hint": refused.hint}
        except Exception as error:
            log(f"operation {operation.id} ({operation.kind}) failed\n{traceback.format_exc()}")
            full = isinstance(error, OSError) and error.errno == 28
            result = "VDS_E_NOT_ENOUGH_SPACE" if full else "VDS_E_PROVIDER_FAILURE"
            end = {"state": "failed", "result": result, "message": str(error) or type(error).__name__}
        undo = getattr(self, f"undo_{operation.kind}", None)
        if undo is not None and not operation._is_committed:
            undo(operation)
        return end

    def _end(self, operation: Operation, end: Json) -> None:
        status = {**operation._status, **{name: value for name, value in end.items() if value is not None}}
        status["is_committed"] = operation._is_committed
        if end["state"] == "succeeded":
            status["percent"] = 100
        if operation.id in self._journal.entries:
            self._journal.add({"operation": operation.id, "end": status, "ended_s": time.time()})
            if self._journal.is_long():
                for old in self._journal.compact():
                    del self._operations[old]
        operation._status = status

    def _tell(self, operation: Operation, is_needed: bool) -> None:
        if self._link is not None:
            self._link.status(operation, is_needed)


def id_of(params: Json, field: str) -> str:
    """An id among parameters, as the page has them."""
    try:
        found = str(uuid.UUID(params[field]))
    except (KeyError, ValueError, TypeError, AttributeError):
        raise Refused("E_INVALIDARG", f"{field}: {params.get(field)!r} is no id", code=-32602) from None
    if found != params[field]:
        raise Refused("E_INVALIDARG", f"{field}: {params[field]!r} is not written as an id is", code=-32602)
    return found


def whole_request(request: Json) -> Json:
    """A request with every field of its kind: those left out have their default, those not known are passed over."""
    kind = request.get("kind")
    if kind not in FIELDS:
        raise Refused("VDS_E_NOT_SUPPORTED", f"there is no kind of request {kind!r}")
    whole = {"kind": kind}
    for field, (type_, default) in FIELDS[kind].items():
        value = request.get(field)
        if value is None:
            if default is REQUIRED:
                raise Refused("E_INVALIDARG", f"{kind} without {field}", code=-32602)
            whole[field] = default
        elif isinstance(value, type_) and (type_ is bool or not isinstance(value, bool)):
            whole[field] = value
        else:
            raise Refused("E_INVALIDARG", f"{kind}: {field} is {value!r}", code=-32602)
    return whole


class Link:
    """The conversation: frames in, frames out. Everything is sent under the provider's lock."""

    def __init__(self, provider: Provider, connection: socket.socket) -> None:
        self._provider = provider
        self._socket = connection
        self._is_initialized = False
        self._allowance = float(NEWS_BURST)
        self._counted_s = time.monotonic()

    def run(self) -> None:
        """Answers until the service is gone or says `shutdown`."""
        while True:
            frame = self._receive()
            if frame is None:
                return
            try:
                message = json.loads(frame)
                is_request = isinstance(message, dict) and message.get("jsonrpc") == "2.0" and "method" in message
                number = message["id"] if is_request else None
            except (ValueError, KeyError, RecursionError):
                is_request = False
            if not is_request or not isinstance(number, int) or isinstance(number, bool):
                log("a frame that is no request was passed over")
                continue
            if self._answer(number, str(message["method"]), message.get("params")):
                return

    def _receive(self) -> Optional[bytes]:
        head = self._exactly(4)
        if head is None:
            return None
        (length,) = struct.unpack(">I", head)
        if not 1 <= length <= FRAME_BYTES_MAX:
            log(f"a frame of {length} bytes: there is no going on after it")
            return None
        return self._exactly(length)

    def _exactly(self, count: int) -> Optional[bytes]:
        parts: List[bytes] = []
        while count:
            try:
                part = self._socket.recv(min(count, 1 << 16))
            except ConnectionError:
                return None
            if not part:
                return None
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _answer(self, number: int, method: str, params: Any) -> bool:
        """Answers one request. True after `shutdown`."""
        provider = self._provider
        fresh: Optional[Operation] = None
        # The answer is sent under the lock too: no news overtakes the older state that it tells.
        with provider.lock:
            answer, opened, fresh = self._compute(number, method, params)
            try:
                self._send(answer, opened.descriptor if opened else None)
            finally:
                if opened:
                    os.close(opened.descriptor)
        if method == "initialize" and "result" in answer and not self._is_initialized:
            self._is_initialized = True
            provider._link = self
            provider._resume()
        if fresh is not None:
            provider._run_beside(fresh)
        return method == "shutdown" and "result" in answer

    def _compute(self, number: int, method: str, params: Any) -> Tuple[Json, Optional[OpenedLun], Optional[Operation]]:
        answer: Json = {"jsonrpc": "2.0", "id": number}
        try:
            params = {} if params is None else params
            if not isinstance(params, dict):
                raise Refused("E_INVALIDARG", "parameters are an object", code=-32602)
            if not self._is_initialized and method != "initialize":
                raise Refused("VDS_E_INITIALIZE_NOT_CALLED", f"{method} before initialize")
            if method == "start":
                answer["result"], fresh = self._provider._start(params)
                return answer, None, fresh
            if method == "lun.open" and method in self._provider._methods():
                opened = self._provider.open_lun(id_of(params, "lun"))
                answer["result"] = {"size_bytes": opened.size_bytes, "is_read_only": opened.is_read_only, "descriptor": True}
                return answer, opened, None
            answer["result"] = self._result(method, params)
        except Refused as refused:
            answer["error"] = refused.error()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log(f"{method}: {traceback.format_exc()}")
            answer["error"] = {"code": -32602, "message": f"{method}: {type(error).__name__}: {error}"}
        except Exception as error:
            log(f"{method}: {traceback.format_exc()}")
            answer["error"] = {"code": -32603, "message": f"{method}: {error}"}
        return answer, None, None

    def _result(self, method: str, params: Json) -> Json:
        provider = self._provider
        if method in ("ping", "shutdown"):
            return {}
        if method == "initialize":
            return provider._initialize(params)
        if method == "operation.find":
            return provider._find(params)
        if method == "operation.cancel":
            return provider._cancel(params)
        if method == "view":
            if params.get("generation") == provider._generation:
                return {"unchanged": True}
            return {"generation": provider._generation, **provider.view()}
        if method in provider._methods():
            if method == "plan":
                return provider.plan(whole_request(params["request"]))
            if method == "max_lun_create_size":
                return {"size_bytes": provider.max_lun_create_size(params)}
            if method == "lun.close":
                provider.close_lun(id_of(params, "lun"))
                return {}
            if method == "target.chap":
                return {"chap": provider.target_chap(id_of(params, "target"))}
        raise Refused("VDS_E_NOT_SUPPORTED", f"there is no method {method!r}", code=-32601)

    def status(self, operation: Operation, is_needed: bool) -> None:
        """Tells an operation's status, under the lock; one that is not needed may be left out."""
        if self._may_tell(is_needed):
            self._send({"jsonrpc": "2.0", "method": "operation.changed", "params": operation._status}, None)

    def events(self, changes: List[Json]) -> None:
        """Tells changes of one cause."""
        self._may_tell(True)
        self._send({"jsonrpc": "2.0", "method": "events", "params": {"changes": changes}}, None)

    def _may_tell(self, is_needed: bool) -> bool:
        """Keeps within the permitted number of news. What is needed waits for its turn."""
        while True:
            now_s = time.monotonic()
            earned = (now_s - self._counted_s) * NEWS_PER_SECOND
            self._allowance = min(self._allowance + earned, NEWS_BURST)
            self._counted_s = now_s
            if self._allowance >= (1 if is_needed else NEWS_BURST / 2):
                self._allowance -= 1
                return True
            if not is_needed:
                return False
            time.sleep(1 / NEWS_PER_SECOND)

    def _send(self, message: Json, descriptor: Optional[int]) -> None:
        text = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
        if len(text) > FRAME_BYTES_MAX and "id" in message:
            error = {"code": -32603, "message": f"the answer has {len(text)} bytes, too many for a frame"}
            text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}).encode()
        frame = struct.pack(">I", len(text)) + text
        try:
            if descriptor is not None:
                frame = frame[socket.send_fds(self._socket, [frame], [descriptor]):]
            self._socket.sendall(frame)
        except (ConnectionError, BrokenPipeError):
            # The service is gone. The journal knows what is unfinished.
            os._exit(0)


def serve(provider: Provider, connection: Optional[socket.socket] = None) -> None:
    """Talks to the service until it ends the conversation; then the process exits. Never returns."""
    if connection is None:
        try:
            connection = socket.socket(fileno=0)
        except OSError:
            raise SystemExit("descriptor 0 is no socket: the service starts this program (vds provider add), or try it with "
                             "`vds provider test`") from None
    code = 0
    try:
        Link(provider, connection).run()
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of operations stop where they are, as in a crash: the next process takes them up.
    os._exit(code)

"""A provider without objects that says nothing until a file is there: held_provider.py FILE."""

import json
import os
import socket
import struct
import sys
import time

ID = "2c9a3f4e-7d15-4f0b-9a56-1b7f0a6c4d21"


def exactly(service, count):
    data = b""
    while len(data) < count:
        part = service.recv(count - len(data))
        if not part:
            raise SystemExit
        data += part
    return data


def answer(method):
    if method == "initialize":
        while not os.path.exists(sys.argv[1]):
            time.sleep(0.01)
        return {"protocol": 1, "provider": {"id": ID, "name": "Held", "version": "1.0"}}
    return {"view": {"generation": 1}, "operation.find": {"operation": None}}.get(method, {})


def main():
    service, method = socket.socket(fileno=0), ""
    while method != "shutdown":
        (length,) = struct.unpack(">I", exactly(service, 4))
        request = json.loads(exactly(service, length))
        method = request["method"]
        reply = {"jsonrpc": "2.0", "id": request["id"], "result": answer(method)}
        text = json.dumps(reply).encode()
        service.sendall(struct.pack(">I", len(text)) + text)


main()

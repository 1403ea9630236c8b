#!/usr/bin/python3
"""A compiler that makes letters large, as Bazel's persistent workers do it, without the libraries for that.

compiler.py [--json] [@FILE | --persistent_worker]

Each source is written to --out=PATH in capitals, with the number of the request and a name of the process below. Sources
that hold a word of `faults` are for tests: see there.
"""
import json
import os
import sys
import threading
import time

NAME = time.time_ns()
OUTPUT = os.fdopen(os.dup(1), "wb", 0)
LOCK = threading.Lock()
CANCELLED = set()
AT_START = sorted(os.path.join(d, f) for d, _, files in os.walk(".") for f in files)
count = 0


def varint(number):
    data = bytearray()
    while number > 127:
        data.append(number % 128 + 128)
        number //= 128
    return bytes(data + bytes([number]))


def read_varint(stream):
    number = shift = 0
    while True:
        byte = stream.read(1)
        if not byte:
            return None
        number |= (byte[0] & 127) << shift
        shift += 7
        if byte[0] < 128:
            return number


def fields(data):
    at = 0

    def take():
        nonlocal at
        number = shift = 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    while at < len(data):
        key = take()
        size = take()
        if key & 7 == 0:
            yield key >> 3, size
        else:
            yield key >> 3, data[at : at + size]
            at += size


def read_proto(stream):
    size = read_varint(stream)
    if size is None:
        return None
    request = {"arguments": [], "inputs": [], "requestId": 0, "cancel": False, "sandboxDir": ""}
    for number, value in fields(stream.read(size)):
        if number == 1:
            request["arguments"].append(value.decode())
        elif number == 2:
            request["inputs"].append({n: v.decode() for n, v in fields(value)}[1])
        elif number == 3:
            request["requestId"] = value
        elif number == 4:
            request["cancel"] = bool(value)
        elif number == 6:
            request["sandboxDir"] = value.decode()
    return request


def read_json(stream):
    line = stream.readline()
    if not line:
        return None
    request = json.loads(line)
    request["inputs"] = [each["path"] for each in request.get("inputs", [])]
    return {"arguments": [], "requestId": 0, "cancel": False, "sandboxDir": "", **request}


def answer_proto(code, output, request_id, cancelled):
    text = output.encode()
    data = b"\x08" + varint(code) + b"\x12" + varint(len(text)) + text + b"\x18" + varint(request_id)
    data += b"\x20\x01" if cancelled else b""
    return varint(len(data)) + data


def answer_json(code, output, request_id, cancelled):
    message = {"exitCode": code, "output": output, "requestId": request_id, "wasCancelled": cancelled}
    return json.dumps(message).encode() + b"\n"


def faults(text, request):
    """What a tool may do wrong."""
    if "garbage" in text:
        OUTPUT.write(b"\xff\xff\xff\xff\xff\xff and more\n")
    if "huge" in text:
        OUTPUT.write(b"\xff\xff\xff\x7f" + b"x" * 1000 if "--json" not in sys.argv else b"x" * 17_000_000)
    if "fills" in text:
        for number in range(6):
            open(os.path.join(request["sandboxDir"], f"junk-{number}"), "wb").write(b"x" * 1_000_000)
        time.sleep(20)
    if "leads away" in text:
        place = request["sandboxDir"] or "bin"
        os.rename(place, "away")
        os.symlink(text.split()[-1], place)
        OUTPUT.write((answer_json if "--json" in sys.argv else answer_proto)(0, "", request["requestId"], False))
        time.sleep(20)
    if "replaces root" in text:
        os.rename("../root", "../away")
        os.symlink(text.split()[-1], "../root")
    if "dies" in text:
        print("it dies", file=sys.stderr, flush=True)
        os._exit(7)
    if "dies late" in text or ("second" in text and count > 1):
        os._exit(7)
    if "scribbles" in text:
        os.chmod(__file__, 0o755)
        with open(__file__, "a") as file:
            file.write("# scribbled\n")
    if "child" in text and os.fork() == 0:
        while True:
            for name in os.listdir("."):
                os.path.exists(name)
    while "hangs" in text and request["requestId"] not in CANCELLED:
        time.sleep(0.01)


def compile_all(request):
    global count
    count += 1
    at = request["sandboxDir"]
    out = ""
    sources = []
    listed = []
    for arg in request["arguments"]:
        if arg.startswith("--out="):
            out = arg[6:]
        elif arg == "--list":
            listed = sorted(os.path.join(d, f) for d, _, files in os.walk(at or ".") for f in files)
        elif arg == "--seen-at-start":
            listed = AT_START
        elif arg == "--inputs":
            listed = sorted(request["inputs"])
        elif arg.startswith("--leave="):
            open(os.path.join(at, arg[8:]), "w").write("left\n")
        elif arg == "--fail":
            print("what the log says", file=sys.stderr, flush=True)
            return 3, "it does not compile"
        else:
            sources.append(arg)
    text = "".join(open(os.path.join(at, name)).read() for name in sources)
    faults(text, request)
    if request["requestId"] in CANCELLED:
        return None, ""
    with open(os.path.join(at, out), "w") as file:
        file.write(text.upper())
        file.write("".join(f"{name}\n" for name in listed))
        file.write(f"# request {count} of {NAME} in {os.getcwd()}\n")
    return 0, "compiled " + " ".join(sources)


def serve():
    is_json = "--json" in sys.argv
    read, answer = (read_json, answer_json) if is_json else (read_proto, answer_proto)

    def handle(request):
        code, output = compile_all(request)
        with LOCK:
            OUTPUT.write(answer(code or 0, output, request["requestId"], code is None))

    while True:
        request = read(sys.stdin.buffer)
        if request is None:
            return
        if request["cancel"]:
            CANCELLED.add(request["requestId"])
        else:
            CANCELLED.discard(request["requestId"])
            threading.Thread(target=handle, args=(request,), daemon=True).start()


def expand(args):
    for arg in args:
        yield from expand(open(arg[1:]).read().splitlines()) if arg.startswith("@") else [arg]


if "--persistent_worker" in sys.argv:
    serve()
else:
    arguments = [arg for arg in expand(sys.argv[1:]) if arg != "--json"]
    code, output = compile_all({"arguments": arguments, "inputs": [], "requestId": 0, "sandboxDir": ""})
    print(output)
    sys.exit(code)

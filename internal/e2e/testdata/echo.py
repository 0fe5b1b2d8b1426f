"""A sidecar that does nothing, as fast as it can: what is left of a job's time is the studio's own.

Usage: echo.py LOG ENGINE [hold]. With hold it takes runs and never ends them. For every run it appends a line to LOG: when the run frame came and when the result left, in
nanoseconds since the epoch. It loads no library beyond Python's own and answers with a tenth of a second of silence.
"""

import hashlib
import json
import os
import sys
import threading
import time
import wave

log_path, engine = sys.argv[1], sys.argv[2]
hold = sys.argv[3:] == ["hold"]
frames_in, frames_out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)
lock = threading.Lock()


def send(message: dict) -> None:
    with lock:
        frames_out.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        frames_out.flush()


def beat() -> None:
    while True:
        send({"method": "heartbeat", "params": {"vram_bytes": 0, "ram_bytes": 20 << 20, "phase": None, "steps": 0}})
        time.sleep(1)


def run(params: dict) -> dict:
    path = os.path.join(params["out_dir"], "speech.wav")
    with wave.open(path, "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes(bytes(3200))
    with open(path, "rb") as file:
        content = file.read()
    output = {"name": "speech", "path": "speech.wav", "mime": "audio/wav", "size": len(content)}
    output["sha256"] = hashlib.sha256(content).hexdigest()
    return {"outputs": [output], "seed": params["params"].get("seed", 0), "timings": {}, "metadata": {}}


hello = {"protocol": 1, "worker": "bench", "engines": [engine], "python": sys.version.split()[0], "torch": None}
send({"method": "hello", "params": {**hello, "device": "cpu", "pid": os.getpid()}})
threading.Thread(target=beat, daemon=True).start()
with open(log_path, "a", buffering=1) as log:
    for line in frames_in:
        came = time.time_ns()
        frame = json.loads(line)
        if "id" not in frame:
            continue
        result: dict = {}
        if frame["method"] == "load":
            result = {"vram_bytes": 0, "ram_bytes": 20 << 20, "seconds": 0.0}
        elif frame["method"] == "run":
            if hold:
                continue
            result = run(frame["params"])
            log.write(f"{frame['params']['job']} {came} {time.time_ns()} {os.getpid()}\n")
        send({"id": frame["id"], "result": result})
        if frame["method"] == "shutdown":
            break

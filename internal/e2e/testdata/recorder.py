"""Runs a sidecar as it is and writes every byte that its supervisor sends it to a file.

Usage: recorder.py LOG ARGUMENTS-OF-apibr_worker...
The copy is made inside the sidecar's own process, so that process groups and death signals stay as they are.
"""

import os
import runpy
import sys
import threading

log_path, *arguments = sys.argv[1:]
source = os.dup(0)
read_end, write_end = os.pipe()
os.dup2(read_end, 0)
os.close(read_end)


def copy() -> None:
    with open(log_path, "ab", buffering=0) as log:
        while data := os.read(source, 65536):
            log.write(data)
            view = memoryview(data)
            while view:
                view = view[os.write(write_end, view) :]
    os.close(write_end)


threading.Thread(target=copy, daemon=True).start()
sys.argv = ["apibr_worker", *arguments]
runpy.run_module("apibr_worker", run_name="__main__", alter_sys=True)

"""Speaks like the real self-test; what it says is decided by the torch that was installed."""

import json
import os
import sys

import torch

print("a library says hello")
if torch.behaviour == "silent":
    sys.exit("torch has no kernels")
print(json.dumps({"checks": ["device", "matmul", "conv3d", "memory"]}), flush=True)
print(json.dumps({"check": "device", "ok": True, "detail": "", "torch": torch.__version__, "card": os.environ.get("HIP_VISIBLE_DEVICES", "")}))
wrong = torch.behaviour == "wrong"
print(json.dumps({"check": "matmul", "ok": not wrong, "detail": "differs by 3"}), flush=True)
if torch.behaviour == "crashes":
    os.kill(os.getpid(), 11)
print(json.dumps({"check": "conv3d", "ok": True, "detail": " ".join(sys.argv[1:])}))
print(json.dumps({"check": "memory", "ok": True, "detail": os.environ.get("HSA_OVERRIDE_GFX_VERSION", "none")}))

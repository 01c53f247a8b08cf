"""A server of ours whose vLLM knows one more way of weights, `test_files`: the calls of a transfer, with tensors that a file holds.

It has vLLM's own layerwise reload between `start` and `finish`, as NCCL and CUDA IPC have, and needs no GPU. Run by the engine's
Python in place of `_vllm_server.py`.
"""

import importlib.util
import sys
from pathlib import Path

SERVER = Path(__file__).resolve().parents[2] / "lingshu_train" / "rollouts" / "_vllm_server.py"


def register():
    from safetensors.torch import load_file
    from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory
    from vllm.distributed.weight_transfer.ipc_engine import IPCWeightTransferEngine

    class Files(IPCWeightTransferEngine):
        """Only how tensors come differs."""

        def update_weights(self, update_info):
            self.model.load_weights(list(load_file(update_info["path"]).items()))

    WeightTransferEngineFactory.register_engine("test_files", Files)


found = importlib.util.spec_from_file_location("_vllm_server", SERVER)
server = importlib.util.module_from_spec(found)
sys.modules["_vllm_server"] = server
found.loader.exec_module(server)
begun = server.Engine.__init__


def begin(self, settings):
    register()
    begun(self, settings)


server.Engine.__init__ = begin
if __name__ == "__main__":
    server.main(sys.argv[1])

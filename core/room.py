"""Memory that ran out: how each library says so, and what is given back then."""

import traceback

import torch

SIGNS = (
    *("out of memory", "can't allocate memory", "cannot allocate memory", "failed to allocate"),
    *("bad_alloc", "bad allocation", "cublas_status_alloc_failed", "cudnn_status_alloc_failed"),
)
"""Of torch on a CPU and a GPU, ONNX Runtime and CTranslate2, which have no error of their own for it."""


def out_of_memory(error: BaseException | None) -> bool:
    """Whether memory ran out; also where another error came of that, as when a CUDA graph is being recorded."""
    while error is not None:
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        if isinstance(error, Exception) and any(sign in str(error).lower() for sign in SIGNS):
            return True
        error = error.__cause__ or error.__context__
    return False


def give_back(error: BaseException) -> None:
    """Lets go of what the frames of an error hold, and hands free memory of a GPU back."""
    seen: BaseException | None = error
    while seen is not None:
        traceback.clear_frames(seen.__traceback__)
        seen = seen.__cause__ or seen.__context__
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

"""The engine: values, audio, model families, attention, decoding. It never imports gradio."""

import logging
import os
import warnings

# bitsandbytes warns at every import that an optional CPU kernel cannot be had from a hub; its own code serves.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
# peft asks transformers for a property that is on its way out.
warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)

# Nothing leaves the machine unasked. ONNX Runtime reports to Microsoft from 1.29 on, and the hub's library to the hub,
# unless they are told not to before they are imported.
os.environ["ORT_DISABLE_TELEMETRY"] = os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

"""The engine: values, audio, model families, attention, decoding. It never imports gradio."""

import logging
import warnings

# bitsandbytes warns at every import that an optional CPU kernel cannot be had from a hub; its own code serves.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
# peft asks transformers for a property that is on its way out.
warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)

"""Every sentence a person reads on the page, but the errors' own. Arguments are inserted as they are: escape them."""

from core.types import METHODS, Method

TITLE = "Earshot"
TAGLINE = "Drop a few sounds, ask what they have in common, and see where the model attended."
TAGLINE_WITHOUT_METER = "Drop a few sounds and ask what they have in common."

# Terminal
LOADED = "{name}, {precision}: {reason}.\nLoaded in {seconds:.1f} s: {address}"
PORT_TAKEN = "Port {port} is taken: choose another with --port, or leave it out."
UNKNOWN_ARGUMENTS = "Not known and left out: {arguments}"
INTERRUPTED = "Interrupted: the answers so far are kept."
GROUP_LEFT_OUT = "Clips {name} are not asked about: {problem}"

# Input
BOX_LABEL = "Question"
BOX_PLACEHOLDER = "Ask about your clips"
EMPTY_TRAY = "Drop sound files into the box below, or record some. Each gets a letter to ask by."
NOT_SENT = "not sent yet"
IN_PARTS = "heard in parts of up to {window_seconds:.0f} s"
NO_QUESTION = "Type a question about the clips, then send."
NOTHING_TO_SEND = "Type a question, or drop a sound and ask about it."
FOREIGN_FILE = "This file was not uploaded here: drop it again."
RECORDING = "recording"
LEFT_OUT = "Left out: {problem}"

# Chat
CHAT_LABEL = "Conversation"
PLACEHOLDER = (
    '<div class="es-welcome"><h2>Compare sounds by asking</h2>'
    "<p>Drop several clips of your own into one message, or begin with an example.</p>"
    '<p class="es-muted">The spoken clips of the examples are synthetic.</p></div>'
)
NO_WORDS = "The model ended its answer without a word: ask in another way."
CRASHED = "Something broke inside Earshot, the log has the details: ask again."
BACK_IN_BOX = "{problem} Your question and clips are back in the box."
TAKEN_BACK = "Taken back into the box."
UNDONE = "Undone."
CLEARED = "Cleared. “Undo” brings it back."

# Status
READY = "Ready."
LISTENING = {0: "Reading the question …", 1: "Listening to one clip …"}
LISTENING_MANY = "Listening to {clips} clips …"
ANSWERING = "Answering …"
FIRST_TOKEN = "first token in {seconds:.1f} s"
SPEED = "{rate:.0f} tokens/s"
ENDINGS = {"length": "cut at {tokens} tokens", "stopped": "stopped", "failed": "broke off"}
BOOSTED_WITH = "boost {method} {alpha:g}"
WITH_ADAPTER = "adapter {adapter}"
WITH_FACTS = "measured facts of each clip given"

# Buttons
RETRY, EDIT, UNDO, CLEAR = "Retry", "Edit", "Undo", "Clear"
PLAY = "Play clip {letter}, {name}"

# Side by side
NO_BOOST = "no boost"
BAND = "from {first:g} to {last:g} of the depth"
WEIGHTS = "clip weights {weights}"
FACTS = "measured facts {given}"
TEMPERATURE = "temperature {temperature:g}"
TOP_P = "top_p {top_p:g}"
SEED = "seed {seed}"
TOKENS = "at most {tokens} tokens"
SYSTEM = "system prompt: {system}"
PANE = "Pane {number}"
SAME_SETTINGS = "same settings"
SIDE_BY_SIDE = "Side by side"
CLOSE_PANE = "Close"
ADD_PANE = "Another pane, with"
WITH_BOOST, WITH_OTHER_ADAPTER, WITH_SAME = "the boost on or off", "another adapter", "the same settings"
PANE_SETTINGS = "Settings of pane"
TOGETHER = "All panes answer at the same time"

# Settings
SETTINGS = "Settings"
MODEL_LABEL = "Model"
BOOST_HEADING = "Attention boost"
METHOD_LABEL = "Method"
METHOD_INFO: dict[Method, str] = {
    "off": "The model attends as it was trained to.",
    "mata": "Scores of audio tokens times 1 + strength. Lowers negative scores too (MATA).",
    "pai": "Scores of audio tokens plus strength times their size (PAI).",
    "bias": "Strength is added to the scores of audio tokens.",
    "target": "Scores are raised until audio has this share of the attention.",
}
METHOD_NAMES: tuple[tuple[str, Method], ...] = tuple((method, method) for method in METHODS)
ALPHA_LABEL = "Strength"
BAND_FROM_LABEL, BAND_TO_LABEL = "From depth", "To depth"
WEIGHT_LABEL = "Weight of clip {letter}"
ANSWER_HEADING = "Answer"
ADAPTER_LABEL, NO_ADAPTER = "Adapter", "off"
FACTS_LABEL = "Tell the model each clip's measured length, level and pitch"
FACTS_INFO = (
    "Such questions can then be answered by measurement, not by listening. The built-in model has hardly "
    "learnt to use the numbers."
)
TEMPERATURE_LABEL, TEMPERATURE_INFO = "Temperature", "0 takes the likeliest word every time."
MAX_TOKENS_LABEL = "Longest answer, in tokens"
SEED_LABEL = "Seed"
PRESET_LABEL = "System prompt"
SYSTEM_LABEL, SYSTEM_PLACEHOLDER = "Text of the system prompt", "empty: the model's own"

# Report
FACTS_GIVEN = {True: "given", False: "off"}
OWN_SYSTEM = "the model's own"

# Meter
METER_LABEL = "Where the model attended during this answer"
SHARE_OF_AUDIO = "share of attention on audio"
LIFT = "{lift:.2f}× per token"
LIFT_INFO = "1.00× is what the number of audio tokens alone would give"
NATURAL = "{percent} before the boost"
EXPECTED = "mark at {percent}: equal attention to every token"
STACK_LABEL = "Attention by source, adding to 100 %: {parts}."
STACK_HEADING = "All sources"
SOURCES = {
    "template": "template",
    "system": "system prompt",
    "history": "earlier turns",
    "question": "question",
    "pairs": "comparison rows",
    "hint": "hint",
    "answer": "answer so far",
}
CLIP_SHARE = "Clip {letter}, {name}: {percent} of the attention, {lift:.2f} times its share of the tokens"
HEAT_LABEL = "Clip {letter}: attention over its {seconds:.1f} seconds, most near {peak:.1f} s"
HEAT_LEGEND = "Attention per second, one scale for all clips"
LOW, HIGH = "low", "high"
LAYERS_LABEL = "Share of attention on audio by layer: {values}."
LAYERS_HEADING = "By layer"
BASIS_HEADING = "What this rests on"
BASIS = (
    "Means over {steps} answer tokens, {layers} and all heads; the weight on audio spreads by ±{spread} over the heads."
)
BASIS_LAYERS = "layers {first} to {last}"
BASIS_LAYERS_SOME = "{count} layers from {first} to {last}"
BASIS_BOOST = "The boost acted in layers {first} to {last}."
BASIS_SINK = (
    "The template's tokens, where attention rests when it has nothing to look for, took {percent}; they are left out "
    "of the shares above."
)
BASIS_TOKENS = "Tokens: {counts}."
BASIS_BARS = "Bars of clips are relative to the clip with the largest share."
CAVEAT = "It shows where the model looked, not whether that mattered for the answer."
CAVEAT_BOOST = "A boost raises the share by construction, so a larger share is not a better answer."
NO_READINGS = "This model gives no reading of its attention, so there is no meter for this answer."
NO_CLIPS = "There is no clip in this conversation, so there is no attention on audio to show."


# Habits
HELP = "Help"
HINT = "How it works"
STEPS = (
    "Drop sounds, or record some: they are called A, B, C …",
    "Ask by letter: “How do A and B differ?”",
    "Read the answer, and how much the model attended to each clip.",
)
STEPS_WITHOUT_METER = (*STEPS[:2], "Read the answer and ask on: the clips stay.")
HINT_CLOSE = "Got it"
KEYS = "Keys"
KEY_LIST = (
    ("Enter", "sends the question"),
    ("Shift + Enter", "begins a new line"),
    ("Esc", "stops the running answer"),
    ("↑", "in an empty box: takes the last question back to edit it"),
    ("Ctrl + K, ⌘ + K", "goes to the box"),
)
LIMITS = "Limits"
LIMIT = "Up to {clips} clips, {seconds:.0f} s each{parts}{tokens}."
LIMIT_PARTS = " (heard {seconds:.0f} s at a time)"
LIMIT_TOKENS = ", {tokens:,} tokens in all"
CLOSE = "Close"
COPY, COPY_LABEL, COPIED = "Copy", "Copy the answer", "Copied"
NOT_COPIED = "Not copied: the browser forbids it here, so select the words."
SO_FAR = {1: "1 token so far"}
SO_FAR_MANY = "{tokens} tokens so far"
DEFAULTS = "Back to the defaults"


def listening(clips: int) -> str:
    """The status while the prompt is read."""
    return LISTENING.get(clips, LISTENING_MANY.format(clips=clips))


def percent(share: float) -> str:
    """A share as people write it, with a decimal where it is small."""
    return f"{share:.1%}".replace("%", " %") if share < 0.0995 else f"{share:.0%}".replace("%", " %")

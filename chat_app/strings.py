"""Every sentence a person reads on the page, but the errors' own. Arguments are inserted as they are: escape them."""

from core.summary import is_clip
from core.types import METHODS, Method

TITLE = "Earshot"
TAGLINE = "Drop a few sounds, ask what they have in common, and see where the model attended."
TAGLINE_WITHOUT_METER = "Drop a few sounds and ask what they have in common."

# Terminal
ENGINE = "{name}, {precision}: {reason}."
LOADED = "Loaded in {seconds:.1f} s: {address}"
NO_MCP = "The MCP server needs one more package: pip install -r requirements-mcp.txt, or leave out --mcp."
PORT_TAKEN = "Port {port} is taken: choose another with --port, or leave it out."
UNKNOWN_ARGUMENTS = "Not known and left out: {arguments}"
AUTH_AND_MCP = "The MCP server asks nobody for a password: leave out --auth or --mcp."
OPEN_TO_ALL = "Whoever reaches {host} can use this page: --auth FILE asks for a password (SECURITY.md)."
USERS_USAGE = "Give a file and a name: python -m chat_app.users FILE NAME"
USERS_NAME = "A name has no colon, no line break and no blank at its ends: choose another."
USERS_UNREADABLE = "{file} cannot be read ({reason}): python -m chat_app.users {file} NAME makes one."
USERS_WRITABLE = "{file} can be changed by other users of this machine: chmod 600 {file}, and look who is in it."
USERS_LINE = "Line {number} of {file} is no user, or one that is there twice: take it out and add the user again."
USERS_NOBODY = "Nobody is in {file}: python -m chat_app.users {file} NAME adds somebody."
USERS_WRITTEN = "{name} is in {file} now: python app.py --auth {file}"
PASSWORD, PASSWORD_AGAIN = "Password: ", "Again: "
PASSWORD_SHORT = "A password has {fewest} characters or more: choose a longer one."
PASSWORD_OTHER = "The two were not the same: try again."
INTERRUPTED = "Interrupted: the answers so far are kept."
GROUP_LEFT_OUT = "Clips {name} are not asked about: {problem}"

# Requests that are not answered
NOT_SERVED = "There is nothing here: open the address that app.py printed."
OTHER_HOST = "This page does not answer to that name: open the address app.py printed, or start it with --name NAME."
OTHER_SITE = "Another site asked for this: open the page itself, or start it with --name NAME behind a proxy."

# Input
BOX_LABEL = "Question"
BOX_PLACEHOLDER = "Ask about your clips"
EMPTY_TRAY = "Drop sound files into the box below, or record some. Each gets a letter to ask by."
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
WAITING = "Waiting: {questions} before yours …"
QUESTIONS = {1: "1 question"}
QUESTIONS_MANY = "{count} questions"
LINE_FULL = "Too many ask at once ({questions} waiting): ask again in a minute."
FIRST_TOKEN = "first token in {seconds:.1f} s"
SPEED = "{rate:.0f} tokens/s"
ENDINGS = {"length": "cut at {tokens} tokens", "stopped": "stopped", "failed": "broke off"}
BOOSTED_WITH = "boost {method} {alpha:g}"
WITH_ADAPTER = "adapter {adapter}"
WITH_FACTS = "measured facts of each clip given"

# Buttons
RETRY, EDIT, UNDO, CLEAR = "Retry", "Edit", "Undo", "Clear"

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

# In every order
ASK_ORDERS = "Ask in every order"
ASKING_ORDERS = "Asking in every order …"
ASKING_ORDER = "Asked in {number} of {orders} orders, last {letters} …"
ORDERS_LABEL = "The same question with the clips in every order"
VOTE = "{count} of {total} orders: <b>{verdict}</b>"
VOTE_TIED = "A tie between <b>{verdicts}</b>"
VOTES = "{count} of {total}"
ORDERS_ANSWERS = "All answers"
ODD_ANSWER = "odd one out:"
NOTHING_SAID = "(no word)"
ORDERS_CAVEAT = (
    "Each order was asked alone, without the earlier turns, and its letters were changed back to those of this chat. "
    "Answers that say the same in other words count as different."
)

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
CLIP_SHARE = "Clip {letter}, {name}: share of the attention"
SHARE_VALUE = "{percent}, {lift} times its share of the tokens"
HEAT_LABEL = "Clip {letter}: attention over its {seconds} seconds, most near {peak} s"
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

# Programs
NO_SUCH_MODEL = "There is no such model here: leave it out, or choose one of {models}."
LEFT_OUT_A_LETTER = "A clip is missing between two others: give clip_a, clip_b ... without leaving a letter out."
NOT_FETCHED = "Earshot fetches nothing from the net: upload the file, or send it as a data: URI."
WRONG_VALUES = "These are no values that this page takes: reload it, or see what describe lists."
NO_OBJECT = "settings should be an object of keys and values: see what describe lists."
NO_GPU = (
    "No GPU was to be had for this, or not for long enough ({problem}): try again later, or ask for a shorter answer."
)

# Word by word, playing, and what a layer and a source have to do with each other
WORDS_HEADING = "Word by word"
WORDS_INFO = (
    "Pick a word: bars and strips show where the model looked while it chose that word. Pick a clip by its letter: "
    "the words are shaded by how much they looked at it."
)
WHOLE = "Whole answer"
MORE_WORDS = "Only the first {words} words have numbers of their own."
SHOWN_WHOLE = "Whole answer, the mean over its words"
SHOWN_WORD = "While “{word}” was chosen, on a scale of its own"
PICK_CLIP = "Shade the words by clip {letter}, {name}"
SHADED = "Words shaded by their share of attention on clip {letter}: dark is none, bright is {percent}."
WORD_SHARE = "{word}: {percent} on clip {letter}"
PLACE = "Place in clip {letter}, {name}"
PLACE_VALUE = "{now} s of {seconds} s"
SOUND_GONE = "This sound is no longer kept here: drop the file again to play it."
AUDIO, LAYER = "audio", "layer"
LAYER_HEAT_LABEL = "Share of attention on {source} by layer: {values}."
LAYERS_LEGEND = "Heat of each source in each layer: dark is none, bright is {percent}. Numbers: the mean of all layers."
BOOSTED_MARK = "Marked columns and underlined numbers: layers in which the boost acted."
BASIS_HEADS = "That spread is all that is kept of the single heads."

# Did it matter?
MATTER = "Did it matter?"
MATTERING_FIRST = "Asking again with silence in place of the clips …"
MATTERING = "With silence: all clips together, and {known} of {clips} alone …"
EFFECT_LABEL = "Whether the clips mattered to this answer"
EFFECT_UNIT = "nats per token: the effect of all clips together"
EFFECT_FOR = "The clips made each token of this answer {times} times as likely as silence in their place, in the mean."
EFFECT_AGAINST = "Silence in place of the clips would have made each token {times} times as likely, in the mean."
EFFECT_NONE = "In the mean the clips made no difference to this answer: it would have been said anyway."
EFFECT_ATTENTION, EFFECT_ALONE = "Share of attention", "Effect of the clip alone"
EFFECT_SAID = "Effect of the clip alone, nats per token: {nats}"
EFFECT_PENDING, UNREAD = "not known yet", "not read"
EFFECT_WORDS_HEADING = "The words it mattered to"
EFFECT_WORDS = "Nats of the most affected: {words}. Blue: the clips helped to say it; orange: they spoke against it."
EFFECT_NO_WORDS = "No word was made a tenth of a nat more or less likely."
EFFECT_CAVEAT = (
    "It says whether this answer would have been said to silence, not whether it is right. Clips do not add up to the "
    "whole."
)

METER_HELP_HEADING, CLOSE_HELP = "What do these numbers say?", "Close"
METER_HELP = (
    (
        "Share of attention",
        "To choose each word a model weighs all it has been given. This is the part of that weight that lies on the "
        "clips, the template’s fixed tokens left out. It says where the model looked. It does not say what it heard, "
        "nor whether that decided the answer: attention is not an explanation.",
    ),
    (
        "Lift (1.30×)",
        "The share over what the number of tokens alone would give. Long clips have more tokens and so a larger share; "
        "lift takes that out. 1.00× is no preference; below it a token of sound got less than the average token.",
    ),
    (
        "The mark on the needle",
        "Where the needle would stand if every token got the same weight. It is no target and no grade.",
    ),
    (
        "Before the boost (dotted mark)",
        "The same row without the boost of its own layer. A boost raises the share by construction, so a larger share "
        "is no better answer. It is not what a model without any boost would do: earlier layers were boosted too.",
    ),
    (
        "Heat",
        "The clip’s share spread over its seconds, blue to yellow, one scale for all clips of one row. Where one token "
        "stands for a long stretch, or the whole clip, its weight is spread evenly there.",
    ),
    (
        "A word’s row",
        "Where the model looked while it chose that word, the mean over the word’s tokens. It is one look among many "
        "and jumps about; a clip the model read earlier may act on the word through what was written before.",
    ),
    (
        "Effect, in nats",
        "“Did it matter?” forces the same answer again with silence in place of the clips. One nat means e times as "
        "likely, about 2.7 times: +1 on a word says that the clips made it 2.7 times likelier, 0 that it would have "
        "been said anyway, a minus that they spoke against it. It is not whether the answer is right. Effects of "
        "single clips do not add up to that of all: two may say the same. And silence is a sound too, of which a "
        "model may have something to say.",
    ),
)


# Clips
NOT_SENT = "not sent yet"
IN_PARTS = "heard in parts of up to {window_seconds:.0f} s"
TRIMMED = "{start:.2f} to {stop:.2f} s of it"
CLIP_TRAY, UNUSABLE = "Clips", "Files that cannot be used"
CLIP_COUNT = "{clips} of {most} clips, {seconds:.1f} s"
CLIPS_TOO_MANY = "remove {over} before you ask"
NO_LETTER_FREE = "no letter is free"
ONE_LETTER_FREE = "letter {first} is free"
LETTERS_FREE = "letters {first} to {last} are free"
ASK_HINT = "A letter puts its clip into the question, one of an earlier question too."
CLIP_WORDS = "clip {letter}"
PLAY = "Play clip {letter}, {name}"
POSITION = "Position in clip {letter}, {name}"
MENTION = "Put “clip {letter}” into the question"
OPEN_CLIP = "Clip {letter}, {name}: name, place, part, measures"
OPEN_CLIP_SHORT = "Name, place, part, measures"
TAKE_AWAY = "Remove clip {letter}, {name}"
TAKE_AWAY_BAD = "Remove {name}"
NOT_PLAYED = "This browser cannot play the file; the model hears it."
CLIP_NAME = "Name"
RENAME = "Rename"
EARLIER, LATER, REMOVE, CLOSE_CLIP = "Move earlier", "Move later", "Remove", "Close"
TRIM_START, TRIM_STOP = "Start, in seconds", "End, in seconds"
TRIM, WHOLE_AGAIN = "Let the model hear this part", "Whole clip again"
SENT_CLIP = (
    "Clip {letter} was sent: it keeps its letter, place and sound, because answers speak of them. Its name may change."
)
WAITING_CLIP = "Clip {letter} is not sent yet."
RENAME_LATER = "An answer is being written: rename a clip that was sent when it has ended."
RENAMED = "Renamed."
HEARS_PART = "The model will hear {start:.2f} to {stop:.2f} s of it: {seconds:.2f} s."
HEARS_WHOLE = "The model will hear the whole clip: {seconds:.2f} s."
IS_AT = "Now clip {letter}."
SPECTROGRAM = "Spectrogram"
SPECTROGRAM_OF = (
    "Spectrogram of clip {letter}, {name}: {seconds:.1f} seconds along, 20 to 8000 Hz upwards, "
    "brighter is louder; loudest near {loudest_hz:.0f} Hz at {loudest_seconds:.1f} s."
)
SPECTROGRAM_LEGEND = "dB, relative to the loudest"
HZ_AXIS = "Hz"
MEASURED = {
    "seconds": ("Length", "{:.2f} s"),
    "level_lufs": ("Loudness", "{:.1f} LUFS"),
    "peak_dbfs": ("Peak", "{:.1f} dBFS"),
    "pitch_hz": ("Pitch", "{:.0f} Hz"),
    "silence_percent": ("Silence", "{:.0f} %"),
    "bandwidth_hz": ("Bandwidth, 99 % of the energy", "up to {:.0f} Hz"),
    "source_hz": ("Sampling rate of the file", "{:.0f} Hz"),
}
NO_PITCH = "none that is steady"
NO_ENERGY = "no energy"


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
MORE = "What else there is"
MORE_LIST = (
    ("Settings, at the top left", "boost, adapter and model; another pane side by side; save and open."),
    (MATTER, "the last answer again, with silence in place of the clips."),
    (ASK_ORDERS, "whether an answer goes by the sound of a clip or by its place."),
    ("The dots on a clip", "its name, place, part, measures and spectrogram."),
)
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


def questions(count: int) -> str:
    """So many questions."""
    return QUESTIONS.get(count, QUESTIONS_MANY.format(count=count))


def waiting(before: int) -> str:
    """The status while other questions are answered first."""
    return WAITING.format(questions=questions(before))


def source_name(source: str) -> str:
    """A source of attention in the words of the page: clips by their letter."""
    return source.removeprefix("clip ") if is_clip(source) else SOURCES.get(source, source)


def percent(share: float) -> str:
    """A share as people write it, with a decimal where it is small."""
    return f"{share:.1%}".replace("%", " %") if share < 0.0995 else f"{share:.0%}".replace("%", " %")


# Keep
KEEP = "Save and open"
SAVE_CONVERSATION = "Save conversation (zip)"
SAVE_REPORT = "Save report (HTML)"
OPEN_CONVERSATION = "Open a saved conversation"
NOTHING_TO_KEEP = "There is nothing to save yet: ask something first."
STILL_ANSWERING = "An answer is running: stop it, or wait until it has ended."
SAVING = "Saving …"
SAVED = "Saved as {name}."
CANNOT_SAVE = "This conversation cannot be saved ({reason}): start a new one for what comes next."
NO_ROOM = "The disk of the machine that Earshot runs on is full: make room there, then add the files again."
CANNOT_WRITE = "The file cannot be written ({reason}): make room on the disk, then try again."
OPENED = {1: "Opened: one question. “Undo” brings back what was there."}
OPENED_MANY = "Opened: {questions} questions. “Undo” brings back what was there."
NAMELESS_MODEL = "A model without a name"
OTHER_MODEL = "{missing} is not loaded here: {name} answers from now on."
OTHER_SETTINGS = "Some of its settings are not possible here: the model's defaults stand in their place."
QUESTION_NUMBER = "Question {number}"
SETTINGS_NUMBER = "settings {number}"


def opened(questions: int) -> str:
    """What is said when a saved conversation is there again."""
    return OPENED.get(questions, OPENED_MANY.format(questions=questions))

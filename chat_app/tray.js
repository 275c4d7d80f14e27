// The tray: plays, seeks, moves and removes clips. Listeners sit on the tray itself, so they outlive its redrawing.
// One player for all clips, outside the tray: it plays on while clips are renamed or moved.
const player = new Audio();
player.preload = "auto";
const positions = new Map(); // in seconds, of the clips that do not play now
let current = null;
let dragged = null;
let pressedOnSeek = false;
let wanted = null; // what gets the focus after the next redrawing

const clipOf = (target) => target.closest && target.closest(".es-clip");
const placeOf = (clip) => Number(clip.dataset.place);
const lengthOf = (clip) => Number(clip.dataset.seconds) || 0;
const clips = () => [...element.querySelectorAll(".es-clip[data-src]")];
// A file that was dropped twice is two clips.
const keyOf = (clip) => {
  const twins = clips().filter((other) => other.dataset.src === clip.dataset.src);
  return `${twins.indexOf(clip)} ${clip.dataset.src}`;
};
const positionOf = (key) => (key === current ? player.currentTime : positions.get(key)) || 0;

const draw = () => {
  for (const clip of clips()) {
    const key = keyOf(clip), length = lengthOf(clip), slider = clip.querySelector(".es-seek");
    const position = Math.min(positionOf(key), length);
    clip.classList.toggle("es-playing", key === current && !player.paused && !player.ended);
    clip.classList.toggle("es-begun", position > 0);
    slider.setAttribute("aria-valuenow", position.toFixed(1));
    slider.setAttribute("aria-valuetext", `${position.toFixed(1)} / ${length.toFixed(1)} s`);
    slider.querySelector("i").style.left = `${length ? (100 * position) / length : 0}%`;
  }
};

const play = (clip) => {
  const key = keyOf(clip);
  if (key === current && !player.paused) return player.pause();
  if (key !== current) {
    if (current) positions.set(current, player.ended ? 0 : player.currentTime);
    current = key;
    player.src = clip.dataset.src;
    player.currentTime = positions.get(key) || 0;
  }
  player.play().catch((error) => {
    // A file that cannot be played; another clip that took over the player is no mishap.
    const mute = error.name === "NotSupportedError" && clip.querySelector(".es-mute");
    if (mute) mute.textContent = mute.dataset.problem;
  });
};

const seek = (clip, seconds) => {
  const key = keyOf(clip), to = Math.min(Math.max(seconds, 0), lengthOf(clip));
  if (key === current) player.currentTime = to; else positions.set(key, to);
  draw();
};

const mention = (words) => {
  const box = document.querySelector("#box textarea");
  const before = box.value.slice(0, box.selectionStart);
  const gap = before && !/\s$/.test(before) ? " " : "";
  box.setRangeText(gap + words, box.selectionStart, box.selectionEnd, "end");
  box.dispatchEvent(new Event("input", { bubbles: true }));
  box.focus();
};

const move = (clip, to, focus) => {
  const goal = element.querySelector(`.es-pending[data-place="${to}"]`);
  if (!goal || goal === clip) return;
  wanted = focus && `[data-place="${to}"] .${focus}`;
  trigger("move_clip", { place: placeOf(clip), to });
};

const remove = (clip) => {
  trigger("remove_clip", { place: placeOf(clip) });
};

element.addEventListener("click", (event) => {
  const clip = clipOf(event.target);
  if (!clip) return;
  const over = (name) => event.target.closest(name);
  if (over(".es-mention")) mention(over(".es-mention").dataset.words);
  else if (over(".es-play")) play(clip);
  else if (over(".es-open")) trigger("open_clip", { place: placeOf(clip) });
  else if (over(".es-remove")) remove(clip);
  else if (over(".es-seek")) {
    const edge = over(".es-seek").getBoundingClientRect();
    seek(clip, ((event.clientX - edge.left) / edge.width) * lengthOf(clip));
  }
});

const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -4, PageUp: 4 };
element.addEventListener("keydown", (event) => {
  const clip = clipOf(event.target);
  if (!clip || event.ctrlKey || event.metaKey) return;
  const step = STEPS[event.key];
  if (event.altKey) {
    // Alt and an arrow would leave the page otherwise.
    if (!step || Math.abs(step) > 1) return;
    event.preventDefault();
    const earlier = event.key === "ArrowLeft" || event.key === "ArrowUp";
    const focus = [...event.target.classList].find((name) => name.startsWith("es-") && name !== "es-badge");
    if (clip.matches(".es-pending")) move(clip, placeOf(clip) + (earlier ? -1 : 1), focus);
    return;
  }
  if (!event.target.matches(".es-seek")) return;
  const length = lengthOf(clip), now = positionOf(keyOf(clip));
  if (step) seek(clip, now + step * Math.max(0.1, length / 20));
  else if (event.key === "Home") seek(clip, 0);
  else if (event.key === "End") seek(clip, length);
  else if (event.key === " " || event.key === "Enter") play(clip);
  else return;
  event.preventDefault();
});

for (const type of ["play", "pause", "ended", "timeupdate", "seeked"]) player.addEventListener(type, draw);

watch("value", () => {
  if (current && !clips().some((clip) => keyOf(clip) === current)) {
    player.pause();
    player.removeAttribute("src");
    current = null;
  }
  const keys = new Set(clips().map(keyOf));
  for (const key of positions.keys()) if (!keys.has(key)) positions.delete(key);
  draw();
  const goal = wanted && element.querySelector(wanted);
  if (goal) goal.focus();
  wanted = null;
});

// Dragging a clip to another's place, or into the question; dropping files on the tray as if on the box.
element.addEventListener("pointerdown", (event) => (pressedOnSeek = Boolean(event.target.closest(".es-seek"))));
element.addEventListener("dragstart", (event) => {
  dragged = pressedOnSeek ? null : clipOf(event.target);
  if (!dragged) return event.preventDefault();
  event.dataTransfer.effectAllowed = "all";
  event.dataTransfer.setData("text/plain", dragged.querySelector(".es-mention").dataset.words);
});
const unmark = () => element.querySelectorAll(".es-over").forEach((clip) => clip.classList.remove("es-over"));
element.addEventListener("dragend", () => ((dragged = null), unmark()));
element.addEventListener("dragover", (event) => {
  const files = !dragged && event.dataTransfer.types.includes("Files");
  const goal = dragged && clipOf(event.target);
  unmark();
  if (goal && goal !== dragged && goal.matches(".es-pending")) goal.classList.add("es-over");
  else if (!files) return;
  event.preventDefault();
});
element.addEventListener("drop", (event) => {
  unmark();
  const goal = clipOf(event.target), input = document.querySelector("#box input[type=file]");
  if (dragged && goal) {
    event.preventDefault();
    move(dragged, placeOf(goal));
  } else if (event.dataTransfer.files.length) {
    event.preventDefault();
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
});
// The box takes every drop for files: a clip is kept from it, and becomes its words at the caret.
for (const type of ["dragenter", "dragover", "drop"]) {
  document.addEventListener(type, (event) => {
    if (!dragged || !event.target.closest("#box")) return;
    event.preventDefault();
    event.stopPropagation();
    if (type === "drop") mention(dragged.querySelector(".es-mention").dataset.words);
  }, true);
}

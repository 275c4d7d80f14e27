// Works the meter cards. Listeners sit on the document, so they outlive every redrawing of the chat; the numbers are in
// the cards, so nothing is asked of the server.
const help = element.querySelector(".es-help");
const SHADES = help.dataset.shades.split(" ");
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const STEP_SECONDS = 0.5;

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
const width = (part) => `${(100 * Math.min(part, 1)).toFixed(2)}%`;

// What a card holds: one row for the whole answer and one for each word, as chat_app/words.py packs them.
const numbersOf = (card) => {
  const box = card.querySelector(".es-by-word");
  const words = [...box.querySelectorAll(".es-word")];
  const rows = [...card.querySelectorAll(".es-row")];
  const bytes = Uint8Array.from(atob(box.dataset.numbers), (character) => character.charCodeAt(0));
  const numbers = new Float32Array(bytes.buffer);
  const size = words.length * rows.length;
  const number = (kind, word, clip) => numbers[kind * size + word * rows.length + clip];
  return { box, words, rows, number, boosted: numbers.length === 3 * size, texts: JSON.parse(box.dataset.texts) };
};

const showWord = (card, word) => {
  const { box, words, rows, number, boosted, texts } = numbersOf(card);
  const shares = rows.map((_, clip) => number(0, word, clip));
  const largest = Math.max(...shares) || 1;
  let at = word * (box.dataset.levels.length / words.length);
  rows.forEach((row, clip) => {
    const [said, lift] = [percent(shares[clip]), number(1, word, clip).toFixed(2)];
    row.querySelector(".es-number b").textContent = said;
    row.querySelector(".es-number small").textContent = `${lift}×`;
    const bar = row.querySelector(".es-bar");
    bar.firstElementChild.style.width = width(shares[clip] / largest);
    bar.setAttribute("aria-valuenow", (100 * shares[clip]).toFixed(1));
    bar.setAttribute("aria-valuetext", fill(texts.share, { percent: said, lift }));
    if (boosted) {
      const natural = number(2, word, clip);
      row.querySelector(".es-natural").style.left = width(natural / largest);
      row.querySelector(".es-was").textContent = fill(texts.natural, { percent: percent(natural) });
    }
    const bins = [...row.querySelectorAll(".es-heat rect")];
    const levels = bins.map((_, bin) => DIGITS.indexOf(box.dataset.levels[at + bin]));
    at += bins.length;
    bins.forEach((bin, place) => bin.setAttribute("fill", SHADES[levels[place]]));
    const { letter, seconds } = row.dataset;
    const peak = ((levels.indexOf(Math.max(...levels)) + 0.5) * seconds) / bins.length;
    const heat = { letter, seconds: Number(seconds).toFixed(1), peak: peak.toFixed(1) };
    row.querySelector(".es-heat").setAttribute("aria-label", fill(texts.heat, heat));
  });
  words.forEach((button, place) => button.setAttribute("aria-pressed", String(place === word)));
  const shown = word ? fill(texts.word, { word: words[word].textContent }) : texts.whole;
  card.querySelector(".es-shown").textContent = shown;
};

const shadeWords = (card, picked) => {
  const { box, words, rows, number, texts } = numbersOf(card);
  const clip = picked ? rows.indexOf(picked) : -1;
  const shares = words.map((_, word) => (picked ? number(0, word, clip) : 0));
  const largest = Math.max(...shares.slice(1)) || 1;
  const letter = picked ? picked.dataset.letter : "";
  words.slice(1).forEach((button, place) => {
    const share = shares[place + 1];
    const shade = Math.round((share / largest) * (SHADES.length - 1));
    button.style.background = picked ? SHADES[shade] : "";
    button.style.color = picked ? (shade > SHADES.length / 2 ? "#000" : "#fff") : "";
    const said = fill(texts.of, { word: button.textContent, percent: percent(share), letter });
    for (const name of ["title", "aria-label"]) picked ? button.setAttribute(name, said) : button.removeAttribute(name);
  });
  rows.forEach((row) => row.querySelector(".es-pick").setAttribute("aria-pressed", String(row === picked)));
  box.querySelector(".es-shaded").textContent = picked ? fill(texts.shaded, { letter, percent: percent(largest) }) : "";
  if (picked) box.open = true;
};

// Only one of the words can be reached by Tab; arrows go on from there.
const rove = (words, to) => {
  const next = words[Math.max(0, Math.min(to, words.length - 1))];
  words.forEach((word) => (word.tabIndex = word === next ? 0 : -1));
  next.focus();
};

// Sound. The place is kept in the audio element; before it has loaded it remembers where to begin.
const soundOf = (row) => row.querySelector("audio");
const play = (audio) => audio.play().catch(() => {}); // a pause in between is no fault; a lost file is told by "error"
const draw = (row) => {
  const place = row.querySelector(".es-place");
  const [now, seconds] = [Math.min(soundOf(row).currentTime, row.dataset.seconds), Number(row.dataset.seconds)];
  place.firstElementChild.style.left = width(now / seconds);
  place.setAttribute("aria-valuenow", now.toFixed(1));
  const said = fill(place.dataset.text, { now: now.toFixed(1), seconds: seconds.toFixed(1) });
  place.setAttribute("aria-valuetext", said);
};
const seek = (row, seconds) => {
  soundOf(row).currentTime = Math.max(0, Math.min(seconds, row.dataset.seconds));
  draw(row);
};
const toggle = (row) => (soundOf(row).paused ? play(soundOf(row)) : soundOf(row).pause());
const follow = (row) => {
  draw(row);
  if (!soundOf(row).paused) requestAnimationFrame(() => follow(row));
};

const clicked = (event) => {
  const target = event.target;
  if (!(target instanceof Element)) return;
  if (target.closest(".es-ask-help")) return help.showModal();
  if (target === help) return help.close(); // its backdrop
  const card = target.closest(".es-meter");
  if (!card) return;
  const [word, row] = [target.closest(".es-word"), target.closest(".es-row")];
  if (word) {
    const words = [...card.querySelectorAll(".es-word")];
    const again = word.getAttribute("aria-pressed") === "true";
    rove(words, words.indexOf(word));
    showWord(card, again ? 0 : words.indexOf(word));
  } else if (target.closest(".es-pick")) {
    shadeWords(card, target.closest(".es-pick").getAttribute("aria-pressed") === "true" ? null : row);
  } else if (target.closest(".es-go")) {
    toggle(row);
  } else if (target.closest(".es-place")) {
    const edge = target.closest(".es-place").getBoundingClientRect();
    seek(row, ((event.clientX - edge.left) / edge.width) * row.dataset.seconds);
    play(soundOf(row));
  }
};

const pressed = (event) => {
  if (!(event.target instanceof Element) || event.ctrlKey || event.altKey || event.metaKey) return;
  const [word, place] = [event.target.closest(".es-word"), event.target.closest(".es-place")];
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (word) {
    const words = [...word.parentElement.querySelectorAll(".es-word")];
    const to = step ? words.indexOf(word) + step : { Home: 0, End: words.length - 1 }[event.key];
    if (to === undefined) return;
    rove(words, to);
  } else if (place) {
    const row = place.closest(".es-row");
    const up = event.key === "ArrowUp" || event.key === "ArrowDown" ? -step : step; // a slider goes up by ArrowUp
    if (step) seek(row, soundOf(row).currentTime + up * STEP_SECONDS);
    else if (event.key === "Home") seek(row, 0);
    else if (event.key === "End") seek(row, Number(row.dataset.seconds));
    else if (event.key === " " || event.key === "Enter") toggle(row);
    else return;
  } else return;
  event.preventDefault();
};

const sounded = (event) => {
  const audio = event.target;
  if (event.type === "play") document.querySelectorAll("audio").forEach((other) => other !== audio && other.pause());
  const row = audio.closest(".es-meter .es-row");
  if (!row) return;
  row.querySelector(".es-gone").hidden = !audio.error;
  row.classList.toggle("es-playing", !audio.paused && !audio.ended && !audio.error);
  if (event.type === "play") follow(row);
  if (event.type === "ended") seek(row, 0);
};

document.addEventListener("click", clicked);
document.addEventListener("keydown", pressed);
// Media events do not bubble: they are caught on their way down.
for (const type of ["play", "pause", "ended", "error"]) document.addEventListener(type, sounded, true);

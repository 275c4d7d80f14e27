// One play button and one position a clip. Listeners sit on the tray itself, so they outlive its redrawing.
const clipOf = (target) => target.closest(".es-clip");

element.addEventListener("click", (event) => {
  const clip = clipOf(event.target);
  const audio = clip && clip.querySelector("audio");
  if (!audio) return;
  const seek = event.target.closest(".es-seek");
  if (event.target.closest(".es-play")) {
    if (audio.paused) audio.play(); else audio.pause();
  } else if (seek && Number.isFinite(audio.duration)) {
    const edge = seek.getBoundingClientRect();
    audio.currentTime = ((event.clientX - edge.left) / edge.width) * audio.duration;
  }
});

// Media events do not bubble: they are caught on their way down.
const follow = (event) => {
  const audio = event.target;
  const clip = clipOf(audio);
  if (!clip) return;
  clip.classList.toggle("es-playing", !audio.paused && !audio.ended);
  const done = audio.ended ? 0 : audio.currentTime / (audio.duration || 1);
  clip.querySelector(".es-seek > i").style.left = `${100 * done}%`;
  if (event.type === "play") {
    element.querySelectorAll("audio").forEach((other) => other !== audio && other.pause());
  }
};
for (const type of ["play", "pause", "ended", "timeupdate"]) element.addEventListener(type, follow, true);

// Keys, help, the hint of a first visit and the copy button. Everything hangs on the document: what is redrawn needs none.
const HINT_KEY = "earshot-hint";
const said = element.querySelector(".es-said");
const help = element.querySelector(".es-help");
const writable = "textarea, select, [contenteditable=true], input:not([type=range], [type=checkbox], [type=radio])";

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  const box = document.querySelector("#box textarea");
  const bare = !(event.ctrlKey || event.metaKey || event.altKey || event.shiftKey);
  // While a word is composed (Japanese, Chinese ...) the keys are for that; while help is open they are for the dialog.
  if (event.isComposing || help.open) return;
  if (key === "Escape" && bare && !target.closest("[role=combobox][aria-expanded=true]")) {
    document.querySelector("#box .stop-button")?.click();
  } else if (key === "ArrowUp" && bare && target === box && !box.value && !document.querySelector("#tray .es-pending")) {
    const edit = document.querySelector("#edit");
    if (edit.disabled) return;
    event.preventDefault();
    edit.click();
  } else if (key.toLowerCase() === "k" && event.ctrlKey !== event.metaKey && !event.shiftKey && !event.altKey) {
    if (target.closest(writable)) return;
    event.preventDefault();
    box.focus();
  }
}, true);

document.addEventListener("click", (event) => {
  const { target } = event;
  if (target.closest(".es-help-open")) help.showModal();
  else if (target === help) help.close();  // beside the dialog
  else if (target.closest(".es-hint-close")) {
    remember();
    mend();
    document.querySelector("#box textarea").focus();
  } else if (target.closest(".es-copy")) copy(target.closest(".es-copy"));
});

const copy = async (button) => {
  const label = button.textContent;
  let outcome = said.dataset.copied;
  try {
    await navigator.clipboard.writeText(button.dataset.words);
  } catch {
    outcome = said.dataset.notCopied; // no permission, or a page that is not from this machine or https
  }
  button.disabled = true; // two presses would take the outcome for the label
  button.textContent = said.textContent = outcome;
  setTimeout(() => {
    button.textContent = label;
    button.disabled = false;
    said.textContent = "";
  }, 2000);
};

// A browser may forbid to keep anything: then the hint comes at each visit.
const remembered = () => {
  try { return localStorage.getItem(HINT_KEY); } catch { return null; }
};
let first = !remembered();
const remember = () => {
  first = false;
  try { localStorage.setItem(HINT_KEY, "seen"); } catch { /* see above */ }
};

// What Gradio leaves out of its own markup, and what it may not have drawn yet when this began.
const mend = () => {
  const set = (found, name, value) => found && found.getAttribute(name) !== value && found.setAttribute(name, value);
  if (first && document.querySelector("#chat .es-question")) remember(); // who asks knows how
  const hint = document.querySelector("#hint");
  if (hint && hint.classList.contains("es-first") !== first) hint.classList.toggle("es-first", first);
  const answering = String(Boolean(document.querySelector("#box .stop-button")));
  const settings = document.querySelector("#settings");
  const toggle = settings?.querySelector(".toggle-button");
  set(toggle, "aria-label", said.dataset.settings);
  set(toggle, "aria-expanded", String(Boolean(settings?.classList.contains("open"))));
  set(document.querySelector("#box textarea"), "aria-label", said.dataset.box);
  // A reader waits until the answer has ended instead of speaking it six times a second.
  for (const log of document.querySelectorAll(".es-chat [role=log]")) set(log, "aria-busy", answering);
  for (const list of document.querySelectorAll(".es-chat .examples")) set(list, "role", "group");
  for (const file of document.querySelectorAll("#box .thumbnail-wrapper")) set(file, "role", "group");
};
new MutationObserver(mend).observe(document.body, {
  childList: true, subtree: true, attributes: true, attributeFilter: ["class"],
});
mend();

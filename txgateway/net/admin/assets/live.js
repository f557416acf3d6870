// Keeps a page as its gateway is: takes drawn parts from the server and puts in what is another.

const shown = document.querySelector("[data-liveness]");
const address = document.body.dataset.events;
let source = null;

function say(word, how) {
  shown.textContent = word;
  shown.className = `liveness ${how}`;
}

// Makes `old` what `fresh` is, and leaves alone what is the same: so focus, selection and open details stay.
function become(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.isEqualNode(fresh)) return;
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  }
  becomeChildren(old, fresh);
}

function becomeChildren(old, fresh) {
  const before = [...old.childNodes];
  [...fresh.childNodes].forEach((child, at) => {
    if (at < before.length) become(before[at], child);
    else old.append(child);
  });
  before.slice(fresh.childNodes.length).forEach((child) => child.remove());
}

function take(event) {
  for (const [name, html] of Object.entries(JSON.parse(event.data).parts)) {
    const part = document.querySelector(`[data-live="${name}"]`);
    if (!part) continue;
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    // Counted from the page's own nodes: what is taken out of `fresh` while it becomes ours is gone from there.
    becomeChildren(part, fresh.content.cloneNode(true));
  }
  say("live", "good");
}

function listen() {
  source = new EventSource(address);
  source.addEventListener("parts", take);
  source.onerror = () => {
    const isOver = source.readyState === EventSource.CLOSED;
    say(isOver ? "not live: reload to try again" : "not live: the gateway does not answer", "warn");
  };
}

// Nobody looks at a hidden page, and browsers have few connections to one server.
function follow() {
  if (document.hidden) {
    source?.close();
    source = null;
  } else if (!source) {
    listen();
  }
}

if (address) {
  document.addEventListener("visibilitychange", follow);
  follow();
}

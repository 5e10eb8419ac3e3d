// The live view. Its token is kept in this variable and nowhere else: a page that is loaded again asks for another.
let token = "";

const EVERY_MS = 1000;
const PATIENCE_MS = 10000;
const UNKNOWN_TOKEN = "The host does not know this token (any more). `cwai top --web` prints a link that works.";

const element = (id) => document.getElementById(id);

class Refusal extends Error {}

async function ask(method, path, bearer) {
  const answer = await fetch(path, {
    method,
    headers: { authorization: `Bearer ${bearer}` },
    cache: "no-store",
    credentials: "omit",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const body = await answer.json();
  if (answer.ok) return body;
  throw answer.status === 401 ? new Refusal(body.error.message) : new Error(body.error.message);
}

function count(value) {
  return value.toLocaleString("en");
}

function rate(value) {
  return value === null ? "–" : value.toFixed(1);
}

function share(value) {
  return value === null ? "–" : `${(100 * value).toFixed(0)} %`;
}

function bytes(value) {
  if (value === null) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${value.toFixed(unit ? 1 : 0)} ${units[unit]}`;
}

function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

function make(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function row(heading, cells) {
  const made = document.createElement("tr");
  const first = make("th", heading);
  first.scope = "row";
  made.append(first, ...cells.map((cell) => make("td", cell)));
  return made;
}

function showList(id, entries) {
  element(id).replaceChildren(
    ...entries.map(([name, value, note]) => {
      const figure = make("dd", value);
      if (note) figure.append(make("small", note));
      const made = document.createElement("div");
      made.append(make("dt", name), figure);
      return made;
    }),
  );
}

function say(text, alarm = false) {
  const state = element("state");
  if (state.textContent !== text) state.textContent = text; // a screen reader hears changes only
  state.classList.toggle("alarm", alarm);
}

function describeState(figures) {
  if (figures.error) return `${figures.state}: ${figures.error.message}`;
  if (figures.stage === undefined) return figures.state;
  return `${figures.state}: ${figures.stage}` + (figures.total ? ` ${share(figures.done / figures.total)}` : "");
}

function showNow(figures) {
  const { engine } = figures;
  const entries = [
    ["Tokens/s", rate(figures.tokens_per_second), `output, over ${figures.rate_seconds} s`],
    ["Host memory", bytes(figures.host_memory_bytes), `up ${duration(figures.uptime_seconds)}`],
  ];
  if (engine) {
    const { requests, tokens, batch_occupancy: batch, prefix_cache: cache } = engine;
    entries.splice(
      1,
      0,
      ["Running", count(requests.running), `${count(requests.waiting)} queued`],
      ["Batch occupancy", rate(batch.recent), `${rate(batch.mean)} on average`],
      ["Cache hit rate", share(tokens.cached_share), `${count(tokens.cached)} of ${count(tokens.input)}`],
      ["Prefix cache", bytes(cache.bytes), `of ${bytes(cache.budget_bytes)}`],
      ["Answered", count(requests.finished), `${count(requests.failed)} failed, ${count(requests.cancelled)} cancelled`],
    );
  } else {
    entries.unshift(["Requests", count(figures.active_requests)]);
  }
  showList("now", entries);
}

function showAgents(figures) {
  const minutes = Math.round(figures.agents_seconds / 60);
  element("agents-caption").textContent = figures.agents.length
    ? `Seen in the last ${minutes} minutes, those at work first`
    : `None in the last ${minutes} minutes`;
  element("agents").replaceChildren(
    ...figures.agents.map(({ name, requests, tokens, tokens_per_second, idle_seconds }) => {
      const busy = requests.running + requests.waiting > 0;
      const made = row(name, [
        count(requests.running),
        count(requests.waiting),
        rate(tokens_per_second),
        share(tokens.cached_share),
        count(tokens.input),
        count(tokens.output),
        count(requests.finished),
        count(requests.failed),
        busy ? "–" : duration(idle_seconds),
      ]);
      made.classList.toggle("busy", busy);
      return made;
    }),
  );
}

function showAnswers({ answers }) {
  const entries = answers
    ? [
        ["Provider", answers.provider],
        ["Device", answers.device],
        ["Execution provider", answers.execution_provider],
        ["Model", answers.model],
      ]
    : [["Provider", "nobody yet"]];
  const refused = answers ? answers.refused : [];
  showList("answers", entries);
  element("refused").replaceChildren(...refused.map(({ provider, reason }) => row(provider, [reason])));
  element("refused-part").hidden = refused.length === 0;
}

function showDevices({ devices }) {
  const { adapters, cpu, memory } = devices;
  const percent = (load) => (load === null ? "–" : share(load / 100));
  element("devices").replaceChildren(
    ...adapters.map((adapter) =>
      row(adapter.name, [
        percent(adapter.load_percent),
        bytes(adapter.memory_used_bytes),
        bytes(adapter.memory_total_bytes),
      ]),
    ),
    row(cpu.name, [
      percent(cpu.load_percent),
      bytes(memory.total_bytes - memory.available_bytes),
      bytes(memory.total_bytes),
    ]),
  );
}

function show(figures) {
  say(`${describeState(figures)}, version ${figures.version}`, Boolean(figures.error));
  showNow(figures);
  showAgents(figures);
  showAnswers(figures);
  showDevices(figures);
  element("entrance").hidden = true;
  element("figures").hidden = false;
}

function askForToken(text, alarm) {
  say(text, alarm);
  token = "";
  element("figures").hidden = true;
  element("entrance").hidden = false;
}

// Goes on for as long as its token is the one in use.
async function look() {
  const mine = token;
  try {
    const figures = document.hidden ? null : await ask("GET", "/statistics", mine);
    if (mine !== token) return;
    if (figures) show(figures);
  } catch (error) {
    if (mine !== token) return;
    if (error instanceof Refusal) {
      askForToken(UNKNOWN_TOKEN, true);
      return;
    }
    say(`The host does not answer (${error.message}). These are its last figures.`, true);
  }
  setTimeout(() => mine === token && look(), EVERY_MS);
}

async function enter() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  history.replaceState(null, "", location.pathname); // the code is used up
  if (!code) {
    askForToken("", false);
    return;
  }
  try {
    token = (await ask("POST", "/view/tokens", code)).token;
  } catch (error) {
    askForToken(error.message, true);
    return;
  }
  await look();
}

element("entrance").addEventListener("submit", (event) => {
  event.preventDefault();
  token = element("token").value.trim();
  element("token").value = "";
  look();
});
addEventListener("hashchange", enter); // another link, opened in this tab

await enter();

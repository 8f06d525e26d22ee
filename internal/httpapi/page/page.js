// The page of a node in development mode. It reads with the client that every node serves, /pushstream.js, as a page of yours
// would. Everything that comes from events is only ever shown as text.
'use strict';

const most = 200; // entries of the list
const byId = (id) => document.getElementById(id);
const readForm = byId('read');
const publishForm = byId('publish');
let stream;

// Who reads. Only in development mode is that said by the URL.
function eventsURL() {
  const url = new URL('events', location.href);
  for (const name of ['user', 'session']) {
    if (readForm.elements[name].value) url.searchParams.set(name, readForm.elements[name].value);
  }
  return url;
}

const topics = () => readForm.elements.topics.value.split(/\s+/).filter(Boolean);

function connect() {
  stream?.close();
  stream = new PushStream({
    url: eventsURL(),
    topics: topics(),
    storageKey: `page ${history.state ?? ''}`, // see begin
  });
  stream.onStatus(showStatus);
  stream.onLive(({ resumed }) => note('live', lives[resumed]));
  stream.onGap(({ targets, reason }) => {
    note('gap', `Gap (${reason}): what you have of ${targets.join(', ') || 'any target'} may be out of date. Fetch it again.`);
  });
  stream.on('*', showEvent); // the first handler of events opens the stream
}

const lives = {
  false: 'Live, from now on.',
  memory: 'Live again, from where it was.',
  storage: 'Live, from where the page was before it was loaded again.',
};

// What the form says is kept with the page, for when it is loaded again: the stream then goes on from its cursor, which the
// client keeps under `storageKey`. Another connection by the form has another key, so it begins anew.
function begin() {
  history.replaceState(Date.now(), '', `?${new URLSearchParams(new FormData(readForm))}`);
  connect();
}

function showStatus(status) {
  const { error } = stream;
  const why = error && (status === 'waiting' || status === 'closed') ? `: ${error.code}, ${error.message}` : '';
  byId('status').dataset.state = error && status === 'closed' ? 'failed' : status;
  byId('status').textContent = status + why;
  byId('disconnect').disabled = status === 'closed';
}

function showEvent({ type, target, id, time, data }) {
  const about = [target, id, time].filter(Boolean).join(' · '); // what is live only has no id and no time
  add('event', element('code', type), element('pre', JSON.stringify(data)), element('small', about));
}

function note(kind, text) {
  add(kind, element('p', text));
}

function add(kind, ...parts) {
  byId('none').hidden = true;
  const item = element('li');
  item.className = kind;
  item.append(...parts);
  const list = byId('events');
  list.prepend(item);
  while (list.children.length > most) list.lastChild.remove();
}

function element(name, text = '') {
  const e = document.createElement(name);
  e.textContent = text;
  return e;
}

function eventBody() {
  const { target, type, data } = publishForm.elements;
  return JSON.stringify({ target: target.value, type: type.value, data: JSON.parse(data.value) });
}

async function publish() {
  let body;
  try {
    body = eventBody();
  } catch (error) {
    return answer(false, `data is not JSON: ${error.message}`);
  }
  try {
    const response = await fetch('events', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
    const said = await response.json();
    answer(response.ok, response.ok ? `stored as ${said.id}` : `${said.title}: ${said.detail}`);
  } catch (error) {
    answer(false, `not sent: ${error.message}`);
  }
}

function answer(ok, text) {
  byId('answer').dataset.state = ok ? 'live' : 'failed';
  byId('answer').textContent = text;
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function showCommands() {
  const url = eventsURL();
  for (const topic of topics()) url.searchParams.append('topic', topic);
  byId('curl-read').textContent = `curl -N ${quote(url.href)}`;
  let body = '…';
  try {
    body = eventBody();
  } catch {
    // half-typed JSON
  }
  url.search = '';
  byId('curl-publish').textContent = `curl -H 'Content-Type: application/json' -d ${quote(body)} ${quote(url.href)}`;
}

readForm.addEventListener('submit', (e) => {
  e.preventDefault();
  begin();
});
byId('disconnect').addEventListener('click', () => {
  stream.close();
  byId('connect').focus(); // the button that had the focus is disabled now
});
publishForm.addEventListener('submit', (e) => {
  e.preventDefault();
  publish();
});
document.addEventListener('input', showCommands);

for (const [name, value] of new URLSearchParams(location.search)) {
  const field = readForm.querySelector(`input[name="${CSS.escape(name)}"]`);
  if (field) field.value = value;
}
showCommands();
connect();

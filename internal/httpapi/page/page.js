// The page of a node in development mode: a plain EventSource and a form. Everything that comes from events is only ever
// shown as text.
'use strict';

const most = 200; // events shown
const byId = (id) => document.getElementById(id);
let source = null;

function readURL(form) {
  const query = new URLSearchParams();
  for (const name of ['user', 'session']) {
    if (form.elements[name].value) query.set(name, form.elements[name].value);
  }
  for (const topic of form.elements.topics.value.split(/\s+/).filter(Boolean)) query.append('topic', topic);
  return new URL('events?' + query, location.href);
}

function status(state, text) {
  byId('status').dataset.state = state;
  byId('status').textContent = text;
}

function disconnect() {
  if (source) source.close();
  source = null;
  byId('disconnect').disabled = true;
  status('closed', 'not connected');
}

function connect(url) {
  disconnect();
  url.searchParams.set('envelope', '1'); // one listener for every type, and events say whom they are for
  status('connecting', 'connecting');
  source = new EventSource(url);
  source.onopen = () => status('open', 'connected');
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) {
      disconnect();
      status('closed', 'refused: see the network panel of your browser');
    } else {
      status('connecting', 'reconnecting');
    }
  };
  source.onmessage = (message) => show(JSON.parse(message.data));
  byId('disconnect').disabled = false;
}

function show(event) {
  byId('none').hidden = true;
  const item = document.createElement('li');
  item.append(element('code', event.type), element('pre', JSON.stringify(event.data)));
  const about = [event.target, event.id, event.time].filter(Boolean).join(' · ');
  if (about) item.append(element('small', about));
  const list = byId('events');
  list.prepend(item);
  while (list.children.length > most) list.lastChild.remove();
}

function element(name, text) {
  const e = document.createElement(name);
  e.textContent = text;
  return e;
}

const quote = (text) => "'" + text.replaceAll("'", "'\\''") + "'";

function eventBody(form) {
  return JSON.stringify({
    target: form.elements.target.value,
    type: form.elements.type.value,
    data: JSON.parse(form.elements.data.value),
  });
}

async function publish(form) {
  let body;
  try {
    body = eventBody(form);
  } catch (error) {
    return 'data is not JSON: ' + error.message;
  }
  try {
    const response = await fetch('events', {method: 'POST', headers: {'Content-Type': 'application/json'}, body});
    const answer = await response.json();
    return response.ok ? 'stored as ' + answer.id : answer.title + ': ' + answer.detail;
  } catch (error) {
    return 'not sent: ' + error.message;
  }
}

function showCommands() {
  byId('curl-read').textContent = 'curl -N ' + quote(readURL(byId('read')).href);
  let body = '…';
  try {
    body = eventBody(byId('publish'));
  } catch { /* half-typed JSON */ }
  byId('curl-publish').textContent =
    'curl -H ' + quote('Content-Type: application/json') + ' -d ' + quote(body) + ' ' + quote(new URL('events', location.href).href);
}

byId('read').addEventListener('submit', (e) => {
  e.preventDefault();
  connect(readURL(e.target));
});
byId('disconnect').addEventListener('click', disconnect);
byId('publish').addEventListener('submit', async (e) => {
  e.preventDefault();
  byId('answer').textContent = await publish(e.target);
});
document.addEventListener('input', showCommands);
showCommands();
connect(readURL(byId('read')));

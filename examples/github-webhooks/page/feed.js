'use strict';

// What payloads hold was written by strangers. It reaches the page by textContent only, never as HTML or as a URL.

const most = 200;
const state = document.getElementById('state');
const feed = document.getElementById('feed');

function cell(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

// subjectOf says in a few words what a delivery is about.
function subjectOf(payload) {
  const subject = payload.pull_request ?? payload.issue ?? payload.discussion ?? payload.release ?? payload.head_commit;
  const title = subject?.title ?? subject?.name ?? subject?.message ?? payload.repository?.full_name ?? '';
  return `${payload.sender?.login ?? 'somebody'}: ${title}`;
}

function show({ type, data, time }) {
  const name = cell('span', type);
  name.className = 'type';
  const item = document.createElement('li');
  item.append(cell('time', new Date(time).toLocaleTimeString()), name, cell('span', subjectOf(data)));
  feed.prepend(item);
  if (feed.children.length > most) {
    feed.lastElementChild.remove();
  }
}

function follow(repo, login) {
  const url = new URL(`${document.documentElement.dataset.pushstream}/events`);
  url.searchParams.set('envelope', '1'); // every event as a message, whatever its type
  if (repo) {
    url.searchParams.set('topic', repo);
  }
  if (login) {
    url.searchParams.set('user', login); // development mode; elsewhere the credential says who the reader is
  }
  // EventSource comes back by itself, with the id of the last event that it had: nothing is missed meanwhile.
  const source = new EventSource(url);
  source.onerror = () => {
    state.textContent = source.readyState === EventSource.CLOSED ? 'PushStream refused the stream.' : 'Connecting …';
  };
  source.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    switch (event.type) {
      case 'pushstream.live':
        state.textContent = `Following ${[repo, login].filter(Boolean).join(' and ')}.`;
        break;
      case 'pushstream.gap':
        feed.prepend(cell('li', 'Some events before this line are no longer kept.'));
        break;
      default:
        if (!event.type.startsWith('pushstream.')) {
          show(event);
        }
    }
  };
}

const asked = new URLSearchParams(location.search);
const [repo, login] = [asked.get('repo'), asked.get('login')];
if (repo || login) {
  follow(repo, login);
}

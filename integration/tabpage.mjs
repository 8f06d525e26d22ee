// The application in a tab of tabs.mjs. The parameter `options` of its address has the options of its stream as JSON, besides:
//
//   token   the address where its token comes from
//   key     makes it a stream that tabs share
//
// What the stream says is kept in the tab's own storage, in the same task and so as surely as the stream's cursor.

import { PushStream, UnauthorizedError } from './client/index.js';
import { createSharedStream } from './client/share.js';

const { token, ...options } = JSON.parse(new URLSearchParams(location.search).get('options'));
const page = `${performance.timeOrigin}`; // tells a page from the one before it
let count = 0;
while (sessionStorage.getItem(`note ${count}`) !== null) count++;

function note(kind, about) {
  sessionStorage.setItem(`note ${count++}`, JSON.stringify({ at: Date.now(), page, kind, ...about }));
}

/** What was noted from the number on. */
window.notes = (number) => {
  const found = [];
  for (; number < count; number++) found.push(JSON.parse(sessionStorage.getItem(`note ${number}`)));
  return found;
};

if (token) {
  options.getToken = async ({ rejected }) => {
    const response = await fetch(`${token}?rejected=${rejected}`);
    note('token', { status: response.status, rejected });
    if (response.status === 401) throw new UnauthorizedError('log in first');
    if (!response.ok) throw new Error(`status ${response.status}`);
    return response.text();
  };
}

const stream = options.key ? createSharedStream(options) : new PushStream(options);
window.stream = stream;
stream.on('*', ({ id, type, target, data }) => note('event', { id, type, target, data }));
stream.onGap(({ targets, reason }) => note('gap', { targets, reason }));
stream.onLive(({ resumed }) => note('live', { resumed: String(resumed) }));
stream.onStatus((phase) => note('phase', { phase }));
stream.onError(({ code, status, retryable }) => note('error', { code, status: status ?? 0, retryable }));
addEventListener('pageshow', ({ persisted }) => note('shown', { persisted }));

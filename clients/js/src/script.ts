// For script tags: the global `PushStream` is the class, and has the errors as properties.
import { PushStream, PushStreamError, UnauthorizedError } from './index.js';

Object.assign(globalThis, { PushStream: Object.assign(PushStream, { PushStreamError, UnauthorizedError }) });

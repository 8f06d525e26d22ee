import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from '../recipes/react/first.js';

const root = createRoot(document.getElementById('root') as HTMLElement);
root.render(
  <StrictMode>
    <App />
  </StrictMode>,
);
Object.assign(window, { unmount: () => root.unmount() });

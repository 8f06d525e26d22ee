import { createPushStream } from '@pushstream/client/vue';
import { createApp } from 'vue';
import App from './App.vue';

const stream = createPushStream({ url: 'https://events.example.com/events', topics: ['shop'] });
createApp(App).use(stream).mount('#app');
